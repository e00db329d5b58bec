"""Rotation of the vault's keys, online: what an older key sealed or indexed is sealed and indexed again, in batches.

Searches find old and new rows alike (accounts.blind_index), so people log in all the while. Each UPDATE names the
value it replaces: a row that somebody changes meanwhile is left alone, for they sealed it under the current key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from accounts.contesting import CONTESTED
from accounts.credentials.password import CREDENTIAL, password_credentials
from accounts.db import Connection, Statement
from accounts.identifiers import IdentifierKind
from accounts.merge_tables import contested_numbers
from accounts.organisations import LEGAL_ATTRIBUTES, LEGAL_IDENTIFIER, legal_person_identifiers, legal_persons
from accounts.people import ATTRIBUTES, IDENTIFIER, PHONE, natural_persons, person_identifiers, person_phones
from accounts.vault import Vault


@dataclass(frozen=True, slots=True)
class Resealed:
    """One batch's outcome. `after` is where the next batch starts; None when every table has been read."""

    rewritten: int
    after: tuple[int, str] | None


class _Sealed:
    """One table with a sealed column, and perhaps a blind index beside it; read in the order of `key`."""

    def __init__(self, key: sa.Column[Any], sealed: sa.Column[Any], place: str, *, indexed: str | None = None) -> None:
        """`indexed` is the kind of the blind index: a column's name (`kind`) or one IdentifierKind's value."""
        table = key.table
        has_index = "blind_index" in table.c
        self.place = place
        self.indexed = indexed
        index = table.c.blind_index if has_index else sa.literal(b"").label("blind_index")
        kind = table.c.kind if "kind" in table.c else sa.literal(indexed or "").label("kind")
        self.read = Statement(
            sa.select(key.label("key"), sealed.label("sealed"), index, kind)
            .where(key > sa.bindparam("after", type_=sa.Text))
            .order_by(key)
            .limit(sa.bindparam("most", type_=sa.Integer))
        )
        values = {sealed.key: sa.bindparam("new_sealed", type_=sa.LargeBinary)}
        if has_index:
            values["blind_index"] = sa.bindparam("new_index", type_=sa.LargeBinary)
        self.write = Statement(
            sa.update(table).where(key == sa.bindparam("key_is"), sealed == sa.bindparam("was")).values(values)
        )

    def rewritten(self, vault: Vault, rows: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
        """The parameters of `write`, for each row the current key did not seal."""
        for row in rows:
            if vault.is_stale(row.sealed):
                opened = vault.open(row.sealed, place=self.place)
                new = {"key_is": row.key, "was": row.sealed, "new_sealed": vault.seal(opened, place=self.place)}
                yield new | ({"new_index": vault.index(opened, kind=row.kind)} if self.indexed else {})


SEALED: tuple[_Sealed, ...] = (
    _Sealed(natural_persons.c.id, natural_persons.c.attributes, ATTRIBUTES),
    _Sealed(person_identifiers.c.id, person_identifiers.c.sealed, IDENTIFIER, indexed="kind"),
    _Sealed(person_phones.c.person_id, person_phones.c.sealed, PHONE, indexed=IdentifierKind.MOBILE.value),
    _Sealed(password_credentials.c.person_id, password_credentials.c.sealed, CREDENTIAL),
    _Sealed(legal_persons.c.id, legal_persons.c.attributes, LEGAL_ATTRIBUTES),
    _Sealed(legal_person_identifiers.c.id, legal_person_identifiers.c.sealed, LEGAL_IDENTIFIER, indexed="kind"),
    _Sealed(contested_numbers.c.id, contested_numbers.c.sealed, CONTESTED, indexed=IdentifierKind.CITIZEN_ID.value),
)


def reseal(c: Connection, vault: Vault, limit: int, *, after: tuple[int, str] = (0, "")) -> Resealed:
    """The next `limit` rows after this position are under the current key; call again with `after` until it is None.

    `limit` must exceed the phones one person may have (20 does). Raises SealBroken, and writes nothing of the batch,
    when a row opens under no live key.
    """
    position, key = after
    if position >= len(SEALED):
        return Resealed(0, None)
    table = SEALED[position]
    rows = c.rows(table.read, after=key, most=limit)
    stale = list(table.rewritten(vault, rows))
    if stale:
        c.execute_many(table.write, stale)
    if len(rows) < limit:
        return Resealed(len(stale), (position + 1, "") if position + 1 < len(SEALED) else None)
    return Resealed(len(stale), (position, _last_whole_key(rows)))


def _last_whole_key(rows: Sequence[Any]) -> str:
    """The last key all of whose rows were read: a person's phones share one key and may straddle two batches."""
    last: str = rows[-1].key
    return next((row.key for row in reversed(rows) if row.key != last), last)
