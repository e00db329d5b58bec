"""The human check: passed by work or by waiting, once, in the browser and the time that it was made for."""

import base64
from datetime import timedelta

import altcha
import orjson
import pytest

from accounts.authentication import PasswordAuthentication
from accounts.credentials.human_check import GOOD_FOR, WAIT, HumanChecks
from accounts.credentials.password import PasswordHasher
from accounts.credentials.throttle import Throttle
from accounts.errors import HumanCheckNeeded, NotProven
from accounts.merging.linking import Linking
from accounts.people import People
from tests.fixtures.city import eight_at_once

BROWSER = "the form cookie of one browser"


@pytest.fixture
def checks(vault):
    return HumanChecks(vault)


def solved(challenge):
    """What the script finds."""
    found = altcha.solve_challenge(altcha.Challenge.from_dict(orjson.loads(base64.b64decode(challenge))))
    return f"{found.counter}:{found.derived_key}"


def test_work_passes_once(database, checks, clock):
    """The right counter passes at once, and the same check never again."""
    c, asked = database.connection(), checks.ask(BROWSER, clock())
    solution = solved(asked.challenge)
    assert checks.is_passed(c, asked.challenge, solution, browser=BROWSER, now=clock())
    assert not checks.is_passed(c, asked.challenge, solution, browser=BROWSER, now=clock())


def test_waiting_passes_once_without_a_script(database, checks, clock):
    """Half a minute after the page was made an empty solution is enough, and not a second earlier."""
    c, asked = database.connection(), checks.ask(BROWSER, clock())
    assert asked.waited_at == clock() + WAIT
    clock.advance(seconds=29)
    assert not checks.is_passed(c, asked.challenge, "", browser=BROWSER, now=clock())
    clock.advance(seconds=1)
    assert checks.is_passed(c, asked.challenge, "", browser=BROWSER, now=clock())
    assert not checks.is_passed(c, asked.challenge, "", browser=BROWSER, now=clock())


def test_of_eight_uses_at_once_one_passes(database, checks, clock):
    """One check opens one guess, however many are sent together."""
    asked, passed = checks.ask(BROWSER, clock()), []
    later = clock.advance(seconds=40)

    def use():
        passed.append(checks.is_passed(database.connection(), asked.challenge, "", browser=BROWSER, now=later))

    eight_at_once(database, use)
    assert sorted(passed) == [False] * 7 + [True]


@pytest.mark.parametrize("after", [timedelta(seconds=-1), GOOD_FOR, timedelta(days=1)])
def test_a_check_has_its_time(database, checks, clock, after):
    """Neither before it was made nor after ten minutes."""
    asked = checks.ask(BROWSER, clock())
    solution = solved(asked.challenge)
    now = clock() + after
    assert not checks.is_passed(database.connection(), asked.challenge, solution, browser=BROWSER, now=now)


def test_another_browsers_check_is_none(database, checks, clock):
    """A check that a farm of browsers solved is of no use elsewhere."""
    asked = checks.ask(BROWSER, clock())
    solution = solved(asked.challenge)
    assert not checks.is_passed(database.connection(), asked.challenge, solution, browser="other", now=clock())


def changed(challenge, **parameters):
    held = orjson.loads(base64.b64decode(challenge))
    held["parameters"] |= parameters
    return base64.b64encode(orjson.dumps(held)).decode()


@pytest.mark.parametrize(
    "forge",
    [
        lambda text: changed(text, cost=1),
        lambda text: changed(text, keyPrefix="00"),
        lambda text: changed(text, data={"browser": "", "at": 0}),
        lambda text: text + "=",
        lambda text: text[:-8],
        lambda text: base64.b64encode(b"[]").decode(),
        lambda text: base64.b64encode(b'{"parameters": {}}').decode(),
        lambda text: base64.b64encode(b"[" * 900).decode(),
        lambda text: "",
        lambda text: "汉字",
        lambda text: "A" * 100_000,
    ],
)
def test_a_check_that_we_did_not_make_is_none(database, checks, clock, forge):
    """A changed, cut, foreign or overlong text passes nothing, also after any wait."""
    text = forge(checks.ask(BROWSER, clock()).challenge)
    later = clock.advance(seconds=60)
    assert not checks.is_passed(database.connection(), text, "", browser=BROWSER, now=later)


@pytest.mark.parametrize(
    "solution", ["0:00", "1", ":", "-1:00", "9" * 30 + ":00", "١:00", "100:" + "0" * 64, "x" * 9999]
)
def test_a_wrong_counter_is_no_work(database, checks, clock, solution):
    """Only the derived key of the right counter counts."""
    asked = checks.ask(BROWSER, clock())
    assert not checks.is_passed(database.connection(), asked.challenge, solution, browser=BROWSER, now=clock())


def guess(login, database, clock, name, is_human, *, source="198.51.100.7"):
    """What one wrong guess ends with, as the class of its error."""
    with pytest.raises((NotProven, HumanCheckNeeded)) as caught:
        login.authenticate(database, name, "wrong", source=source, channel="web", now=clock(), is_human=is_human)
    return type(caught.value)


@pytest.fixture
def login(vault):
    people = People(vault)
    return PasswordAuthentication(people, PasswordHasher(memory_kib=8, passes=1), Throttle(), Linking(vault))


def test_the_check_comes_after_half_of_the_guesses(database, login, clock):
    """Three guesses are free; then each needs a check, and one without is neither tried nor counted."""
    asked = []

    def human():
        asked.append(1)
        return len(asked) > 5

    found = [guess(login, database, clock, "nobody", human) for _ in range(3)]
    assert (found, asked) == ([NotProven] * 3, [])
    assert [guess(login, database, clock, "nobody", human) for _ in range(5)] == [HumanCheckNeeded] * 5
    assert guess(login, database, clock, "nobody", human) is NotProven


def test_a_guess_that_is_not_suspicious_costs_no_statement_more(database, login, clock):
    """Suspicion comes with the counters: the first guesses cost the same with the check as without."""
    counts = []
    for is_human in (None, lambda: False):
        seen = []
        database.count = lambda seen=seen: seen.append(1)
        guess(login, database, clock, f"nobody-{is_human is None}", is_human, source=f"192.0.2.{len(counts)}")
        counts.append(len(seen))
    assert counts[0] == counts[1]
