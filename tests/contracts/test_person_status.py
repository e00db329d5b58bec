"""Disabling, merging, closing, death: one transaction ends all that is open, and tells whom it concerns."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from accounts import audit
from accounts.database import Statement
from accounts.people import natural_persons
from idp.delivery import outbox
from idp.login import person_status, sessions
from idp.login.sessions import SessionLifetimes
from idp.oidc.assurance import Authentication
from tests.architecture.tracked import text_of, tracked
from tests.fixtures.builders import City

EVERY = Statement(sa.select(audit.audit_events).order_by(audit.audit_events.c.at))
NOTICES = Statement(sa.select(outbox.outbox))
LONG = SessionLifetimes(timedelta(minutes=15), timedelta(hours=12))


@pytest.fixture
def city(database_url, clock):
    made = City(database_url, clock)
    yield made
    made.database.close()


def signs_in(city, person_id, *client_ids):
    """A session in which these clients take part; returns its handle."""
    now = city.clock()
    proven = Authentication(("pwd",), now, 3, 1)
    prepared = sessions.prepare(person_id, proven, LONG, channel="web", user_agent=None, source=None, now=now)
    with city.database.transaction() as c:
        opened = sessions.open_session(c, prepared)
        for client_id in client_ids:
            sessions.join_client(c, opened.session.id, client_id, f"sub-at-{client_id}", now)
    return opened.handle


def becomes(city, person_id, status):
    city.clock.advance(seconds=1)
    with city.database.transaction() as c:
        people = city.services.people
        return person_status.change(c, people, person_id, status, actor="operator:tester", now=city.clock())


def disabled_and_broken_off(city, person_id):
    with city.database.transaction() as c:
        people = city.services.people
        person_status.change(c, people, person_id, "disabled", actor="operator:tester", now=city.clock())
        raise ZeroDivisionError


def is_live(city, handle):
    c = city.database.connection()
    return sessions.read_by_handle(c, handle, LONG.idle, city.clock()) is not None


def records(city, event):
    return [row for row in city.database.connection().rows(EVERY) if row.event == event]


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("disabled", "person:account:disable"),
        ("deceased", "person:account:disable"),
        ("closed", "person:account:close"),
        ("merged", "person:account:merge"),
    ],
)
def test_everything_open_ends_and_each_service_is_told(city, status, event):
    """Two sessions, three services: all are over, each service gets its notice, and one record says who did it."""
    for name in ("housing", "library"):
        city.system(name)
    city.system("quiet", backchannel_logout_uri=None)
    person = city.person()
    handles = [signs_in(city, person.id, "housing", "library"), signs_in(city, person.id, "housing", "quiet")]
    ended = becomes(city, person.id, status)
    assert ended == person_status.Ended(sessions=2, grants=0)
    assert [is_live(city, handle) for handle in handles] == [False, False]
    told = sorted((row.client_id, row.payload["sub"]) for row in city.database.connection().rows(NOTICES))
    assert told == [("housing", "sub-at-housing")] * 2 + [("library", "sub-at-library")]
    (record,) = records(city, event)
    assert (record.actor, record.person_id) == ("operator:tester", person.id)
    assert record.detail == {"status": status, "sessions": 2, "grants": 0}


def test_what_ended_stays_ended_when_the_person_comes_back(city):
    """Enabled again, the person signs in anew: no session of before opens anything."""
    person = city.person()
    handle = signs_in(city, person.id)
    becomes(city, person.id, "disabled")
    assert becomes(city, person.id, "active") == person_status.Ended(0, 0)
    assert not is_live(city, handle)
    assert is_live(city, signs_in(city, person.id))
    assert len(records(city, "person:account:enable")) == 1


def test_a_login_that_raced_the_disabling_is_not_found_again(city):
    """A session written a moment after the person was disabled opens nothing, neither then nor once they are back."""
    person = city.person()
    becomes(city, person.id, "disabled")
    handle = signs_in(city, person.id)
    assert not is_live(city, handle)
    assert becomes(city, person.id, "active") == person_status.Ended(sessions=1, grants=0)
    assert not is_live(city, handle)


def test_a_second_time_changes_nothing(city):
    """Whoever disables somebody who is disabled already writes no second record."""
    person = city.person()
    becomes(city, person.id, "disabled")
    assert becomes(city, person.id, "disabled") is None
    assert len(records(city, "person:account:disable")) == 1
    assert becomes(city, "nobody", "disabled") is None


def test_somebody_elses_sessions_go_on(city):
    """Only the person concerned is signed out."""
    person, other = city.person(1), city.person(2)
    handle = signs_in(city, other.id)
    becomes(city, person.id, "disabled")
    assert is_live(city, handle)


def test_it_is_one_transaction_or_nothing(city):
    """Broken off before the commit, status, sessions, notices and record are as they were."""
    city.system("housing")
    person = city.person()
    handle = signs_in(city, person.id, "housing")
    with pytest.raises(ZeroDivisionError):
        disabled_and_broken_off(city, person.id)
    assert is_live(city, handle)
    assert city.database.connection().rows(NOTICES) == []
    assert records(city, "person:account:disable") == []
    c = city.database.connection()
    with pytest.raises(RuntimeError, match="transaction"):
        person_status.change(c, city.services.people, person.id, "disabled", actor="x", now=city.clock())


def test_nobody_changes_a_status_past_it():
    """The sources are read: whoever changes a person's status ends what is open, for only this one way exists."""
    named = [name for name in tracked("idp/*.py", "migration_tools/*.py") if "people.change_status(" in text_of(name)]
    assert named == ["idp/login/person_status.py"]


def test_every_status_of_the_table_has_its_event():
    """The function knows exactly the states the database allows, so that no change slips past the record."""
    (check,) = [
        constraint.sqltext.text
        for constraint in natural_persons.constraints
        if getattr(constraint, "sqltext", None) is not None
    ]
    assert {word for word in check.split("'") if word.isalpha()} == set(person_status.EVENTS)
