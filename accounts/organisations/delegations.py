"""Delegations: who may act for an organisation. Appointed by one side, accepted by the other, ended by either.

The legal representative appoints managers and handlers, a manager appoints handlers. Nobody edits their own authority,
and nothing is edited at all: a removal is final, and whoever must act again is appointed again. A removal ends what the
removed one appointed. All acts run in the caller's transaction, each condition in the statement that acts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import orjson

from accounts import audit, evidence
from accounts.database import Connection, Statement, new_id
from accounts.errors import InvalidName
from accounts.identifiers import Identifier, IdentifierKind, Uscc, parse
from accounts.identifiers.names import person_name
from accounts.organisations import delegation_store as store
from accounts.organisations import errors
from accounts.organisations.delegation_store import INVITEE
from accounts.organisations.errors import DelegationRefused
from accounts.organisations.matters import MATTERS, Matters
from accounts.organisations.paths import Authority, Role, stored_authorities
from accounts.people import People
from accounts.vault.blind_index import terms

ACCEPT_WITHIN = timedelta(days=7)
LONGEST_PERIOD = timedelta(days=366)
MOST_MANAGERS = 5
LEAST_IAL = 2  # name and number were matched: an organisation must know who acts for it


class Because(StrEnum):
    """Why a delegation ended."""

    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    REMOVED = "removed"
    RESIGNED = "resigned"
    APPOINTER_ENDED = "appointer_ended"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Invitee:
    """Whom an invitation names: a number and the name that must belong to it."""

    number: Identifier
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Appointment:
    """What the appointer offers. `matters` None is every matter; a handler needs `expires_at`."""

    role: Role
    invitee: Invitee
    matters: Matters = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delegation:
    """One delegation or invitation as its organisation sees it. `name` and `number` are the invitee's, opened."""

    id: str
    organisation_id: str
    role: Role
    appointed_under: str | None
    appointed_by: str | None
    person_id: str | None
    delegate_id: str | None
    matters: Matters
    offered_at: datetime
    accept_by: datetime
    accepted_at: datetime | None
    expires_at: datetime | None
    invitee: Invitee | None = None

    @property
    def is_accepted(self) -> bool:
        """False for an invitation that waits for its answer."""
        return self.accepted_at is not None


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to a delegation. `what` is offered, accepted, or why it ended."""

    at: datetime
    what: str
    role: Role
    person_id: str | None
    delegate_id: str | None


class Delegations:
    """The acts on delegations, on one vault. Immutable: one for the process."""

    def __init__(self, people: People, *, most_managers: int = MOST_MANAGERS) -> None:
        self._people = people
        self._most_managers = most_managers

    def appoint(self, c: Connection, appointer: str, by_person: str, offer: Appointment, *, now: datetime) -> str:
        """An invitation to whoever is named; returns its id. The same answer whether or not they have an account.

        `appointer` is the delegation under which `by_person` acts. Raises DelegationRefused.
        """
        _check_offer(offer, now)
        if self._names(c, by_person, offer.invitee):
            raise DelegationRefused(errors.OWN_AUTHORITY)
        if c.execute(store.HOLD_APPOINTER, appointer=appointer, by_person=by_person, now=now) != 1:
            raise DelegationRefused(errors.NOT_THEIR_PLACE)
        held = c.one(store.BY_ID, of=appointer)
        _check_place(Role(held.role), offer.role)
        row = self._row(held.organisation_id, appointer, by_person, offer, now)
        if c.execute(store.INSERT_OFFER, **row, most_managers=self._most_managers, now=now) != 1:
            raise DelegationRefused(errors.TOO_MANY_MANAGERS)
        _record(c, "organisation:delegation:offer", row["id"], row["organisation_id"], by_person, now)
        return str(row["id"])

    def offers_to(self, c: Connection, person_id: str, *, now: datetime) -> tuple[Delegation, ...]:
        """The invitations that this person may answer: to them, and to organisations that they lead or manage.

        An invitation whose name does not belong to the number is not shown: the inviter mistyped one of them.
        """
        person = self._people.by_id(c, person_id)
        name = self._people.attributes(person.attributes).name if person else ""
        mine = [
            found
            for held in self._people.identifiers(c, person_id)
            if held.until is None
            for found in self._offers(c, held.kind.value, held.canonical, now)
            if found.invitee is not None and found.invitee.name == name
        ]
        for organisation_id in _led_by(c, person_id, now):
            code = self._people.uscc(c, organisation_id)
            mine += self._offers(c, store.FOR_ORGANISATIONS, code.canonical, now) if code else []
        return tuple(mine)

    def accept(self, c: Connection, delegation_id: str, by_person: str, *, now: datetime) -> None:
        """The invitation has become a delegation. Raises DelegationRefused."""
        offer = self._offered_to(c, delegation_id, by_person, now)
        if evidence.identity_assurance(evidence.of(c, by_person), now) < LEAST_IAL:
            raise DelegationRefused(errors.NOT_PROVEN_ENOUGH)
        agent = self._agent(c, offer, by_person, now)
        whose = {"as_person": None if agent else by_person, "as_organisation": agent}
        if c.execute(store.ACCEPT, of=delegation_id, by_person=by_person, now=now, **whose) != 1:
            raise DelegationRefused(errors.OFFER_OVER)
        _record(c, "organisation:delegation:accept", delegation_id, offer.organisation_id, by_person, now)

    def decline(self, c: Connection, delegation_id: str, by_person: str, *, now: datetime) -> None:
        """The invitation is over. Raises DelegationRefused when it was answered or withdrawn before."""
        offer = self._offered_to(c, delegation_id, by_person, now)
        self._end(c, store.END_OFFER, offer, Because.DECLINED, by_person, now)

    def withdraw(self, c: Connection, delegation_id: str, by_person: str, *, now: datetime) -> None:
        """The invitation is over. Raises DelegationRefused when it was answered, or is not theirs to withdraw."""
        row = _above_it(c, delegation_id, by_person, now)
        self._end(c, store.END_OFFER, row, Because.WITHDRAWN, by_person, now)

    def remove(self, c: Connection, delegation_id: str, by_person: str, *, now: datetime) -> None:
        """The delegation has ended, with all that hangs on it. Only who is above it may. Raises DelegationRefused."""
        row = _above_it(c, delegation_id, by_person, now)
        if row.person_id == by_person:
            raise DelegationRefused(errors.OWN_AUTHORITY)
        self._end(c, store.END_ACCEPTED, row, Because.REMOVED, by_person, now)

    def resign(self, c: Connection, delegation_id: str, by_person: str, *, now: datetime) -> None:
        """The person acts no longer under it, with all that hangs on it. Raises DelegationRefused.

        A legal representative cannot: the register names them until it names another.
        """
        row = c.one(store.BY_ID, of=delegation_id)
        if row is None or row.role == Role.REPRESENTATIVE or not _is_theirs(c, row, by_person, now):
            raise DelegationRefused(errors.NOT_THEIR_PLACE)
        self._end(c, store.END_ACCEPTED, row, Because.RESIGNED, by_person, now)

    def of_organisation(self, c: Connection, organisation_id: str, *, now: datetime) -> tuple[Delegation, ...]:
        """The delegations and open invitations of this organisation, oldest first. Raises SealBroken."""
        return tuple(self._opened(row) for row in c.rows(store.OF_ORGANISATION, organisation=organisation_id, now=now))

    def history(self, c: Connection, organisation_id: str, most: int) -> tuple[Happening, ...]:
        """What happened to the organisation's delegations, the newest first."""
        rows = c.rows(store.HISTORY, organisation=organisation_id, most=most)
        found = [happening for row in rows for happening in _happenings(row)]
        return tuple(sorted(found, key=lambda happening: happening.at, reverse=True)[:most])

    # --- the parts ------------------------------------------------------------------------------------------------
    def _end(self, c: Connection, how: Statement, held: Any, why: Because, by: str, now: datetime) -> None:
        if c.execute(how, of=held.id, because=why.value, now=now) != 1:
            raise DelegationRefused(errors.OFFER_OVER if how is store.END_OFFER else errors.NOT_THEIR_PLACE)
        event, whose = "organisation:delegation:end", held.person_id
        _record(c, event, held.id, held.organisation_id, by, now, because=why.value, whose=whose)
        end_appointed(c, held.id, held.organisation_id, by, now)

    def _names(self, c: Connection, person_id: str, invitee: Invitee) -> bool:
        """True if the invitee's number is one of this person's own."""
        return any(
            held.kind is invitee.number.kind and held.canonical == invitee.number.canonical
            for held in self._people.identifiers(c, person_id)
        )

    def _row(
        self, organisation_id: str, appointer: str, by_person: str, offer: Appointment, now: datetime
    ) -> dict[str, Any]:
        number, vault = offer.invitee.number, self._people.vault
        named = orjson.dumps([number.canonical, _recorded(offer.invitee)]).decode()
        return {
            **dict.fromkeys(store.delegations.columns.keys()),
            "id": new_id(),
            "organisation_id": organisation_id,
            "role": offer.role.value,
            "appointed_under": appointer,
            "appointed_by": by_person,
            "invitee": vault.seal(named, place=INVITEE),
            "invitee_kind": number.kind.value,
            "invitee_index": vault.index(number.canonical, kind=number.kind.value),
            "matters": None if offer.matters is None else sorted(offer.matters),
            "offered_at": now,
            "accept_by": now + ACCEPT_WITHIN,
            "expires_at": offer.expires_at,
        }

    def _offers(self, c: Connection, kind: str, canonical: str, now: datetime) -> list[Delegation]:
        found = terms(self._people.vault, canonical, kind=kind)
        return [self._opened(row) for row in c.rows(store.OFFERS_TO, identifier_kind=kind, now=now, **found)]

    def _offered_to(self, c: Connection, delegation_id: str, person_id: str, now: datetime) -> Delegation:
        for offer in self.offers_to(c, person_id, now=now):
            if offer.id == delegation_id:
                return offer
        raise DelegationRefused(errors.OFFER_OVER)

    def _agent(self, c: Connection, offer: Delegation, by_person: str, now: datetime) -> str | None:
        """The organisation that accepts, held so that two acceptances cannot make a loop; None for a person."""
        if offer.invitee is None or not isinstance(offer.invitee.number, Uscc):
            if by_person == offer.appointed_by:
                raise DelegationRefused(errors.OWN_AUTHORITY)
            return None
        agent = self._people.find_legal_person(c, offer.invitee.number)
        if agent is None or agent not in _led_by(c, by_person, now):
            raise DelegationRefused(errors.OFFER_OVER)
        for held in sorted((agent, offer.organisation_id)):  # one order for all, so that nobody waits in a circle
            c.execute(store.HOLD_ORGANISATION, held=held)
        is_loop = c.one(store.HANDLES_FOR, principal=agent, agent=offer.organisation_id, now=now) is not None
        if agent == offer.organisation_id or is_loop:
            raise DelegationRefused(errors.WOULD_LOOP)
        return agent

    def _opened(self, row: Any) -> Delegation:
        values = {name: getattr(row, name) for name in Delegation.__dataclass_fields__ if name != "invitee"}
        matters = None if row.matters is None else frozenset(row.matters)
        return Delegation(**values | {"role": Role(row.role), "matters": matters}, invitee=self._invitee(row))

    def _invitee(self, row: Any) -> Invitee | None:
        if row.invitee is None:
            return None
        canonical, name = orjson.loads(self._people.vault.open(row.invitee, place=INVITEE))
        return Invitee(parse(IdentifierKind(row.invitee_kind), canonical), name)


