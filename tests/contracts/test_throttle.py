import threading
from contextlib import suppress
from datetime import timedelta

import pytest
import sqlalchemy as sa

from accounts.credentials.throttle import Throttle, throttle_counters
from accounts.database import Database, Statement
from accounts.errors import Throttled

HOME, ATTACKER = "192.0.2.1", "198.51.100.7"
BROWSER = "0123456789abcdef"
MOST_AN_HOUR = 100  # wrong passwords for one person, from everywhere but known browsers
MOST_OF_A_BROWSER = 50


@pytest.fixture
def throttle():
    return Throttle()


def passes(throttle, c, now, *, person="p", source=ATTACKER, browser=None):
    """Whether one more attempt is allowed."""
    try:
        throttle.check(c, person=person, source=source, now=now, browser=browser)
    except Throttled:
        return False
    return True


def allowed(throttle, c, clock, *, person="p", sources=(ATTACKER,), tries=200, browser=None):
    """The number of allowed attempts, taking the sources in turn."""
    return sum(
        passes(throttle, c, clock.now, person=person, source=sources[i % len(sources)], browser=browser)
        for i in range(tries)
    )


def succeeds(throttle, c, clock, *, person="p", source=HOME, browser=None):
    """The person signs in. Raises Throttled."""
    throttle.succeeded(c, throttle.check(c, person=person, source=source, now=clock.now, browser=browser))


def most_an_hour(times):
    """The largest number of these moments within one hour."""
    return max(sum(start <= other < start + timedelta(hours=1) for other in times) for start in times)


def test_one_source_gets_few_guesses_and_is_told_when_to_return(database, throttle, clock):
    """After six guesses the source must wait; at the given time two more are allowed."""
    c = database.connection()
    assert allowed(throttle, c, clock) == 6
    with pytest.raises(Throttled) as caught:
        throttle.check(c, person="p", source=ATTACKER, now=clock.now)
    assert caught.value.retry_after <= timedelta(minutes=15)
    clock.now += caught.value.retry_after
    assert allowed(throttle, c, clock) == 2


def test_a_flood_cannot_lock_a_person_out_of_home(database, throttle, clock):
    """A thousand guesses from everywhere throttle new networks, never the one where the person succeeds."""
    c = database.connection()
    succeeds(throttle, c, clock)
    assert allowed(throttle, c, clock, sources=[f"203.0.113.{i}" for i in range(250)], tries=1000) == 9
    succeeds(throttle, c, clock)


def test_a_known_browser_has_a_counter_of_its_own(database, throttle, clock):
    """When all other counters of the person and the network are full, a known browser still has its own."""
    c = database.connection()
    succeeds(throttle, c, clock)
    everywhere = [HOME, *(f"203.0.113.{i}" for i in range(50))]
    allowed(throttle, c, clock, sources=everywhere)
    allowed(throttle, c, clock, sources=[HOME])
    for i in range(200):
        passes(throttle, c, clock.now, person=f"invented {i}", source=HOME)
    assert not passes(throttle, c, clock.now, source=HOME)
    succeeds(throttle, c, clock, browser=BROWSER)
    assert allowed(throttle, c, clock, sources=[HOME], browser=BROWSER) == 10
    assert allowed(throttle, c, clock, sources=[HOME], browser="another browser") == 10


def test_a_known_browser_fills_no_other_counter(database, throttle, clock):
    """Mistakes in a known browser use no other counter; when its own is full, it counts as a stranger."""
    c = database.connection()
    assert allowed(throttle, c, clock, browser=BROWSER, tries=10) == 10
    assert allowed(throttle, c, clock, browser=BROWSER) == 6
    assert allowed(throttle, c, clock) == 0


def test_one_password_for_many_people_runs_out(database, throttle, clock):
    """One source that tries every person once is stopped at its own ceiling."""
    c = database.connection()
    assert sum(allowed(throttle, c, clock, person=f"p{i}", tries=1) for i in range(130)) == 100


def test_invented_names_do_not_stop_who_signed_in_there(database, throttle, clock):
    """In a hall or a school guesses at strangers and at people who are known there count separately."""
    c = database.connection()
    succeeds(throttle, c, clock)
    invented = (f"invented {i}" for i in range(130))
    assert sum(passes(throttle, c, clock.now, person=name, source=HOME) for name in invented) == 100
    assert passes(throttle, c, clock.now, source=HOME)


def test_success_costs_a_shared_source_nothing(database, throttle, clock):
    """A whole office behind one address can log in all morning: only failures are counted."""
    c = database.connection()
    for i in range(150):
        succeeds(throttle, c, clock, person=f"p{i}")
        succeeds(throttle, c, clock, person=f"q{i}", browser=f"browser {i}")
    attempts = Statement(sa.select(throttle_counters.c.attempts))
    assert {row.attempts for row in c.rows(attempts)} == {0}


def test_a_refused_guess_fills_no_other_counter(database, throttle, clock):
    """A refused guess is not counted anywhere: one source cannot use up the strangers' share alone."""
    c = database.connection()
    allowed(throttle, c, clock, tries=100)
    attempts = Statement(sa.select(throttle_counters.c.counter, throttle_counters.c.attempts))
    assert {row.counter: row.attempts for row in c.rows(attempts)} == {
        "pair": 6,
        "source": 6,
        "newcomer": 3,
        "stranger": 3,
    }


