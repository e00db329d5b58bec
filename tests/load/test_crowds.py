"""A crowd at one endpoint does not slow others: only the strangers wait for what they make slow."""

import secrets
import sqlite3
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from hashlib import sha256
from urllib.parse import urlencode

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.fixtures.site import PASSWORD
from tests.load.conftest import CITIZENS, PATIENCE, Served, median
from tests.load.crowd import Visitor, stalled

pytestmark = pytest.mark.alone

GUESSERS = 64
MEMORY = ("/livez", "/jwks", "/.well-known/openid-configuration")
HEALTH = (*MEMORY, "/readyz")
SOON = 50  # milliseconds, for responses from memory


def holds_up_nobody(quiet: dict[str, list[float]], crowded: dict[str, list[float]]) -> list[str]:
    """The slow paths, by the medians of two runs side by side: a busy machine slows both runs."""
    asked = {path: (median(quiet[path]), median(crowded[path])) for path in quiet}
    return [
        f"{path}: {now:.1f} ms, {before:.1f} when quiet"
        for path, (before, now) in asked.items()
        if now > 3 * before and now > (0 if path == "/token" else SOON)
    ]


def test_guessers_hold_up_nobody_else(served: Served):
    """64 guessers: a machine's token takes at most three times as long, health and documents 50 ms at most.

    Without places for each class it takes hundreds of times as long, so no such run passes by chance.
    """
    slow: list[str] = []
    for _ in range(3):
        quiet = served.times("/token", *HEALTH, seconds=2)
        with served.besieged(GUESSERS):
            served.times("/token", seconds=1)  # until the whole crowd is there
            crowded = served.times("/token", *HEALTH, seconds=3)
        slow = holds_up_nobody(quiet, crowded)
        if not slow:
            return
    assert slow == []


def test_who_is_known_here_gets_in_past_the_guessers(served: Served):
    """While 64 strangers guess, persons log in from known browsers, 19 times of 20."""
    citizens = [(Visitor(served.port, f"127.9.0.{i + 1}"), served.numbers[i]) for i in range(CITIZENS)]
    with closing_all([visitor for visitor, _ in citizens]):
        assert all(visitor.log_in(number, PASSWORD) for visitor, number in citizens)
        with served.besieged(GUESSERS):
            time.sleep(1)
            came_in = [visitor.log_in(number, PASSWORD) for _ in range(5) for visitor, number in citizens]
    assert came_in.count(True) >= 0.95 * len(came_in), came_in


@pytest.mark.parametrize("path", ["/token", "/login", "/authorize"])
def test_bodies_that_never_arrive_stop_nothing(served: Served, path: str):
    """While 64 senders stall in the middle of a body, response times stay the same."""
    quiet = served.times("/token", *HEALTH, seconds=1)
    with closing_all(stalled(served.port, 64, path)):
        crowded = served.times("/token", *HEALTH, seconds=1)
        person = Visitor(served.port, "127.9.0.1")
        with closing_all([person]):
            assert person.log_in(served.numbers[0], PASSWORD)
    assert holds_up_nobody(quiet, crowded) == []


def test_heads_that_never_end_stop_nothing(served: Served):
    """300 senders stall in the middle of a head, and each is disconnected after ten seconds."""
    quiet = served.times("/token", *HEALTH, seconds=1)
    with closing_all(stalled(served.port, 300, "", head=b"POST /token HTTP/1.1\r\nHost: loc")) as senders:
        crowded = served.times("/token", *HEALTH, seconds=1)
        assert holds_up_nobody(quiet, crowded) == []
        senders[0].settimeout(20)
        while senders[0].recv(1000):
            pass  # a response, or the end of the connection at once


def test_a_locked_database_is_waited_for_once(served: Served):
    """A request for a locked database gets its error after one wait; one without the database does not wait."""
    quiet = served.times(*MEMORY, seconds=1)
    with locked(served), ThreadPoolExecutor(12) as pool:
        begun = time.monotonic()
        waiting = [pool.submit(authorized, served, f"127.9.1.{i}", begun) for i in range(12)]
        crowded = served.times(*MEMORY, seconds=PATIENCE)
        answers = [each.result() for each in waiting]
    assert {status for status, _ in answers} == {503}
    first = min(after for _, after in answers)
    assert PATIENCE * 0.9 < first < PATIENCE * 2, answers
    assert max(after for _, after in answers) < PATIENCE * 4, answers  # for a place, for the lock, and a busy machine
    assert holds_up_nobody(quiet, crowded) == []


def authorized(served: Served, address: str, begun: float) -> tuple[int, float]:
    """The status at /authorize, and the seconds from `begun` until it came."""
    asked = {
        "client_id": "machine",
        "redirect_uri": "https://machine.example/callback",
        "response_type": "code",
        "scope": "openid",
        "code_challenge": urlsafe_b64encode(sha256(secrets.token_bytes(32)).digest()).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    visitor = Visitor(served.port, address)
    with closing_all([visitor]):
        visitor.get(f"/authorize?{urlencode(asked)}")
    return visitor.status, time.monotonic() - begun


@contextmanager
def locked(served: Served) -> Iterator[None]:
    """Inside the block nobody else can write an authorization request."""
    url = served.services.database.url
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database), isolation_level=None)) as c:
            c.execute("BEGIN IMMEDIATE")
            yield
            c.execute("ROLLBACK")
        return
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as c:
        c.execute("LOCK TABLE authorization_requests")
        yield
        c.rollback()


@contextmanager
def closing_all(things):
    try:
        yield things
    finally:
        for each in things:
            each.close()