def end_appointed(c: Connection, appointer: str, organisation_id: str, by: str | None, now: datetime) -> None:
    """Everything that hangs on this delegation has ended, invitations included, each with its record."""
    for row in c.rows(store.APPOINTED_UNDER, appointer=appointer):
        why = Because.APPOINTER_ENDED.value
        if c.execute(store.END_ANY, of=row.id, because=why, now=now) == 1:
            _record(
                c, "organisation:delegation:end", row.id, organisation_id, by, now, because=why, whose=row.person_id
            )
        end_appointed(c, row.id, organisation_id, by, now)


def end_all_of(c: Connection, person_id: str, *, now: datetime) -> None:
    """The person acts for nobody any more: every delegation of theirs has ended, with all that hangs on it.

    For an account that is closed. The legal representative, too: whoever opens an account again confirms the office
    again.
    """
    for row in c.rows(store.ACCEPTED_BY_PERSON, of_person=person_id):
        why = Because.RESIGNED.value
        if c.execute(store.END_ACCEPTED, of=row.id, because=why, now=now) == 1:
            _record(c, "organisation:delegation:end", row.id, row.organisation_id, person_id, now, because=why)
        end_appointed(c, row.id, row.organisation_id, person_id, now)


def _happenings(row: Any) -> list[Happening]:
    role, is_representative = Role(row.role), row.role == Role.REPRESENTATIVE
    moments = [
        (None if is_representative else row.offered_at, "offered"),
        (row.accepted_at, "accepted"),
        (row.ended_at, row.ended_because),
    ]
    return [Happening(at, what, role, row.person_id, row.delegate_id) for at, what in moments if at is not None]


