"""What is stored of a registration, for how long, how often it may ask, and what happens when two are at once."""

import threading
from contextlib import closing
from datetime import timedelta

import pytest
import sqlalchemy as sa

from accounts import evidence
from accounts.credentials.password import PasswordHasher
from accounts.credentials.password_rules.policy import PasswordPolicy
from accounts.database import Database, Statement
from accounts.errors import Conflict, NotProven, Throttled
from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind, Mobile, parse
from accounts.people import NewPerson, People, natural_persons
from accounts.registration import Registration, call_limits, journey_store
from accounts.registration.call_limits import CallLimits, call_counters
from accounts.registration.journey import JOURNEY_FOR, Journey, Stage, Verification
from accounts.registration.journey_store import journeys
from accounts.registration.proofing import Proofing, proof
from idp.adapters.systems.sandbox_registry import SandboxPopulation, SandboxVerification
from idp.jobs import retention
from idp.jobs.retention import RETENTION_RULES
from tests.fixtures.registrations import BY_NAME, XIAOYU, YULAN

HOME, AWAY = "203.0.113.5", "198.51.100.7"
PASSWORD = "lvshu chuangwai 9"
NUMBER = parse(XIAOYU.kind, XIAOYU.number)


def count(database, table):
    return database.connection().one(Statement(sa.select(sa.func.count().label("n")).select_from(table))).n


def named(now):
    agreed = proof(EvidenceKind.TWO_ELEMENTS, "registry:sandbox", now)
    return Journey(IdentifierKind.CITIZEN_ID).named(XIAOYU.name, NUMBER, agreed)


def proofing(vault, **limits):
    population = SandboxPopulation(environment="test")
    return Proofing(vault, population, (SandboxVerification("face_match", environment="test"),), CallLimits(**limits))


def test_nothing_readable_is_stored_of_a_journey(database, vault, clock):
    """Name, number, phone and code are sealed, and nothing of them is left when the journey is over."""
    c = database.connection()
    journey = named(clock()).by_phone().sent(Mobile.parse("+8613900000041"), clock())
    journey_store.begin(c, vault, "handle", journey, network=HOME, now=clock())
    (row,) = c.rows(Statement(sa.select(journeys)))
    assert all(text.encode() not in row.sealed for text in (XIAOYU.name, XIAOYU.number, journey.code.digits))
    assert "handle" not in row.handle_digest
    found = journey_store.find(c, vault, "handle", clock())
    assert (found.name, found.number, found.phone, found.code) == (
        journey.name, journey.number, journey.phone, journey.code,
    )  # fmt: skip
    assert journey_store.save(c, vault, "handle", found.ended(Stage.DONE), clock())
    assert c.one(Statement(sa.select(journeys))).sealed is None


def test_a_version_is_left_once(database, vault, clock):
    """Of two answers to one page one counts; the other one changes nothing."""
    c = database.connection()
    journey_store.begin(c, vault, "handle", named(clock()), network=HOME, now=clock())
    first = journey_store.find(c, vault, "handle", clock())
    assert journey_store.save(c, vault, "handle", first.by_phone(), clock())
    assert not journey_store.save(c, vault, "handle", first.by_phone(), clock())
    assert not journey_store.save(c, vault, "another", first.by_phone(), clock())
    assert journey_store.find(c, vault, "handle", clock()).stage is Stage.PHONE


def test_a_journey_is_gone_within_the_hour(database, vault, clock):
    """After 45 minutes it cannot be read or continued, and housekeeping removes it with the counters of its calls."""
    c = database.connection()
    journey_store.begin(c, vault, "handle", named(clock()), network=HOME, now=clock())
    proofing(vault).agree(c, NUMBER, XIAOYU.name, source=HOME, now=clock())
    journey = journey_store.find(c, vault, "handle", clock())
    clock.now += JOURNEY_FOR
    assert journey_store.find(c, vault, "handle", clock()) is None
    assert not journey_store.save(c, vault, "handle", journey.by_phone(), clock())
    clock.advance(minutes=1)
    for rule in RETENTION_RULES:
        retention.purge(database, rule, clock(), threading.Event())
    assert (count(database, journeys), count(database, call_counters)) == (0, 0)
    assert max(JOURNEY_FOR, call_limits.WINDOW) <= timedelta(hours=1) - retention.OFTEN


def test_one_network_keeps_so_many_journeys(database, vault, clock, monkeypatch):
    """A network's oldest journey makes room for its newest; other networks keep theirs."""
    monkeypatch.setattr(journey_store, "_MAKE_ROOM", journey_store.make_room(3))
    c = database.connection()
    journey_store.begin(c, vault, "elsewhere", named(clock()), network=AWAY, now=clock())
    for number in range(5):
        clock.advance(seconds=1)
        journey_store.begin(c, vault, f"handle{number}", named(clock()), network=HOME, now=clock())
    left = [
        name for name in ("elsewhere", *(f"handle{n}" for n in range(5))) if journey_store.find(c, vault, name, clock())
    ]
    assert left == ["elsewhere", "handle2", "handle3", "handle4"]


