"""Closing an account: a wait, a cancel, and then everything ends but what the law keeps."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from accounts.database import Statement, metadata
from accounts.errors import NotProven
from accounts.organisations.paths import Role
from accounts.people import natural_persons
from idp.delivery import outbox
from idp.jobs import closures
from idp.login import person_status
from idp.migrations import load_tables
from idp.rights import closing
from tests.contracts.test_export import of_persons
from tests.fixtures.enterprises import Enterprises
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import PASSWORD, Site, citizen_number
from tests.fixtures.whole_person import whole_person

load_tables()
WAIT = timedelta(days=7)
GO_ON = threading.Event()


@pytest.fixture
def site(database_url, clock):
    made = Site(database_url, clock)
    yield made
    made.database.close()


@pytest.fixture
def full(site):
    return whole_person(site)


def rows(site, table):
    return site.database.connection().rows(Statement(sa.select(metadata.tables[table])))


def asks(site, person):
    with site.database.transaction() as c:
        return closing.ask(c, person.id, wait=WAIT, channel="web", now=site.clock())


def job(site):
    return closures.close_due(site.database, site.services.people, site.clock(), GO_ON)


def status(site, person):
    return site.services.people.by_id(site.database.connection(), person.id).status


def test_every_store_of_a_person_is_deleted_or_kept_for_a_reason():
    """A new table that names persons is deleted at the end, or the reason why it stays is written down."""
    deleted = {table.name for table in closing.DELETED} | {"throttle_counters", "linked_accounts"}
    assert deleted & closing.KEPT.keys() == set()
    assert of_persons() - {"merge_runs", "outbox"} - deleted - closing.KEPT.keys() == set()


def test_nothing_ends_before_the_wait_is_over(site, full):
    """Until the last second the account works; then it is closed, once."""
    asks(site, full)
    site.clock.advance(days=7, seconds=-1)
    assert job(site) == 0
    assert status(site, full) == "active"
    site.clock.advance(seconds=1)
    assert (job(site), job(site)) == (1, 0)
    assert status(site, full) == "closed"


def test_who_changes_their_mind_keeps_everything(site, full):
    """A cancelled closure never comes; a new request waits anew."""
    asks(site, full)
    site.clock.advance(days=6)
    with site.database.transaction() as c:
        assert closing.cancel(c, full.id, channel="web", now=site.clock())
        assert not closing.cancel(c, full.id, channel="web", now=site.clock())
    site.clock.advance(days=2)
    assert job(site) == 0
    assert asks(site, full).due_at == site.clock() + WAIT


def test_a_second_request_does_not_prolong_the_first(site):
    """Two requests, also at once, are one closure."""
    person = site.register_person()
    first = asks(site, person)
    site.clock.advance(days=1)
    assert asks(site, person) == first
    assert len(rows(site, "account_closures")) == 1


def test_what_ends_and_what_stays(site, full):
    """Credentials, phones, links and corrections are deleted; ledger and audit stay; the services are told."""
    kept = {name: len(rows(site, name)) for name in ("releases", "audit_events", "subjects")}
    asks(site, full)
    site.clock.advance(days=8)
    job(site)
    for gone in (*(table.name for table in closing.DELETED), "linked_accounts"):
        assert [row for row in rows(site, gone) if row.person_id == full.id] == [], gone
    assert [row for row in rows(site, "throttle_counters") if row.subject == full.id] == []
    assert all(len(rows(site, name)) >= number > 0 for name, number in kept.items())
    assert all(row.until is not None for row in rows(site, "person_identifiers"))
    told = [row for row in rows(site, outbox.outbox.name) if row.kind == "backchannel_logout"]
    assert {row.client_id for row in told} == {"housing"}
    assert None in {row.payload["sid"] for row in told}
    assert "person:account:close" in {row.event for row in rows(site, "audit_events")}


def test_who_closes_the_account_acts_for_nobody_any_more(site):
    """The delegations of a closed account have ended, and so have those that hang on them."""
    firm = Enterprises(site.database, site.services.people, site.clock)
    head, manager, handler = firm.person(1), firm.person(2), firm.person(3)
    company = firm.company(1, head)
    firm.appoint(company, head, manager, Role.MANAGER)
    firm.appoint(company, manager, handler, Role.HANDLER)
    assert firm.check(handler, company).authority is not None
    asks(site, manager)
    site.clock.advance(days=8)
    job(site)
    ended = {row.person_id: row.ended_because for row in rows(site, "delegations")}
    assert ended == {head.id: None, manager.id: "resigned", handler.id: "appointer_ended"}


def test_the_number_is_free_and_the_old_account_opens_for_nobody(site, full):
    """The same number registers again as somebody new, who has no rows of the closed account."""
    asks(site, full)
    site.clock.advance(days=8)
    job(site)
    with pytest.raises(NotProven):
        site.services.passwords.authenticate(
            site.database, full.number, PASSWORD, source="192.0.2.1", channel="web", now=site.clock()
        )
    again = site.register_person()
    assert again.number == full.number == citizen_number()
    assert again.id != full.id
    browser, housing = Browser(site), RelyingParty(site, site.register_client("social"))
    browser.get(housing.start())
    browser.log_in(again)
    assert browser.agree().url.startswith("https://social.example/callback?")


def test_a_disabled_account_is_not_closed_by_the_clock(site):
    """Closing is no way out of an account that was stopped: the closure waits until it is enabled."""
    person = site.register_person()
    asks(site, person)
    with site.database.transaction() as c:
        person_status.change(c, site.services.people, person.id, "disabled", actor="operator:x", now=site.clock())
    site.clock.advance(days=30)
    assert job(site) == 0
    with site.database.transaction() as c:
        person_status.change(c, site.services.people, person.id, "active", actor="operator:x", now=site.clock())
    assert job(site) == 1


def test_name_and_number_are_forgotten_after_the_ledger_s_three_years(site, full):
    """Three years on, the records of a closed account name nobody."""
    asks(site, full)
    site.clock.advance(days=8)
    job(site)
    people = site.services.people
    assert closures.forget_old(site.database, people, site.clock.advance(days=3 * 365)) == 0
    assert closures.forget_old(site.database, people, site.clock.advance(days=2)) == 1
    assert closures.forget_old(site.database, people, site.clock()) == 0
    assert rows(site, "person_identifiers") == []
    (row,) = rows(site, natural_persons.name)
    assert people.attributes(row.attributes).name == ""
    assert rows(site, "releases") != []


def test_more_than_a_batch_is_closed(site, monkeypatch):
    """The job goes through every due closure, in batches."""
    people = [site.register_person(serial) for serial in range(1, 6)]
    for person in people:
        asks(site, person)
    site.clock.advance(days=8)
    assert job(site) == 5
    assert {status(site, person) for person in people} == {"closed"}


def test_the_job_does_both_until_it_is_stopped(site):
    """The worker's thread closes what is due and ends when told."""
    person, stop = site.register_person(), threading.Event()
    asks(site, person)
    site.clock.advance(days=8)
    thread = threading.Thread(
        target=closures.run, args=(site.database, site.services.people, site.clock, stop), daemon=True
    )
    thread.start()
    for _ in range(200):
        if status(site, person) == "closed":
            break
        stop.wait(0.05)
    stop.set()
    thread.join(10)
    assert (status(site, person), thread.is_alive()) == ("closed", False)
