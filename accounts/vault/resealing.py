"""Online rotation of the vault's keys: values under an older key are sealed and indexed again, in batches.

Searches find old and new rows alike (accounts.vault.blind_index), so people can log in during the rotation. Each UPDATE
names the value that it replaces. If another transaction changes a row meanwhile, the row is left alone, because that
transaction sealed it under the current key. Higher layers declare sealed columns of their own; idp.jobs.resealing has
the tuple of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from accounts.credentials.password import CREDENTIAL, password_credentials
from accounts.credentials.password_rules.history import FORMER, password_history
from accounts.database import Connection, Statement
from accounts.errors import SealBroken
from accounts.identifiers import IdentifierKind
from accounts.merging import linking
from accounts.merging.linking import linked_accounts
from accounts.merging.number_conflicts import CONTESTED
from accounts.merging.tables import contested_numbers
from accounts.organisations import LEGAL_ATTRIBUTES, LEGAL_IDENTIFIER, legal_person_identifiers, legal_persons
from accounts.organisations.delegation_store import INVITEE, delegations
from accounts.people import ATTRIBUTES, IDENTIFIER, PHONE, natural_persons, person_identifiers, person_phones
from accounts.people.family.family_store import INVITEE as HELPER_INVITEE
from accounts.people.family.family_store import helper_relations
from accounts.people.invitee import indexed_number
from accounts.vault import Vault


@dataclass(frozen=True, slots=True)
class Position:
    """Where the next batch starts: which column of the tuple, and the key of its last row that was read."""

    column: int = 0
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResealProgress:
    """The outcome of one batch. `after` is where the next batch starts; None when every column has been read."""

    read: int
    rewritten: int
    after: Position | None


@dataclass(frozen=True, slots=True)
class BlindIndex:
    """The index beside a sealed column. `kind` is its kind, or the column that holds it; `value` is indexed."""

    column: sa.Column[Any]
    kind: sa.Column[Any] | str
    value: Callable[[str], str] = str


class SealedColumn:
    """One sealed column, perhaps with a blind index beside it. Its rows are read in the order of `key`."""

    def __init__(
        self, *key: sa.Column[Any], sealed: sa.Column[Any], place: str, index: BlindIndex | None = None
    ) -> None:
        """`key` are text columns: the primary key of the row or its first columns. Rows without a seal are skipped."""
        self.sealed, self.place, self.index = sealed, place, index
        self.width = len(key)
        self._read = Statement(_page(key, sealed, index))
        self._write = Statement(_rewrite(key, sealed, index))

    @property
    def name(self) -> str:
        """`table.column`."""
        return f"{self.sealed.table.name}.{self.sealed.name}"

    def page(self, c: Connection, after: tuple[str, ...], most: int) -> list[Any]:
        """At most that many rows after that key."""
        start = after or ("",) * self.width
        return c.rows(self._read, most=most, **{f"after_{i}": part for i, part in enumerate(start)})

    def rewrite(self, c: Connection, vault: Vault, rows: Sequence[Any]) -> int:
        """How many of these rows had an older key. Now all have the current one, or somebody changed them."""
        stale = list(self._stale(vault, rows))
        if stale:
            c.execute_many(self._write, stale)
        return len(stale)

    def key_of(self, row: Any) -> tuple[str, ...]:
        """The row's key."""
        return tuple(row[: self.width])

    def _stale(self, vault: Vault, rows: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
        for row in rows:
            if row.sealed is None or not vault.is_stale(row.sealed):
                continue
            opened = vault.open(row.sealed, place=self.place)
            new: dict[str, Any] = {f"key_{i}": part for i, part in enumerate(self.key_of(row))}
            new |= {"was": row.sealed, "new_sealed": vault.seal(opened, place=self.place)}
            if self.index is not None:
                new["new_index"] = self._moved(vault, self.index.value(opened), row)
            yield new

    def _moved(self, vault: Vault, value: str, row: Any) -> bytes:
        """The index under the current key. An index that does not match the sealed value is never overwritten."""
        if bytes(row.indexed) not in vault.indexes(value, kind=row.kind):
            raise SealBroken(detail=f"{self.place}: the index is not of what is sealed")
        return vault.index(value, kind=row.kind)


def _page(key: Sequence[sa.Column[Any]], sealed: sa.Column[Any], index: BlindIndex | None) -> sa.Select[Any]:
    named = [column.label(f"key_{i}") for i, column in enumerate(key)]
    start = [sa.bindparam(f"after_{i}", type_=sa.Text) for i in range(len(key))]
    beside = []
    if index is not None:
        kind = sa.literal(index.kind, sa.Text) if isinstance(index.kind, str) else index.kind
        beside = [index.column.label("indexed"), kind.label("kind")]
    return (
        sa.select(*named, sealed.label("sealed"), *beside)
        .where(sa.tuple_(*key) > sa.tuple_(*start))
        .order_by(*key)
        .limit(sa.bindparam("most", type_=sa.Integer))
    )


def _rewrite(key: Sequence[sa.Column[Any]], sealed: sa.Column[Any], index: BlindIndex | None) -> sa.Update:
    values = {sealed.key: sa.bindparam("new_sealed", type_=sa.LargeBinary)}
    if index is not None:
        values[index.column.key] = sa.bindparam("new_index", type_=sa.LargeBinary)
    this_one = [column == sa.bindparam(f"key_{i}") for i, column in enumerate(key)]
    return sa.update(sealed.table).where(*this_one, sealed == sa.bindparam("was")).values(values)


SEALED: tuple[SealedColumn, ...] = (
    SealedColumn(natural_persons.c.id, sealed=natural_persons.c.attributes, place=ATTRIBUTES),
    SealedColumn(
        person_identifiers.c.id,
        sealed=person_identifiers.c.sealed,
        place=IDENTIFIER,
        index=BlindIndex(person_identifiers.c.blind_index, person_identifiers.c.kind),
    ),
    SealedColumn(
        person_phones.c.person_id,  # the rest of the key is the index, which moves; the old seal tells phones apart
        sealed=person_phones.c.sealed,
        place=PHONE,
        index=BlindIndex(person_phones.c.blind_index, IdentifierKind.MOBILE.value),
    ),
    SealedColumn(password_credentials.c.person_id, sealed=password_credentials.c.sealed, place=CREDENTIAL),
    SealedColumn(password_history.c.id, sealed=password_history.c.sealed, place=FORMER),
    SealedColumn(legal_persons.c.id, sealed=legal_persons.c.attributes, place=LEGAL_ATTRIBUTES),
    SealedColumn(
        legal_person_identifiers.c.id,
        sealed=legal_person_identifiers.c.sealed,
        place=LEGAL_IDENTIFIER,
        index=BlindIndex(legal_person_identifiers.c.blind_index, legal_person_identifiers.c.kind),
    ),
    SealedColumn(
        delegations.c.id,
        sealed=delegations.c.invitee,
        place=INVITEE,
        index=BlindIndex(delegations.c.invitee_index, delegations.c.invitee_kind, indexed_number),
    ),
    SealedColumn(
        helper_relations.c.id,
        sealed=helper_relations.c.invitee,
        place=HELPER_INVITEE,
        index=BlindIndex(helper_relations.c.invitee_index, helper_relations.c.invitee_kind, indexed_number),
    ),
    SealedColumn(
        linked_accounts.c.system,
        linked_accounts.c.uid,
        sealed=linked_accounts.c.secret,
        place=linking.SECRET,
        index=BlindIndex(linked_accounts.c.login_index, linking.LOGIN_NAME, linking.indexed_login),
    ),
    SealedColumn(
        contested_numbers.c.id,
        sealed=contested_numbers.c.sealed,
        place=CONTESTED,
        index=BlindIndex(contested_numbers.c.blind_index, IdentifierKind.CITIZEN_ID.value),
    ),
)


def reseal(
    c: Connection,
    vault: Vault,
    limit: int,
    *,
    after: Position = Position(),
    columns: Sequence[SealedColumn] = SEALED,
) -> ResealProgress:
    """The next `limit` rows after this position are under the current key. Call again with `after` until it is None.

    `limit` must exceed the number of phones that one person may have (20 is enough). Raises SealBroken, and writes
    nothing of the batch, when a row opens under no live key or its index does not match what it seals.
    """
    if after.column >= len(columns):
        return ResealProgress(0, 0, None)
    column = columns[after.column]
    rows = column.page(c, after.after, limit)
    rewritten = column.rewrite(c, vault, rows)
    if len(rows) < limit:
        following = Position(after.column + 1) if after.column + 1 < len(columns) else None
        return ResealProgress(len(rows), rewritten, following)
    last = _last_whole_key([column.key_of(row) for row in rows])
    return ResealProgress(len(rows), rewritten, Position(after.column, last))


def _last_whole_key(keys: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The last key whose rows were all read: the phones of a person share one key and may span two batches."""
    last = keys[-1]
    return next((key for key in reversed(keys) if key != last), last)
