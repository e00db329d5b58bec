"""Changing a password: what comes before the transaction (rules, hashes), and what it writes.

A password that an older system vouched for keeps that origin when it is changed by somebody who knew nothing else.
Otherwise somebody who opened an account in a lax older system under a neighbour's number could change its password
before the neighbour proves who they are, and keep a way in afterwards (docs/decisions/0071-changing-a-password.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts import audit
from accounts.credentials import password as passwords
from accounts.credentials.password import PasswordHasher
from accounts.credentials.password_rules import history
from accounts.credentials.password_rules.policy import PasswordPolicy, PersonContext
from accounts.credentials.password_rules.profiles import PolicyProfile
from accounts.database import Connection
from accounts.errors import CredentialRefused
from accounts.people import People

RECENT = timedelta(minutes=20)
# A text message alone may come from whoever holds a recycled number, so it never excuses from the current password.
_PROVING = frozenset({"pwd", "swk", "hwk", "sc"})


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password that may become the person's: its hash, and the row that it replaces (None for a first password)."""

    person_id: str
    encoded: str = field(repr=False)
    was: bytes | None = field(repr=False)
    origin: str
    remembered: int  # how many former passwords the profile keeps


def is_recent(methods: tuple[str, ...], auth_time: datetime, now: datetime) -> bool:
    """Whether a login is enough to set a new password: at most 20 minutes old, with a password or a key."""
    return now - auth_time <= RECENT and not _PROVING.isdisjoint(methods)


class PasswordChange:
    """Checks and stores new passwords. Immutable: one for the process."""

    def __init__(self, people: People, hasher: PasswordHasher, policy: PasswordPolicy) -> None:
        """`policy` has the breach list; its rules are used with the profile that holds for each person."""
        self._people = people
        self._hasher = hasher
        self._policy = policy

    def profile_of(self, c: Connection, person_id: str) -> PolicyProfile:
        """The profile that holds for the person's password. One statement."""
        return history.profile_of(c, person_id)

    def prepare(self, c: Connection, person_id: str, password: str, *, knew_old: bool) -> NewPassword:
        """The new password passed every rule of the person's profile and is hashed. Nothing is written.

        Five statements, and one more where the profile remembers former passwords.

        `knew_old`: the person proved themselves by the present password, now or in this session.
        Raises CredentialRefused with a code of `policy`, Busy, and SealBroken. Call it outside a transaction: it
        computes two hashes, and one for each former password.
        """
        profile = history.profile_of(c, person_id)
        context = PersonContext.of_person(c, self._people, person_id)
        self._policy.of(profile).check(password, context=context)
        row = passwords.stored(c, person_id)
        if row is not None and self._is_same(row, password):
            raise CredentialRefused("password_unchanged")
        vault = self._people.vault
        if profile.history and self._is_among(history.former(c, vault, person_id, profile.history), password):
            raise CredentialRefused("password_used_before")
        origin = "adopted" if row is not None and row.origin == "adopted" and knew_old else "chosen"
        encoded = self._hasher.hash(password)
        return NewPassword(person_id, encoded, row.sealed if row else None, origin, profile.history)

    def store(
        self, c: Connection, new: NewPassword, *, channel: str, source: str, now: datetime, event: str | None = None
    ) -> bool:
        """The person has the new password, on record. False if the present one is not the one that was checked."""
        vault, person = self._people.vault, new.person_id
        if not passwords.replace(c, vault, person, new.was, new.encoded, origin=new.origin, now=now):
            return False
        if new.was is not None and new.remembered:
            replaced = vault.open(new.was, place=passwords.CREDENTIAL)
            history.remember(c, vault, person, replaced, most=new.remembered, now=now)
        changed = "person:password:set" if new.was is None else "person:password:change"
        audit.append(c, event or changed, now=now, person=person, channel=channel, source=source)
        return True

    def _is_same(self, row: Any, password: str) -> bool:
        encoded = self._people.vault.open(row.sealed, place=passwords.CREDENTIAL)
        return self._hasher.verify(encoded, password)

    def _is_among(self, former: tuple[str, ...], password: str) -> bool:
        return any(self._hasher.verify(encoded, password) for encoded in former)
