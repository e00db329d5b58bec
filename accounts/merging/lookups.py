"""What the database knows about an export's rows: who holds a number, what is linked, what must never be linked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from accounts.database import Connection
from accounts.database.bulk_select import BulkSelect
from accounts.identifiers import CitizenId
from accounts.merging.linking import linked_accounts
from accounts.merging.tables import separations
from accounts.people import natural_persons, person_identifiers
from accounts.vault import Vault

_SEPARATED = BulkSelect(
    sa.select(separations.c.uid, separations.c.person_id).where(separations.c.system == sa.bindparam("of_system")),
    separations.c.uid,
)
_LINKED = BulkSelect(
    sa.select(linked_accounts.c.uid, linked_accounts.c.person_id).where(
        linked_accounts.c.system == sa.bindparam("of_system")
    ),
    linked_accounts.c.uid,
)
_HOLDERS = BulkSelect(
    sa.select(
        person_identifiers.c.blind_index, natural_persons.c.id, natural_persons.c.status, natural_persons.c.attributes
    )
    .join(natural_persons, natural_persons.c.id == person_identifiers.c.person_id)
    .where(person_identifiers.c.kind == CitizenId.kind.value, person_identifiers.c.until.is_(None)),
    person_identifiers.c.blind_index,
)


@dataclass(frozen=True, slots=True)
class NumberHolder:
    """The person who holds a number now, as a plan needs it."""

    person_id: str
    status: str
    attributes: bytes = field(repr=False)


def holders(c: Connection, vault: Vault, numbers: Sequence[CitizenId]) -> dict[CitizenId, NumberHolder]:
    """The holder of each of these numbers. Numbers without a holder are missing."""
    of_index = {index: n for n in numbers for index in vault.indexes(n.canonical, kind=n.kind.value)}
    return {
        of_index[bytes(row.blind_index)]: NumberHolder(row.id, row.status, row.attributes)
        for row in _HOLDERS.rows(c, of_index)
    }


def linked(c: Connection, system: str, uids: Iterable[str]) -> dict[str, str]:
    """Person id by uid, for the accounts of that system that are linked already."""
    return {row.uid: row.person_id for row in _LINKED.rows(c, uids, of_system=system)}


def separated(c: Connection, system: str, uids: Iterable[str]) -> frozenset[tuple[str, str]]:
    """(uid, person id) of the pairs that somebody has declared to be different."""
    return frozenset((row.uid, row.person_id) for row in _SEPARATED.rows(c, uids, of_system=system))
