"""Authorities as the database has them: each path from a person to an organisation, and the strongest of them.

Whether the register still agrees is the question of `accounts.organisations.authority`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from accounts.database import Connection
from accounts.organisations import delegation_store as store
from accounts.organisations.matters import Matters, shared


class Role(StrEnum):
    """What a person is to an organisation."""

    REPRESENTATIVE = "representative"  # 法定代表人
    MANAGER = "manager"  # 管理员
    HANDLER = "handler"  # 经办人


# Organisation assurance: how firmly the person is tied to the organisation (docs/explanation/assurance.md).
OAL = {Role.HANDLER: 1, Role.MANAGER: 2, Role.REPRESENTATIVE: 3}


@dataclass(frozen=True, slots=True)
class Authority:
    """One person's authority to act for one organisation, and the delegations it rests on.

    `through_id` is the delegation to another organisation, and `through_organisation_id` that organisation, when the
    person acts as one of its people. `matters` None is every matter; `expires_at` None has no end of its own.
    """

    organisation_id: str
    role: Role
    matters: Matters
    expires_at: datetime | None
    oal: int
    delegation_id: str
    through_id: str | None = None
    through_organisation_id: str | None = None
    is_operating: bool = True  # as the register said last, of every organisation of the path
    checked: tuple[datetime | None, ...] = ()  # when the register was last asked about each organisation of the path
    attributes: bytes = field(default=b"", repr=False)  # of the organisation, sealed


def stored_authorities(c: Connection, person_id: str, now: datetime) -> tuple[Authority, ...]:
    """The strongest authority of this person for each organisation, the oldest first.

    One statement for a person who acts for nobody, two for others. A chain has two delegations at most: the
    organisation's to another organisation, and that one's to the person.
    """
    own = [_direct(row) for row in c.rows(store.PATHS_OF_PERSON, of_person=person_id, now=now)]
    if not own:
        return ()
    rows = c.rows(store.PATHS_THROUGH_ORGANISATIONS, of_person=person_id, now=now)
    through = [_through(row, held) for row in rows for held in own if held.organisation_id == row.delegate_id]
    by_organisation: dict[str, Authority] = {}
    for found in (*own, *(authority for authority in through if authority.matters != frozenset())):
        held = by_organisation.get(found.organisation_id)
        by_organisation[found.organisation_id] = found if held is None else max(held, found, key=_strength)
    return tuple(by_organisation.values())


def _direct(row: Any) -> Authority:
    role = Role(row.role)
    return Authority(
        organisation_id=row.organisation_id,
        role=role,
        matters=None if row.matters is None else frozenset(row.matters),
        expires_at=_earliest((row.expires_at, row.above_expires_at)),
        oal=OAL[role],
        delegation_id=row.id,
        is_operating=row.register_status == "operating",
        checked=(row.checked_at,),
        attributes=row.attributes,
    )


def _through(row: Any, own: Authority) -> Authority:
    """Of a person whose organisation handles for this one: never more than both gave."""
    given = _direct(row)
    return replace(
        given,
        matters=shared(given.matters, own.matters),
        expires_at=_earliest((given.expires_at, own.expires_at)),
        delegation_id=own.delegation_id,
        through_id=given.delegation_id,
        through_organisation_id=own.organisation_id,
        is_operating=given.is_operating and own.is_operating,
        checked=(*given.checked, *own.checked),
    )


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _strength(authority: Authority) -> tuple[int, bool, bool, int, bool, float]:
    ends = authority.expires_at
    return (
        authority.oal,
        authority.through_id is None,
        authority.matters is None,
        len(authority.matters or ()),
        ends is None,
        ends.timestamp() if ends else 0.0,
    )
