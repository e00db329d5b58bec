"""A failed guess takes the same time for every person, so time reveals nothing.

The tests measure the processor time of this process, all threads together: wall time depends on other load, and
password checks have a lower priority. The database server's share is measured in statements.
"""

import gc
import hashlib
import random
import statistics
import time
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
import sqlalchemy as sa

from accounts.authentication import PasswordAuthentication
from accounts.credentials import password as passwords
from accounts.credentials.legacy import LegacySecret
from accounts.credentials.password import PasswordHasher
from accounts.credentials.throttle import Limit, Limits, Throttle
from accounts.database import Statement
from accounts.errors import NotProven, Throttled
from accounts.identifiers import CitizenId, Mobile
from accounts.merging.linking import Linking, link_row, linked_accounts
from accounts.people import NewPerson, People, natural_persons
from tests.fixtures.site import citizen_number

pytestmark = pytest.mark.alone

ROUNDS = 41
GAP = 0.001  # seconds between the medians of two paths
MEMORY_KIB = 16384  # a hash takes many times the gap, so one hash more or less is visible
SECRET = "lvshu chuangwai 9"
COUNTERS = ("pair", "again", "source", "newcomer", "stranger", "familiar")
MINE, PASSWORDLESS, DISABLED, DECEASED, MERGED, INTO, OTHER, ADOPTED, UNKNOWN = map(citizen_number, range(1, 10))
HUSBAND, STOPPED = citizen_number(10), citizen_number(11)
PHONE, SHARED, UNVERIFIED, STOPPED_PHONE, UNKNOWN_PHONE = (f"1390000000{i}" for i in range(1, 6))
HIS_SECRET = "lvshu chuangwai 10"


class Street:
    """Every kind of person that a guess may concern, behind the real password check."""

    def __init__(self, database, vault, clock, limits=None):
        self.database, self.vault, self.clock = database, vault, clock
        self.people, self.linking = People(vault), Linking(vault)
        self.hasher = PasswordHasher(memory_kib=MEMORY_KIB, passes=1)
        many = Limit(1_000_000, clock.now - clock.now.replace(year=clock.now.year - 1))
        throttle = Throttle(limits or replace(Limits(), **dict.fromkeys(COUNTERS, many)))
        self.door = PasswordAuthentication(self.people, self.hasher, throttle, self.linking)
        self.encoded = self.hasher.hash(SECRET)

    def person(self, number, *, status=None, password=True, secret=SECRET):
        now = self.clock.now
        with self.database.transaction() as c:
            person = self.people.register(c, NewPerson("张三丰", (CitizenId.parse(number),)), now=now)
            if password:
                encoded = self.encoded if secret == SECRET else self.hasher.hash(secret)
                passwords.store(c, self.vault, person.id, encoded, now=now)
            if status:
                self.people.change_status(c, person.id, status, now=now)
        return person.id

    def disable(self, person_id):
        with self.database.transaction() as c:
            self.people.change_status(c, person_id, "disabled", now=self.clock.now)

    def phone(self, person_id, phone, *, verified=True):
        now = self.clock.advance(seconds=1)
        with self.database.transaction() as c:
            self.people.add_phone(c, person_id, Mobile.parse(phone), now=now)
            if verified:
                self.people.phone_verified(c, person_id, Mobile.parse(phone), now=now)

    def old_account(self, person_id, login_name, *, adopted=False, recipe="hex(md5(p+s))"):
        secret = LegacySecret(hashlib.md5(b"old words").hexdigest(), "s", login_name)
        row = link_row(
            system="forum",
            uid=login_name,
            person_id=person_id,
            login_index=self.linking.login_index(login_name),
            rule="test/1",
            run_id="test",
            now=self.clock.now,
            secret=self.linking.sealed(secret, login_name),
            recipe=None if adopted else recipe,
        )
        self.database.connection().execute(Statement(sa.insert(linked_accounts)), **row)

    def merged(self, person_id, into):
        known = natural_persons.update().where(natural_persons.c.id == person_id)
        self.database.connection().execute(Statement(known.values(status="merged", merged_into=into)))

    def cost(self, identifier, password, refused=NotProven):
        """Processor seconds of one refused guess."""
        start = time.process_time()
        with pytest.raises(refused):
            self.door.authenticate(
                self.database, identifier, password, source="192.0.2.1", channel="web", now=self.clock.now
            )
        return time.process_time() - start

    def medians(self, paths, refused=NotProven):
        """The cost of each path: the median round plus the path's median distance from its own round.

        A second in which the machine is slow slows a whole round, so it counts for no path. Within a round the order is
        random, so that periodic load does not always hit the same path.
        """
        rounds, drawn = [], random.Random(ROUNDS)
        with without_collections():
            for _ in range(ROUNDS):
                order = drawn.sample(list(paths), len(paths))
                rounds.append({name: self.cost(*paths[name], refused) for name in order})
        middles = [statistics.median(each.values()) for each in rounds]
        apart = {
            name: statistics.median(each[name] - middle for each, middle in zip(rounds, middles, strict=True))
            for name in paths
        }
        return {name: statistics.median(middles) + lies for name, lies in apart.items()}

    def statements(self, identifier, password):
        """The number of statements that one refused guess sends."""
        sent = []
        self.database.count = lambda: sent.append(identifier)
        self.cost(identifier, password)
        return len(sent)


