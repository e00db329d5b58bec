"""Following the enterprise register: who is legal representative, and whether the organisation operates.

What the register said is kept for FRESH_FOR at most. When it names another representative, the former one's row ends,
and with it all that they appointed: every delegation hangs on the representative of today. The register is asked
outside of transactions, because nobody may wait for it while holding a row.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts import audit, evidence
from accounts.database import Connection, Database, new_id
from accounts.errors import Conflict, RegistryUnavailable
from accounts.identifiers import Uscc
from accounts.organisations import delegation_store as store
from accounts.organisations import errors
from accounts.organisations.delegations import LEAST_IAL, Because, end_appointed
from accounts.organisations.errors import DelegationRefused
from accounts.organisations.legal_persons import LegalPersonAttributes, NewLegalPerson
from accounts.organisations.paths import Role
from accounts.people import People
from accounts.ports import EnterpriseRecord, EnterpriseRegistry, RegisterStatus

FRESH_FOR = timedelta(minutes=15)
UNKNOWN = "unknown"  # the register has no such code any more


class OrganisationRegister:
    """What the enterprise register says, kept for a short time. Without a registry every question is unanswered."""

    def __init__(self, people: People, registry: EnterpriseRegistry | None) -> None:
        self._people = people
        self._registry = registry

    def claim(self, database: Database, person_id: str, uscc: Uscc, *, now: datetime) -> str:
        """The person is the organisation's legal representative, as the register confirms; returns its id.

        The first claim opens the organisation's account. Raises DelegationRefused, with one reason whether the code is
        unknown or names somebody else, and RegistryUnavailable.
        """
        c = database.connection()
        if evidence.identity_assurance(evidence.of(c, person_id), now) < LEAST_IAL:
            raise DelegationRefused(errors.NOT_PROVEN_ENOUGH)
        record = self._asked().look_up(uscc)
        if record is None or record.status is not RegisterStatus.OPERATING or not self._names(c, uscc, person_id):
            audit.append(c, "organisation:representative:confirm", now=now, person=person_id, outcome="refused")
            raise DelegationRefused(errors.NOT_REPRESENTATIVE)
        try:
            return self._take_office(database, person_id, uscc, record, now)
        except Conflict:  # two first claims at once, or two representatives: the second one finds the first one's rows
            return self._take_office(database, person_id, uscc, record, now)

    def follow(self, database: Database, organisation_id: str, *, now: datetime) -> None:
        """The stored facts are what the register says now. Raises RegistryUnavailable; then nothing has changed."""
        c = database.connection()
        uscc = self._people.uscc(c, organisation_id)
        if uscc is None:
            return
        record = self._asked().look_up(uscc)
        held = c.one(store.REPRESENTATIVE, organisation=organisation_id)
        is_named = held is None or (record is not None and self._names(c, uscc, held.person_id))
        with database.transaction() as t:
            if not is_named:
                _end_office(t, held.id, organisation_id, held.person_id, now)
            if record is not None:
                self._describe(t, organisation_id, record, now)
            _keep(t, organisation_id, record.status.value if record else UNKNOWN, now)

    def _asked(self) -> EnterpriseRegistry:
        if self._registry is None:
            raise RegistryUnavailable(detail="no enterprise register is configured")
        return self._registry

    def _names(self, c: Connection, uscc: Uscc, person_id: str) -> bool:
        """True if the register names this person: one of their numbers, with their name."""
        person = self._people.by_id(c, person_id)
        if person is None or person.status != "active":
            return False
        name = self._people.attributes(person.attributes).name
        return any(
            self._asked().confirms_representative(uscc, held.identifier, name)
            for held in self._people.identifiers(c, person_id)
            if held.until is None
        )

    def _take_office(
        self, database: Database, person_id: str, uscc: Uscc, record: EnterpriseRecord, now: datetime
    ) -> str:
        with database.transaction() as c:
            organisation_id = self._people.find_legal_person(c, uscc) or self._opened(c, uscc, record, person_id, now)
            c.execute(store.HOLD_ORGANISATION, held=organisation_id)
            held = c.one(store.REPRESENTATIVE, organisation=organisation_id)
            if held is None or held.person_id != person_id:
                if held is not None:
                    _end_office(c, held.id, organisation_id, held.person_id, now)
                _appoint(c, organisation_id, person_id, now)
            self._describe(c, organisation_id, record, now)
            _keep(c, organisation_id, record.status.value, now)
        return organisation_id

    def _opened(self, c: Connection, uscc: Uscc, record: EnterpriseRecord, person_id: str, now: datetime) -> str:
        opened = self._people.register_legal_person(c, NewLegalPerson(_attributes(record), (uscc,)), now=now)
        detail = {"organisation": opened.id}
        audit.append(c, "organisation:account:open", now=now, person=person_id, detail=detail)
        return opened.id

    def _describe(self, c: Connection, organisation_id: str, record: EnterpriseRecord, now: datetime) -> None:
        row = self._people.legal_person_by_id(c, organisation_id)
        if row is not None and self._people.legal_person_attributes(row.attributes) != _attributes(record):
            self._people.describe_legal_person(c, organisation_id, _attributes(record), now=now)


def _attributes(record: EnterpriseRecord) -> LegalPersonAttributes:
    return LegalPersonAttributes(record.name, record.kind.value, record.address)


def _appoint(c: Connection, organisation_id: str, person_id: str, now: datetime) -> None:
    row: dict[str, Any] = dict.fromkeys(store.delegations.columns.keys())
    row |= {"id": new_id(), "organisation_id": organisation_id, "role": Role.REPRESENTATIVE.value}
    row |= {"person_id": person_id, "offered_at": now, "accept_by": now, "accepted_at": now, "accepted_by": person_id}
    c.execute(store.INSERT, **row)
    detail = {"organisation": organisation_id}
    audit.append(c, "organisation:representative:confirm", now=now, person=person_id, detail=detail)


def _end_office(c: Connection, delegation_id: str, organisation_id: str, person_id: str, now: datetime) -> None:
    why = Because.REGISTER.value
    if c.execute(store.END_ACCEPTED, of=delegation_id, because=why, now=now) == 1:
        detail = {"delegation": delegation_id, "organisation": organisation_id, "because": why}
        audit.append(c, "organisation:representative:end", now=now, person=person_id, actor="register", detail=detail)
        end_appointed(c, delegation_id, organisation_id, "register", now)


def _keep(c: Connection, organisation_id: str, status: str, now: datetime) -> None:
    """The fact is stored, unless a newer one is. Two first writers make a Conflict, and the second has nothing new."""
    if c.one(store.FACTS, organisation=organisation_id) is None:
        c.execute(store.INSERT_FACTS, organisation_id=organisation_id, status=status, checked_at=now)
    else:
        c.execute(store.UPDATE_FACTS, organisation=organisation_id, new_status=status, now=now)
