"""What a guess at an office account costs and leaves, on a real slapd: the same for every name."""

import statistics
import time
from contextlib import nullcontext

import pytest
import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.audit.failed_logins import failed_logins
from accounts.credentials.throttle import Throttle, throttle_counters
from accounts.database import Statement
from accounts.errors import NotProven
from idp.adapters.systems.ldap_directory import LdapDirectory, LdapPlace
from idp.staff import members, sessions
from idp.staff.signing_in import StaffAuthentication
from tests.fixtures import office

GUESSES = {"unknown": "nobody.here", "wrong": "window.one", "disabled": "window.two"}
ROUNDS = 15
GAP = 0.004  # seconds between medians; a bind more or less costs more, see below


@pytest.fixture(scope="module")
def slapd():
    with office.directory() as running:
        office.disable(running, "window.two")
        yield running


@pytest.fixture
def directory(slapd):
    told = office.settings(slapd)
    place = {name.removeprefix("ldap_"): value for name, value in told.items() if name.startswith("ldap_")}
    return LdapDirectory(LdapPlace(**place, division="510500"))


@pytest.fixture
def door(vault, directory):
    return StaffAuthentication(vault, directory, Throttle(), aside=nullcontext)


def refused(door, database, clock, name, source="192.0.2.1"):
    with pytest.raises(NotProven):
        door.authenticate(database, name, "a wrong guess", source=source, now=clock.now)


def test_every_guess_sends_the_same_statements_and_leaves_the_same_rows(door, database, clock):
    """Unknown, wrong and disabled: one statement counts, one notes the failure, and no row says which it was."""
    for place, name in enumerate(GUESSES.values()):
        sent = []
        database.count = lambda sent=sent: sent.append(1)
        refused(door, database, clock, name, source=f"192.0.2.{place}")
        assert len(sent) == 2
    c = database.connection()
    assert len(c.rows(Statement(sa.select(failed_logins)))) == len(GUESSES)
    counters = c.rows(Statement(sa.select(throttle_counters.c.subject).where(throttle_counters.c.counter == "pair")))
    assert {len(each.subject) for each in counters} == {64}
    assert c.rows(Statement(sa.select(audit_events))) == []


@pytest.mark.alone
def test_no_time_tells_who_works_here(directory):
    """The medians of unknown, wrong and disabled lie close together, and a bind less would be seen."""
    times = {name: [] for name in GUESSES}
    for _ in range(ROUNDS):
        for name, login_name in GUESSES.items():
            start = time.perf_counter()
            assert directory.authenticate(login_name, "a wrong guess") is None
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(each) for name, each in times.items()}
    assert max(medians.values()) - min(medians.values()) < GAP, medians


def test_a_sign_in_costs_few_statements(door, database, vault, clock):
    """Password: count, take back, find, update, session, audit; a page of staff: one read and one write."""
    with database.transaction() as c:
        members.remember(c, vault, door.find("S0001"), now=clock.now)
    sent = []
    database.count = lambda: sent.append(1)
    told = door.authenticate(database, "window.one", office.PASSWORD, source="192.0.2.1", now=clock.now)
    with database.transaction() as c:
        member = members.remember(c, vault, told, now=clock.now)
        handle = sessions.open_session(c, member, user_agent=None, source="192.0.2.1", now=clock.now)
    of_sign_in, sent[:] = len(sent), []
    here = sessions.read(database.connection(), vault, handle, clock.now)
    assert sessions.use(database.connection(), here, checked_at=here.checked_at, now=clock.now)
    begins_and_commits = 2 * (database.dialect == "postgresql")
    assert (of_sign_in, len(sent)) == (6 + begins_and_commits, 2)
