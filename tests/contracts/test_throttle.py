import threading

import pytest
import sqlalchemy as sa

from accounts.credentials.throttle import Throttle, throttle_counters
from accounts.database import Database, Statement
from accounts.errors import Throttled

HOME, ATTACKER = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def throttle():
    return Throttle()


def allowed(throttle, c, clock, *, person="p", sources=(ATTACKER,), tries=200):
    """How many attempts go through, taking the sources in turn."""
    passed = 0
    for i in range(tries):
        try:
            throttle.check(c, person=person, source=sources[i % len(sources)], now=clock.now)
        except Throttled:
            continue
        passed += 1
    return passed


def test_one_source_gets_few_guesses_and_is_told_when_to_return(database, throttle, clock):
    """After six guesses the source waits; at the time it was told, the way is open again."""
    c = database.connection()
    assert allowed(throttle, c, clock) == 6
    with pytest.raises(Throttled) as caught:
        throttle.check(c, person="p", source=ATTACKER, now=clock.now)
    clock.now += caught.value.retry_after
    assert allowed(throttle, c, clock) == 6


def test_a_flood_cannot_lock_a_person_out_of_home(database, throttle, clock):
    """A thousand guesses from everywhere stop strangers, and never the source the person succeeds from."""
    c = database.connection()
    throttle.check(c, person="p", source=HOME, now=clock.now)
    throttle.succeeded(c, person="p", source=HOME, now=clock.now)
    assert allowed(throttle, c, clock, sources=[f"203.0.113.{i}" for i in range(250)], tries=1000) == 30
    throttle.check(c, person="p", source=HOME, now=clock.now)
    throttle.succeeded(c, person="p", source=HOME, now=clock.now)


def test_one_password_for_many_people_runs_out(database, throttle, clock):
    """One source that tries everybody once is stopped at its own ceiling."""
    c = database.connection()
    assert sum(allowed(throttle, c, clock, person=f"p{i}", tries=1) for i in range(130)) == 100


def test_success_costs_a_shared_source_nothing(database, throttle, clock):
    """Behind one address a whole office logs in all morning: only failures are counted."""
    c = database.connection()
    for i in range(150):
        throttle.check(c, person=f"p{i}", source=HOME, now=clock.now)
        throttle.succeeded(c, person=f"p{i}", source=HOME, now=clock.now)


def test_a_refused_guess_fills_no_other_counter(database, throttle, clock):
    """What is refused is not counted anywhere: one source cannot use up the strangers' share alone."""
    c = database.connection()
    allowed(throttle, c, clock, tries=100)
    attempts = Statement(sa.select(throttle_counters.c.counter, throttle_counters.c.attempts))
    assert {row.attempts for row in c.rows(attempts)} == {6}


def test_an_untried_attempt_does_not_count(database, throttle, clock):
    """When the process was too busy to try, the attempt is given back."""
    c = database.connection()
    for _ in range(50):
        throttle.check(c, person="p", source=ATTACKER, now=clock.now)
        throttle.untried(c, person="p", source=ATTACKER, now=clock.now)


def test_addresses_of_one_ipv6_network_are_one_source(database, throttle, clock):
    """Whoever holds a /64 does not get a guess for each of its addresses."""
    c = database.connection()
    assert allowed(throttle, c, clock, sources=[f"2001:db8::{i:x}" for i in range(1, 50)]) == 6


def test_a_check_is_one_statement_and_a_refusal_two(database, throttle, clock):
    """Throttling has a constant, small cost."""
    counted = []
    database.count = lambda: counted.append(1)
    c = database.connection()
    throttle.check(c, person="p", source=ATTACKER, now=clock.now)
    assert len(counted) == 1
    allowed(throttle, c, clock, tries=5)
    counted.clear()
    with pytest.raises(Throttled):
        throttle.check(c, person="p", source=ATTACKER, now=clock.now)
    assert len(counted) == 2


@pytest.mark.race
def test_guesses_that_arrive_together_pass_no_more_than_the_ceiling(database, throttle, clock):
    """Eight threads with ten guesses each get six through, however they race."""
    start, passed = threading.Barrier(8), []

    def racer():
        mine = Database(database.url.render_as_string(hide_password=False))
        c = mine.connection()
        start.wait()
        passed.append(allowed(throttle, c, clock, tries=10))
        mine.close()

    threads = [threading.Thread(target=racer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 8
    assert sum(passed) == 6
