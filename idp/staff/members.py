"""Members of staff whom we know: a random key for each, and what the directory said of them last, sealed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime, insert_unless_present, metadata, new_id
from accounts.ports import StaffMember
from accounts.vault import Vault, blind_index

PLACE = "staff_members.sealed"
KIND = "staff_id"  # of the blind index

staff_members = sa.Table(
    "staff_members",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # random: what the audit names
    sa.Column("staff_index", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # staff id and name, as the directory has them
    sa.Column("division", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
_t = staff_members.c
_FIND = Statement(sa.select(_t.id).where(blind_index.matches(_t.staff_index)))
_INSERT = Statement(insert_unless_present(staff_members), list(_t.keys()))
_UPDATE = Statement(
    sa.update(staff_members)
    .where(_t.id == sa.bindparam("member"))
    .values(sealed=sa.bindparam("now_sealed", type_=sa.LargeBinary), division=sa.bindparam("now_division"))
)


@dataclass(frozen=True, slots=True)
class KnownMember:
    """A member of staff. `id` is ours; `staff_id` and `name` are the directory's."""

    id: str
    staff_id: str = field(repr=False)
    name: str = field(repr=False)
    division: str


def find(c: Connection, vault: Vault, staff_id: str) -> str | None:
    """Our id of that member, or None. One statement."""
    row = c.one(_FIND, **blind_index.terms(vault, staff_id, kind=KIND))
    return None if row is None else str(row.id)


def remember(c: Connection, vault: Vault, told: StaffMember, *, now: datetime) -> KnownMember:
    """The member is known, with what the directory says now. Of two calls at once one inserts, and both get its id."""
    sealed = vault.seal(orjson.dumps([told.staff_id, told.name]).decode(), place=PLACE)
    member_id = find(c, vault, told.staff_id)
    if member_id is None:
        index = vault.index(told.staff_id, kind=KIND)
        fresh = new_id()
        row = {"id": fresh, "staff_index": index, "sealed": sealed, "division": told.division, "created_at": now}
        c.execute(_INSERT, **row)
        member_id = find(c, vault, told.staff_id) or fresh
    c.execute(_UPDATE, member=member_id, now_sealed=sealed, now_division=told.division)
    return KnownMember(member_id, told.staff_id, told.name, told.division)


def staff_id_of(opened: str) -> str:
    """The staff id in what the `sealed` column holds: the value that is indexed."""
    return str(orjson.loads(opened)[0])


def of_row(vault: Vault, row: Any) -> KnownMember:
    """The member of a row with `member_id`, `sealed` and `division`."""
    staff_id, name = orjson.loads(vault.open(row.sealed, place=PLACE))
    return KnownMember(row.member_id, staff_id, name, row.division)
