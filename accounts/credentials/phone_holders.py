"""Whose account a code to a phone opens: the person who verified the phone and whose number ends as was typed.

A phone is shared in families, and operators reissue numbers. So the last four characters of an identity document are
asked for beside the phone, of everybody: they tell a family apart without listing its names, and the new holder of a
reissued number does not know them (docs/decisions/0060-a-code-needs-the-end-of-a-number.md).

Looking for nobody costs as much as finding somebody: the same statement, and as many seals are opened.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from accounts import audit, evidence
from accounts.audit import failed_logins
from accounts.authentication import Authenticated
from accounts.credentials.known_browsers import AccountState, KnownBrowsers
from accounts.credentials.password import password_credentials
from accounts.database import Connection, Statement
from accounts.identifiers import Mobile
from accounts.people import (
    ATTRIBUTES,
    IDENTIFIER,
    OWN_PAGES,
    People,
    natural_persons,
    person_identifiers,
    person_phones,
)
from accounts.vault.blind_index import matches

LAST = 4  # characters of an identity document
_EVENT = "person:authentication:sms"
_OPENED = 10  # seals: five holders with two documents each; families beyond that cost a little more
_STAND_IN_NUMBER, _STAND_IN_NAME = "*" * 18, '{"name": "***"}'

_NOBODYS_STATE = AccountState("")  # no token of any browser was given to it

_HOLDERS = Statement(
    sa.select(
        natural_persons.c.id,
        natural_persons.c.updated_at,
        natural_persons.c.attributes,
        password_credentials.c.changed_at,
        person_identifiers.c.sealed,
    )
    .select_from(
        person_phones.join(natural_persons, natural_persons.c.id == person_phones.c.person_id)
        .join(person_identifiers, person_identifiers.c.person_id == natural_persons.c.id)
        .outerjoin(password_credentials, password_credentials.c.person_id == natural_persons.c.id)
    )
    .where(
        matches(person_phones.c.blind_index),
        person_phones.c.verified_at.is_not(None),
        natural_persons.c.status.in_([sa.literal(status, sa.Text) for status in OWN_PAGES]),
        person_identifiers.c.until.is_(None),
    )
    .order_by(natural_persons.c.id)
)
_STILL_HOLDS = Statement(
    sa.select(
        natural_persons.c.id,
        natural_persons.c.updated_at,
        password_credentials.c.changed_at,
        password_credentials.c.origin,
        person_phones.c.verified_at,
    )
    .select_from(
        person_phones.join(natural_persons, natural_persons.c.id == person_phones.c.person_id).outerjoin(
            password_credentials, password_credentials.c.person_id == natural_persons.c.id
        )
    )
    .where(
        natural_persons.c.id == sa.bindparam("holder"),
        natural_persons.c.status.in_([sa.literal(status, sa.Text) for status in OWN_PAGES]),
        matches(person_phones.c.blind_index),
        person_phones.c.verified_at.is_not(None),
    )
)


@dataclass(frozen=True, slots=True)
class PhoneHolder:
    """The one person that a phone and the end of a number find."""

    person_id: str
    name: str = field(repr=False)
    state: AccountState


class PhoneHolders:
    """Finds persons by phone, and concludes their login with a code. Immutable: one for the process."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._browsers = KnownBrowsers(people.vault)
        self._nobodys_number = people.vault.seal(_STAND_IN_NUMBER, place=IDENTIFIER)
        self._nobodys_name = people.vault.seal(_STAND_IN_NAME, place=ATTRIBUTES)

    def find(self, c: Connection, phone: Mobile, typed: str) -> PhoneHolder | None:
        """The person who may log in, who verified this phone and one of whose documents ends as was typed. One statement.

        None if nobody does, and if two persons do: a login must never be a matter of order.
        """
        rows = c.rows(_HOLDERS, **self._people.terms(phone))
        end = last_characters(typed)
        seals = [row.sealed for row in rows] + [self._nobodys_number] * (_OPENED - len(rows))
        opened = [self._people.vault.open(sealed, place=IDENTIFIER) for sealed in seals]
        fitting = {
            row.id: row for row, number in zip(rows, opened, strict=False) if len(end) == LAST and number.endswith(end)
        }
        only = next(iter(fitting.values())) if len(fitting) == 1 else None
        name = self._people.attributes(only.attributes if only else self._nobodys_name).name
        return PhoneHolder(only.id, name, _state(only)) if only else None

    def known_as(self, holder: PhoneHolder | None, known_browsers: str, now: datetime) -> str | None:
        """The name of this browser if the holder signed in here before, else None."""
        return self._browsers.known_as(known_browsers, holder.state if holder else _NOBODYS_STATE, now)

    def authenticate(
        self, c: Connection, person_id: str, phone: Mobile, *, known_browsers: str, now: datetime
    ) -> Authenticated | None:
        """The login of a person whose code was right. None if they lost the phone or their status meanwhile.

        Also None for a phone that the account had before anybody proved to be its person (`_is_of_an_older_system`).
        Two statements. The caller writes `success` in the transaction that spent the code.
        """
        row = c.one(_STILL_HOLDS, holder=person_id, **self._people.terms(phone))
        if row is None or _is_of_an_older_system(evidence.of(c, person_id), row, now):
            return None
        known = self._browsers.remember(known_browsers, _state(row), now)
        is_new = self._browsers.is_new(known_browsers, _state(row), now)
        return Authenticated(row.id, ("sms",), now, known, is_new_browser=is_new)

    def success(self, person_id: str, *, channel: str, source: str, now: datetime) -> dict[str, Any]:
        """The audit row of the login."""
        return audit.row(_EVENT, now=now, person=person_id, channel=channel, source=source)

    def failure(self, c: Connection, person_id: str | None, *, channel: str, source: str, now: datetime) -> None:
        """Record a wrong code. One statement, also about nobody; that record is not kept."""
        if person_id is None:
            failed_logins.record(c, channel=channel, source=source, now=now)
        else:
            audit.append(c, _EVENT, now=now, person=person_id, channel=channel, source=source, outcome="failure")


def last_characters(typed: str) -> str:
    """What was typed, in the spelling of a stored number: upper-case ASCII without blanks."""
    return "".join(unicodedata.normalize("NFKC", typed[:16]).split()).upper()


def _is_of_an_older_system(held: tuple[evidence.Evidence, ...], row: Any, now: datetime) -> bool:
    """Whether the phone was verified by somebody who had no more than an older system's account.

    Anybody could open an account in a lax older system under a neighbour's number, log in with its password and add a
    phone. Once a counter or a registry has proven the person, that phone must open the account no more than that
    password does (accounts.authentication). A phone that was verified after the proof is the person's.
    """
    ours = [each for each in held if not each.source.startswith(evidence.LEGACY_SOURCE)]
    if (row.origin != "adopted" and len(ours) == len(held)) or evidence.identity_assurance(ours, now) <= 1:
        return False
    return all(each.at > row.verified_at for each in ours if evidence.identity_assurance((each,), now) > 1)


def _state(row: Any) -> AccountState:
    return AccountState(row.id, row.changed_at, row.updated_at)