def indexed_number(sealed: str) -> str:
    """Of an opened invitee, the number that is indexed."""
    canonical: str = orjson.loads(sealed)[0]
    return canonical


def _check_offer(offer: Appointment, now: datetime) -> None:
    is_organisation = isinstance(offer.invitee.number, Uscc)
    if offer.role is Role.REPRESENTATIVE or (is_organisation and offer.role is not Role.HANDLER):
        raise DelegationRefused(errors.NOT_THEIR_PLACE)
    if offer.matters is not None and (
        offer.role is not Role.HANDLER or not offer.matters or not offer.matters <= frozenset(MATTERS)
    ):
        raise DelegationRefused(errors.UNKNOWN_MATTER)
    if offer.expires_at is None and offer.role is Role.HANDLER:
        raise DelegationRefused(errors.WRONG_PERIOD)
    if offer.expires_at is not None and not now < offer.expires_at <= now + LONGEST_PERIOD:
        raise DelegationRefused(errors.WRONG_PERIOD)


def _check_place(appointer: Role, appointed: Role) -> None:
    """The representative appoints managers and handlers, a manager handlers, a handler nobody."""
    if appointer is Role.HANDLER or (appointer is Role.MANAGER and appointed is Role.MANAGER):
        raise DelegationRefused(errors.NOT_THEIR_PLACE)