@contextmanager
def without_collections():
    """Garbage from other tests is not collected while a guess is measured."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.fixture
def street(database, vault, clock):
    return Street(database, vault, clock)


@pytest.fixture
def crowded(street):
    """A street with one person of every kind in GUESSES."""
    mine = street.person(MINE)
    for phone in (PHONE, SHARED):
        street.phone(mine, phone)
    street.phone(mine, UNVERIFIED, verified=False)
    street.phone(street.person(HUSBAND, secret=HIS_SECRET), SHARED)
    stopped = street.person(STOPPED)
    street.phone(stopped, STOPPED_PHONE)
    street.disable(stopped)
    street.person(DISABLED, status="disabled")
    street.person(DECEASED, status="deceased", password=False)
    street.merged(street.person(MERGED), street.person(INTO, password=False))
    street.old_account(street.person(OTHER, password=False), "unmigrated")
    street.old_account(street.person(ADOPTED), "adopted", adopted=True)
    street.person(PASSWORDLESS, password=False)
    return street


GUESSES = {
    "unknown number": (UNKNOWN, "a wrong guess"),
    "unknown name": ("nobody-here", "a wrong guess"),
    "wrong password": (MINE, "a wrong guess"),
    "empty password": (MINE, ""),
    "empty password of nobody": (UNKNOWN, ""),
    "no password": (PASSWORDLESS, "a wrong guess"),
    "disabled, wrong password": (DISABLED, "a wrong guess"),
    "disabled, right password": (DISABLED, SECRET),
    "unmigrated": ("unmigrated", "a wrong guess"),
    "unmigrated, by number": (OTHER, "a wrong guess"),
    "merged": (MERGED, "a wrong guess"),
    "deceased": (DECEASED, "a wrong guess"),
    "adopted": ("adopted", "a wrong guess"),
}
# Separate: a guesser knows whether they typed a phone or another name, and reading a phone takes longer.
GUESSES_BY_PHONE = {
    "unknown phone": (UNKNOWN_PHONE, "a wrong guess"),
    "phone, wrong password": (PHONE, "a wrong guess"),
    "unverified phone, right password": (UNVERIFIED, SECRET),
    "shared phone, wrong password": (SHARED, "a wrong guess"),
    "shared phone, the second holder's password": (SHARED, HIS_SECRET),
    "phone of a disabled person, right password": (STOPPED_PHONE, SECRET),
}


def gap(medians):
    return max(medians.values()) - min(medians.values())


@pytest.mark.parametrize("guesses", [GUESSES, GUESSES_BY_PHONE], ids=["by name", "by phone"])
def test_no_time_tells_who_exists_or_has_what(crowded, guesses):
    """Unknown, wrong, empty, disabled, deceased, merged, unmigrated and adopted have medians within a millisecond.

    So have phones: unknown, unverified, shared, wrong.
    """
    medians = crowded.medians(guesses)
    assert min(medians.values()) > 4 * GAP, "the hash is too small for this test to see one more or less"
    assert gap(medians) < GAP, medians


def test_no_statement_tells_who_exists_or_has_what(crowded):
    """Every guess sends the same number of statements, whoever it concerns."""
    sent = {name: crowded.statements(*guess) for name, guess in (GUESSES | GUESSES_BY_PHONE).items()}
    assert len(set(sent.values())) == 1, sent


def test_no_time_tells_whose_guesses_have_run_out(database, vault, clock):
    """A throttled guess is its own error, and takes the same time for a known and an unknown person."""
    few = Limit(2, clock.now - clock.now.replace(year=clock.now.year - 1))
    street = Street(database, vault, clock, Limits(pair=few))
    street.person(MINE)
    paths = {"somebody": (MINE, SECRET), "nobody": (UNKNOWN, SECRET), "no name": ("nobody-here", SECRET)}
    for guess in paths.values():
        for _ in range(3):
            with suppress(NotProven, Throttled):
                street.cost(guess[0], "a wrong guess")
    medians = street.medians(paths, Throttled)
    assert gap(medians) < GAP, medians
    assert max(medians.values()) < 4 * GAP, "a throttled guess has cost a hash"


def test_what_a_costly_older_hash_adds_is_bounded(street):
    """A login name in five systems with slow hashes costs two of those hashes at most."""
    person = street.person(MINE, password=False)
    recipe = "hex(pbkdf2(sha256,p,s,20000,32))"
    street.old_account(person, "slow", recipe=recipe)
    for i in range(5):
        street.old_account(person, f"slow-{i}", recipe=recipe)
    rename = Statement(linked_accounts.update().values(login_index=street.linking.login_index("slower")))
    street.database.connection().execute(rename)
    street.old_account(street.person(UNKNOWN, password=False), "slow-once", recipe=recipe)
    medians = street.medians({name: (name, "a wrong guess") for name in ("nobody-here", "slow-once", "slower")})
    once, many = (medians[name] - medians["nobody-here"] for name in ("slow-once", "slower"))
    assert once > 4 * GAP
    assert many < 3 * once, medians