@pytest.mark.parametrize("browser", [None, BROWSER])
@pytest.mark.parametrize("source", [ATTACKER, "2001:db8::1"])
def test_an_untried_attempt_does_not_count(database, throttle, clock, source, browser):
    """When the process was too busy to check the password, the attempt is given back."""
    c = database.connection()
    for _ in range(50):
        throttle.untried(c, throttle.check(c, person="p", source=source, now=clock.now, browser=browser))


@pytest.mark.parametrize(
    "spelled", [("203.0.113.7", "::ffff:203.0.113.7", "[::FFFF:cb00:7107]:443", "203.0.113.7:51234")]
)
def test_spellings_of_one_address_are_one_source(database, throttle, clock, spelled):
    """This also holds for a caller that passes addresses in other forms."""
    assert allowed(throttle, database.connection(), clock, sources=spelled) == 6


def test_ipv4_addresses_in_ipv6_form_are_many_sources(database, throttle, clock):
    """`::ffff:a.b.c.d` is not one network: the guesses of one IPv4 address throttle no other."""
    c = database.connection()
    for i in range(130):
        passes(throttle, c, clock.now, person=f"invented {i}", source="::ffff:198.51.100.7")
    assert passes(throttle, c, clock.now, source="::ffff:192.0.2.1")


def test_addresses_of_one_ipv6_network_are_one_source(database, throttle, clock):
    """A /64 gets no more guesses for having many addresses."""
    c = database.connection()
    assert allowed(throttle, c, clock, sources=[f"2001:db8::{i:x}" for i in range(1, 50)]) == 6


def test_networks_of_one_ipv6_site_share_a_higher_limit(database, throttle, clock):
    """A /48 gets neither six guesses for each of its 65,536 networks nor a newcomer's for each."""
    c = database.connection()
    many = [f"2001:db8:1:{i:x}::1" for i in range(1, 200)]
    assert allowed(throttle, c, clock, sources=many) == 9  # three as a newcomer, and the strangers' six
    assert sum(passes(throttle, c, clock.now, person=f"p{i}", source=many[i % 199]) for i in range(500)) == 400 - 9


def test_a_check_is_one_statement_and_a_refusal_two(database, throttle, clock):
    """A check is one statement and a refusal a constant few, for a known browser and for a stranger."""
    counted = []
    database.count = lambda: counted.append(1)
    c = database.connection()
    for browser, tries, refusal in ((None, 6, 2), (BROWSER, 10, 4)):
        counted.clear()
        allowed(throttle, c, clock, tries=tries, browser=browser)
        assert len(counted) == tries
        counted.clear()
        with pytest.raises(Throttled):
            throttle.check(c, person="p", source=ATTACKER, now=clock.now, browser=browser)
        assert len(counted) == refusal


def test_an_attacker_everywhere_gets_a_hundred_guesses_an_hour(database, throttle, clock):
    """The limit holds for any number of networks, familiar ones included, and for any timing."""
    c, got, step = database.connection(), [], 0
    for i in range(3):
        succeeds(throttle, c, clock, source=f"192.0.2.{i}")
    familiar = [f"192.0.2.{i}" for i in range(3)]
    for minutes in (0, 14.9, 15, 30, 45, 59.9, 60, 75, 90, 105, 120):
        now = clock.now + timedelta(minutes=minutes)
        for _ in range(12):
            step += 1
            new = [f"198.51.{step}.{i}" for i in range(6)]
            got += [now for source in (*new, *familiar, *old_of(step)) if passes(throttle, c, now, source=source)]
    assert 20 < most_an_hour(got) <= MOST_AN_HOUR


def old_of(step):
    """Networks that have tried before."""
    return [f"198.51.{max(1, step - 20)}.{i}" for i in range(3)]


def test_a_known_browser_gets_fifty_guesses_an_hour(database, throttle, clock):
    """A stolen cookie gives its own counter, beside the common ones."""
    c, got = database.connection(), []
    for minutes in (0, 14.9, 15, 30, 45, 59.9, 60, 75):
        now = clock.now + timedelta(minutes=minutes)
        for _ in range(30):
            with suppress(Throttled):
                counted = throttle.check(c, person="p", source=ATTACKER, now=now, browser=BROWSER)
                got.append((now, counted.is_known))
    assert 10 < most_an_hour([at for at, is_known in got if is_known]) <= MOST_OF_A_BROWSER
    assert most_an_hour([at for at, is_known in got if not is_known]) <= MOST_AN_HOUR


@pytest.mark.race
@pytest.mark.parametrize(("browser", "most"), [(None, 6), (BROWSER, 10 + 6)])
def test_guesses_that_arrive_together_pass_no_more_than_the_ceiling(database, throttle, clock, browser, most):
    """Eight racing threads with ten guesses each get no more guesses than one thread."""
    start, passed = threading.Barrier(8), []

    def racer():
        mine = Database(database.url.render_as_string(hide_password=False))
        c = mine.connection()
        start.wait()
        passed.append(allowed(throttle, c, clock, tries=10, browser=browser))
        mine.close()

    threads = [threading.Thread(target=racer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 8
    assert sum(passed) == most
