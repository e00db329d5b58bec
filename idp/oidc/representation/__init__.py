"""Acting for an organisation, as a token says it: for whom, in which role and matters, until when, how firmly tied.

The acting person stays `sub`. The organisation has a name of its own in each sector, `org_sub`, random and stored. Its
credit code and its name are claims of their own scopes (`idp.oidc.consent.claims`). `read`, `current` and
`approval_event` are for helpers of a person, too (`idp.oidc.representation.helping`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from accounts import audit
from accounts.database import Connection, microseconds, moment
from accounts.errors import RegistryUnavailable
from accounts.organisations.authority import AuthorityCheck, AuthorityStatus
from accounts.organisations.paths import Authority
from idp.oidc.representation import helping
from idp.oidc.representation.helping import EVERY_MATTER, Helping

CLAIMS = ("org_sub", "org_role", "org_matters", "org_authority_expires_at", "oal")


class Serves(StrEnum):
    """Whom a client serves. An operator decides."""

    PERSONS = "persons"
    BOTH = "persons_or_organisations"
    ORGANISATIONS = "organisations"


class Serving(Protocol):
    """The part of a client that says for whom a person may act there."""

    @property
    def serves(self) -> Serves:
        """Whom it serves."""

    @property
    def allows_helpers(self) -> bool:
        """Whether a helper may act there for another person."""


@dataclass(frozen=True, slots=True)
class Representation:
    """One person acting for one organisation at one client. `expires_at` None: the authority has no end of its own."""

    organisation_id: str
    org_sub: str
    role: str
    matters: tuple[str, ...]
    expires_at: datetime | None
    oal: int
    delegation_id: str
    through_id: str | None = None

    def claims(self) -> dict[str, Any]:
        """The claims of every token, UserInfo answer and introspection answer (docs/reference/claims.md)."""
        ends = self.expires_at
        return {
            "org_sub": self.org_sub,
            "org_role": self.role,
            "org_matters": list(self.matters),
            **({} if ends is None else {"org_authority_expires_at": int(ends.timestamp())}),
            "oal": self.oal,
        }

    def stored(self) -> list[Any]:
        """The value for a row or a code."""
        facts = (self.organisation_id, self.org_sub, self.role, list(self.matters), microseconds(self.expires_at))
        return [*facts, self.oal, self.delegation_id, self.through_id]

    def rests_on(self) -> dict[str, str | None]:
        """The columns of a token with which it ends."""
        return {"delegation_id": self.delegation_id, "through_id": self.through_id, "relation_id": None}

    def as_of(self, authority: Authority) -> Representation:
        """The same organisation at the same client, with the authority of today."""
        return of_authority(authority, self.org_sub)


ActsFor = Representation | Helping  # in a request or token; None is a person who acts for themselves


def of_authority(authority: Authority, org_sub: str) -> Representation:
    """The authority as the client of that `org_sub` sees it."""
    return Representation(
        organisation_id=authority.organisation_id,
        org_sub=org_sub,
        role=authority.role.value,
        matters=EVERY_MATTER if authority.matters is None else tuple(sorted(authority.matters)),
        expires_at=authority.expires_at,
        oal=authority.oal,
        delegation_id=authority.delegation_id,
        through_id=authority.through_id,
    )


def read(stored: Any) -> ActsFor | None:
    """What `stored` returned, or None for a request or token in which the person acts for themselves."""
    if stored is None:
        return None
    if isinstance(stored, dict):
        return helping.read(stored)
    found = Representation(*stored)
    ends: Any = found.expires_at
    return replace(found, matters=tuple(found.matters), expires_at=moment(ends))


def current(
    check: AuthorityCheck, c: Connection, person_id: str, held: ActsFor | None, client: Serving, now: datetime
) -> tuple[bool, ActsFor | None]:
    """(True, the authority of today) while the person may go on; (False, None) when they may not act any more.

    Costs nothing for a person who acts for themselves. Raises RegistryUnavailable when nobody can tell: the code or
    refresh token is kept, and the client tries again.
    """
    if held is None:
        return True, None
    if isinstance(held, Helping):
        today = held.as_of_today(c, person_id, now) if client.allows_helpers else None
        return today is not None, today
    if client.serves is Serves.PERSONS:
        return False, None
    answer = check.check(person_id, held.organisation_id, now)
    if answer.status is AuthorityStatus.SERVICE_NOT_AVAILABLE:
        raise RegistryUnavailable(detail="the authority of a token could not be checked")
    return answer.authority is not None, None if answer.authority is None else held.as_of(answer.authority)


def approval_event(represents: ActsFor | None, **facts: Any) -> dict[str, Any]:
    """The audit's row of an approval. It names the organisation that the person acts for, if any.

    What a helper does is a record of the helped person, with the helper as actor.
    """
    if isinstance(represents, Helping):
        return represents.approval_event(**facts)
    detail = None if represents is None else {"organisation": represents.organisation_id, "role": represents.role}
    return audit.row("person:request:approve", detail=detail, **facts)
