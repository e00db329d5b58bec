"""The demonstration's city, loaded into any database."""

import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.database import Statement
from accounts.identifiers import IdentifierKind, Mobile, parse
from accounts.people import natural_persons, person_phones
from demo.people import PERSONAS
from demo.seed import ACTOR, seed
from demo.services import Ports
from tests.fixtures.site import Site

STATUSES = Statement(sa.select(natural_persons.c.id, natural_persons.c.status))
DISABLED = Statement(sa.select(audit_events).where(audit_events.c.event == "person:account:disable"))


def test_who_is_disabled_in_the_city_was_disabled_as_an_operator_does(database_url, clock):
    """Each persona has its status, recorded as by an operator, and a second load repeats nothing."""
    site = Site(database_url, clock)
    told = seed(site.services, Ports(), {})
    seed(site.services, Ports(), told)
    c = site.services.database.connection()
    expected = sorted(persona.status for persona in PERSONAS)
    assert sorted(row.status for row in c.rows(STATUSES)) == expected
    disabled = {row.id for row in c.rows(STATUSES) if row.status != "active"}
    assert disabled
    assert [(row.person_id, row.actor) for row in c.rows(DISABLED)] == [(person, ACTOR) for person in disabled]
    site.database.close()


def test_who_is_said_to_log_in_by_phone_is_found_by_it(database_url, clock):
    """The personas on the first page have verified phones; loading again changes nothing, and repairs an older city."""
    site = Site(database_url, clock)
    told = seed(site.services, Ports(), {})
    c, people = site.services.database.connection(), site.services.people
    listed = [citizen for citizen in told["citizens"] if citizen["logs_in_by_phone"]]
    assert listed

    def found():
        return [people.find_by_phone(c, Mobile.parse(citizen["phone"]))[:1] for citizen in listed]

    first = [(people.find(c, parse(IdentifierKind.CITIZEN_ID, citizen["identifier"])),) for citizen in listed]
    assert found() == first
    c.execute(Statement(sa.update(person_phones).values(verified_at=None)))
    for _ in range(2):
        seed(site.services, Ports(), told)
        assert found() == first
    site.database.close()