def test_calls_are_limited_per_number_and_per_network(database, vault, clock):
    """A number from one network, a network over all numbers, and a number over all networks each have a ceiling."""
    c, now = database.connection(), clock()
    checks = proofing(vault, number_from_network=2, from_network=4, number=5)

    def call(person, source):
        checks.agree(c, parse(person.kind, person.number), person.name, source=source, now=now)

    call(XIAOYU, HOME)
    call(XIAOYU, HOME)
    with pytest.raises(Throttled) as refused:
        call(XIAOYU, HOME)
    assert timedelta(0) < refused.value.retry_after <= call_limits.WINDOW
    call(BY_NAME["周文博"], HOME)
    with pytest.raises(Throttled):
        call(BY_NAME["王秀英"], HOME)
    for source in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        call(XIAOYU, source)
    with pytest.raises(Throttled):
        call(XIAOYU, "192.0.2.4")
    now = clock.now + call_limits.WINDOW
    call(XIAOYU, HOME)


def test_a_failed_call_counts_and_names_nobody(database, vault, clock):
    """A wrong name, and a deceased person, use up calls; the counter holds no number."""
    c = database.connection()
    checks = proofing(vault, number_from_network=1)
    with pytest.raises(NotProven) as wrong:
        checks.agree(c, NUMBER, "赵无名", source=HOME, now=clock())
    with pytest.raises(NotProven) as dead:
        checks.agree(c, parse(YULAN.kind, YULAN.number), YULAN.name, source=HOME, now=clock())
    assert str(wrong.value) == str(dead.value)
    with pytest.raises(Throttled):
        checks.agree(c, NUMBER, XIAOYU.name, source=HOME, now=clock())
    assert XIAOYU.number not in repr(c.rows(Statement(sa.select(call_counters))))


def test_a_documents_kind_that_the_registry_does_not_know_is_not_sent(database, vault, clock):
    """A passport is never asked about, and a city without a registry proves nothing."""
    passport = parse(IdentifierKind.PASSPORT, "DEU:C01X00T47")
    for checks in (proofing(vault), Proofing(vault)):
        with pytest.raises(NotProven):
            checks.agree(database.connection(), passport, "MULLER ANNA", source=HOME, now=clock())
    assert count(database, call_counters) == 0
    assert proofing(vault).highest_level([IdentifierKind.PASSPORT]) == 0
    assert proofing(vault).highest_level([IdentifierKind.CITIZEN_ID]) == 3


@pytest.mark.race
def test_two_registrations_of_one_number_make_one_person(database, vault, clock):
    """Of six journeys for one number that end at once, one opens an account with evidence; five are told Conflict."""
    people = People(vault)
    registration = Registration(
        people, PasswordHasher(memory_kib=8, passes=1, wait=timedelta(minutes=1)), PasswordPolicy()
    )
    start, outcomes = threading.Barrier(6), []
    for number in range(6):
        journey_store.begin(database.connection(), vault, f"handle{number}", proven(clock()), network=HOME, now=clock())

    def racer(handle):
        mine = Database(database.url.render_as_string(hide_password=False), statement_timeout=timedelta(seconds=60))
        with closing(mine):
            journey = journey_store.find(mine.connection(), vault, handle, clock())
            start.wait()
            outcomes.append(opened(registration, mine, vault, handle, journey, clock()))

    run_all([threading.Thread(target=racer, args=(f"handle{number}",)) for number in range(6)])
    assert sorted(outcomes) == ["conflict"] * 5 + ["open"]
    assert count(database, natural_persons) == 1
    held = evidence.of(database.connection(), people.find(database.connection(), NUMBER))
    assert evidence.identity_assurance(held, clock()) == 3


@pytest.mark.race
def test_one_journey_opens_one_account(database, vault, clock):
    """Six last forms of one journey at once open one account; nothing of the other five remains."""
    people = People(vault)
    registration = Registration(
        people, PasswordHasher(memory_kib=8, passes=1, wait=timedelta(minutes=1)), PasswordPolicy()
    )
    journey_store.begin(database.connection(), vault, "handle", phone_only(clock()), network=HOME, now=clock())
    journey = journey_store.find(database.connection(), vault, "handle", clock())
    start, outcomes = threading.Barrier(6), []

    def racer():
        mine = Database(database.url.render_as_string(hide_password=False), statement_timeout=timedelta(seconds=60))
        with closing(mine):
            mine.connection()
            start.wait()
            outcomes.append(opened(registration, mine, vault, "handle", journey, clock()))

    run_all([threading.Thread(target=racer) for _ in range(6)])
    assert sorted(outcomes) == ["open"] + ["spent"] * 5
    assert count(database, natural_persons) == 1


def proven(now):
    """A journey whose face match succeeded, at its last page."""
    face = proof(EvidenceKind.FACE_MATCH, "upstream:face_match", now)
    checked = named(now).begun(Verification("face_match", "r"))
    return checked.verified(face).without_phone()


def phone_only(now):
    """A journey without a number, at its last page: nothing but the journey itself keeps it single."""
    sent = Journey(IdentifierKind.PASSPORT).named("MULLER ANNA", None, None).sent(Mobile.parse("+8613900000078"), now)
    return sent.phone_proven(proof(EvidenceKind.PHONE, "sms", now))


def opened(registration, database, vault, handle, journey, now):
    ready, over = journey.ready(), journey.ended(Stage.DONE)
    try:
        registration.open_account(
            database,
            NewPerson(ready.person.name, ready.person.identifiers, ready.person.phones),
            PASSWORD,
            proofs=ready.proofs,
            channel="web",
            now=now,
            spend=lambda c: journey_store.save(c, vault, handle, over, now),
        )
    except Conflict:
        return "conflict"
    except NotProven:
        return "spent"
    return "open"


def run_all(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