def _recorded(invitee: Invitee) -> str:
    """The name as accounts record it. An organisation's name is only shown, and found by its code."""
    if isinstance(invitee.number, Uscc):
        return invitee.name
    try:
        return person_name(invitee.name)
    except InvalidName:
        return invitee.name  # it names nobody, and the inviter must not learn that


def _above_it(c: Connection, delegation_id: str, by_person: str, now: datetime) -> Any:
    """The row, if this person acts under one of the delegations that it hangs on. Raises DelegationRefused."""
    row = c.one(store.BY_ID, of=delegation_id)
    above = None if row is None else row.appointed_under
    while above is not None:
        appointer = c.one(store.BY_ID, of=above)
        if appointer.person_id == by_person and _is_live(appointer, now):
            return row
        above = appointer.appointed_under
    raise DelegationRefused(errors.NOT_THEIR_PLACE)


def _is_live(row: Any, now: datetime) -> bool:
    in_time = row.expires_at is None or row.expires_at > now
    return row.accepted_at is not None and row.ended_at is None and in_time


def _is_theirs(c: Connection, row: Any, by_person: str, now: datetime) -> bool:
    """True if it is this person's delegation, or that of an organisation which they lead or manage."""
    return row.person_id == by_person or (row.delegate_id is not None and row.delegate_id in _led_by(c, by_person, now))


def _led_by(c: Connection, person_id: str, now: datetime) -> tuple[str, ...]:
    """The organisations for which this person may answer and appoint."""
    found: Iterable[Authority] = stored_authorities(c, person_id, now)
    return tuple(a.organisation_id for a in found if a.role is not Role.HANDLER)


def _record(
    c: Connection,
    event: str,
    delegation_id: str,
    organisation_id: str,
    by: str | None,
    now: datetime,
    *,
    because: str | None = None,
    whose: str | None = None,
) -> None:
    detail = {"delegation": delegation_id, "organisation": organisation_id}
    if because is not None:
        detail["because"] = because
    person = whose or by
    audit.append(c, event, now=now, person=person, actor=by if by != person else None, detail=detail)
