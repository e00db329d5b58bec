"""Disabling, merging, closing, death: one transaction ends all that is open, and notifies the services concerned."""

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
from tests.fixtures.site import Site

EVERY = Statement(sa.select(audit.audit_events).order_by(audit.audit_events.c.at))
NOTICES = Statement(sa.select(outbox.outbox))
LONG = SessionLifetimes(timedelta(minutes=15), timedelta(hours=12))


@pytest.fixture
def site(database_url, clock):
    made = Site(database_url, clock)
    yield made
    made.database.close()


def signs_in(site, person_id, *client_ids):
    """Opens a session in which these clients take part; returns its handle."""
    now = site.clock()
    proven = Authentication(("pwd",), now, 3, 1)
    prepared = sessions.prepare(person_id, proven, LONG, channel="web", user_agent=None, source=None, now=now)
    with site.database.transaction() as c:
        opened = sessions.open_session(c, prepared)
        for client_id in client_ids:
            sessions.join_client(c, opened.session.id, client_id, f"sub-at-{client_id}", now)
    return opened.handle


def becomes(site, person_id, status):
    site.clock.advance(seconds=1)
    with site.database.transaction() as c:
        people = site.services.people
        return person_status.change(c, people, person_id, status, actor="operator:tester", now=site.clock())


def disabled_and_broken_off(site, person_id):
    with site.database.transaction() as c:
        people = site.services.people
        person_status.change(c, people, person_id, "disabled", actor="operator:tester", now=site.clock())
        raise ZeroDivisionError


def is_live(site, handle):
    c = site.database.connection()
    return sessions.read_by_handle(c, handle, LONG.idle, site.clock()) is not None


def records(site, event):
    return [row for row in site.database.connection().rows(EVERY) if row.event == event]


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("disabled", "person:account:disable"),
        ("deceased", "person:account:disable"),
        ("closed", "person:account:close"),
        ("merged", "person:account:merge"),
    ],
)
def test_everything_open_ends_and_each_service_is_told(site, status, event):
    """Two sessions end, three services each get a notice, and one record names who did it."""
    for name in ("housing", "library"):
        site.register_client(name)
    site.register_client("quiet", backchannel_logout_uri=None)
    person = site.register_person()
    handles = [signs_in(site, person.id, "housing", "library"), signs_in(site, person.id, "housing", "quiet")]
    ended = becomes(site, person.id, status)
    assert ended == person_status.EndedCounts(sessions=2, grants=0)
    assert [is_live(site, handle) for handle in handles] == [False, False]
    told = sorted((row.client_id, row.payload["sub"]) for row in site.database.connection().rows(NOTICES))
    assert told == [("housing", "sub-at-housing")] * 2 + [("library", "sub-at-library")]
    (record,) = records(site, event)
    assert (record.actor, record.person_id) == ("operator:tester", person.id)
    assert record.detail == {"status": status, "sessions": 2, "grants": 0}


def test_what_ended_stays_ended_when_the_person_comes_back(site):
    """An enabled person must sign in again: no earlier session is valid."""
    person = site.register_person()
    handle = signs_in(site, person.id)
    becomes(site, person.id, "disabled")
    assert becomes(site, person.id, "active") == person_status.EndedCounts(0, 0)
    assert not is_live(site, handle)
    assert is_live(site, signs_in(site, person.id))
    assert len(records(site, "person:account:enable")) == 1


def test_a_login_that_raced_the_disabling_is_not_found_again(site):
    """A session written just after the disabling is invalid, then and after the person is enabled."""
    person = site.register_person()
    becomes(site, person.id, "disabled")
    handle = signs_in(site, person.id)
    assert not is_live(site, handle)
    assert becomes(site, person.id, "active") == person_status.EndedCounts(sessions=1, grants=0)
    assert not is_live(site, handle)


def test_a_second_time_changes_nothing(site):
    """Disabling a disabled person writes no second record."""
    person = site.register_person()
    becomes(site, person.id, "disabled")
    assert becomes(site, person.id, "disabled") is None
    assert len(records(site, "person:account:disable")) == 1
    assert becomes(site, "nobody", "disabled") is None


def test_somebody_elses_sessions_go_on(site):
    """Only the person concerned is signed out."""
    person, other = site.register_person(1), site.register_person(2)
    handle = signs_in(site, other.id)
    becomes(site, person.id, "disabled")
    assert is_live(site, handle)


def test_it_is_one_transaction_or_nothing(site):
    """If it fails before the commit, status, sessions, notices and record are unchanged."""
    site.register_client("housing")
    person = site.register_person()
    handle = signs_in(site, person.id, "housing")
    with pytest.raises(ZeroDivisionError):
        disabled_and_broken_off(site, person.id)
    assert is_live(site, handle)
    assert site.database.connection().rows(NOTICES) == []
    assert records(site, "person:account:disable") == []
    c = site.database.connection()
    with pytest.raises(RuntimeError, match="transaction"):
        person_status.change(c, site.services.people, person.id, "disabled", actor="x", now=site.clock())


def test_nobody_changes_a_status_past_it():
    """In the sources only this one function changes a person's status, and it ends what is open."""
    named = [name for name in tracked("idp/*.py", "migration_tools/*.py") if "people.change_status(" in text_of(name)]
    assert named == ["idp/login/person_status.py"]


def test_every_status_of_the_table_has_its_event():
    """The function knows exactly the states that the database allows, so every change is recorded."""
    (check,) = [
        constraint.sqltext.text
        for constraint in natural_persons.constraints
        if getattr(constraint, "sqltext", None) is not None and constraint.name == "ck_natural_persons_status"
    ]
    assert {word for word in check.split("'") if word.isalpha()} == set(person_status.EVENTS)
