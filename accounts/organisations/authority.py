"""The one question about acting for an organisation: may this person, now?

It is asked when a code is redeemed and again at each refresh, and never cached for the day. The answer is CURRENT with
the authority, NOT_ALLOWED, or SERVICE_NOT_AVAILABLE when the register would have to be asked and does not answer. Only
CURRENT lets anybody act.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from accounts.database import Database
from accounts.errors import RegistryUnavailable
from accounts.organisations.paths import Authority, stored_authorities
from accounts.organisations.register import FRESH_FOR, OrganisationRegister


class AuthorityStatus(StrEnum):
    """The three answers."""

    CURRENT = "CURRENT"
    NOT_ALLOWED = "NOT_ALLOWED"
    SERVICE_NOT_AVAILABLE = "SERVICE_NOT_AVAILABLE"


@dataclass(frozen=True, slots=True)
class AuthorityAnswer:
    """The answer; `authority` only with CURRENT."""

    status: AuthorityStatus
    authority: Authority | None = None


_NOT_ALLOWED = AuthorityAnswer(AuthorityStatus.NOT_ALLOWED)


class AuthorityCheck:
    """Asks the database, and the register where its last word is older than FRESH_FOR. Immutable."""

    def __init__(self, database: Database, register: OrganisationRegister) -> None:
        self._database = database
        self._register = register

    def check(self, person_id: str, organisation_id: str, now: datetime) -> AuthorityAnswer:
        """Whether the person may act for the organisation now. Two statements while the register's word is fresh.

        Call it outside of a transaction: it may wait for the register.
        """
        found = self._stored(person_id, organisation_id, now)
        if found is None:
            return _NOT_ALLOWED
        stale = _stale(found, now)
        if not stale:
            return _current(found)
        try:
            for organisation in stale:
                self._register.follow(self._database, organisation, now=now)
        except RegistryUnavailable:
            return AuthorityAnswer(AuthorityStatus.SERVICE_NOT_AVAILABLE)
        found = self._stored(person_id, organisation_id, now)
        return _NOT_ALLOWED if found is None or _stale(found, now) else _current(found)

    def _stored(self, person_id: str, organisation_id: str, now: datetime) -> Authority | None:
        stored = stored_authorities(self._database.connection(), person_id, now)
        return next((found for found in stored if found.organisation_id == organisation_id), None)


def _current(found: Authority) -> AuthorityAnswer:
    return AuthorityAnswer(AuthorityStatus.CURRENT, found) if found.is_operating else _NOT_ALLOWED


def _stale(authority: Authority, now: datetime) -> tuple[str, ...]:
    """The organisations of the path about which the register must be asked again."""
    organisations = (authority.organisation_id, authority.through_organisation_id)
    pairs = zip(organisations, authority.checked, strict=False)
    return tuple(which for which, at in pairs if which is not None and (at is None or at <= now - FRESH_FOR))
