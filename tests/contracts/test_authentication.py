import dataclasses
import threading
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from accounts import audit, evidence
from accounts.authentication import PasswordAuthentication
from accounts.credentials import password as passwords
from accounts.credentials.password import PasswordHasher
from accounts.credentials.password_rules.policy import PasswordPolicy
from accounts.credentials.throttle import Throttle, throttle_counters
from accounts.database import Database, Statement
from accounts.errors import Busy, Conflict, CredentialRefused, NotProven, Throttled
from accounts.evidence import EvidenceKind
from accounts.identifiers import CitizenId, Mobile
from accounts.people import NewPerson, People
from accounts.registration import Proof, Registration
from accounts.vault import Vault

NUMBER, OTHER, UNKNOWN = "519999189003071236", "519999189003071252", "519999189003071279"
PHONE = Mobile.parse("13900000001")
SECRET = "lvshu chuangwai 9"
SOURCE = "192.0.2.1"


class CountingHasher(PasswordHasher):
    """A hasher that counts every hash it computes."""

    def __init__(self, **parameters):
        super().__init__(**parameters)
        self.computed = 0

    def hash(self, password, **priority):
        self.computed += 1
        return super().hash(password, **priority)

    def verify(self, encoded, password, **priority):
        self.computed += 1
        return super().verify(encoded, password, **priority)


@dataclass(frozen=True)
class OldLogin:
    """An account of an older system with a readable secret: these tests do not test recipes."""

    person_id: str
    name: str
    secret: str | None


WITH_PASSWORD = Statement(sa.select(passwords.password_credentials.c.person_id))


@dataclass
class OldSystems:
    """The port's contract in memory; each `find` costs one statement, as the real one does."""

    logins: list = field(default_factory=list)
    adopted: list = field(default_factory=list)

    def find(self, c, login_name):
        committed = {row.person_id for row in c.rows(WITH_PASSWORD)}  # an adoption counts once it is committed
        gone = [login for login in self.adopted if login.person_id in committed]
        found = [login for login in self.logins if login.name == login_name]
        return [dataclasses.replace(login, secret=None) if login in gone else login for login in found]

    def verify(self, login, password):
        return login.secret == password

    def adopt(self, c, login, *, now):
        self.adopted.append(login)


@pytest.fixture
def city(database, vault, clock):
    return City(database, vault, clock)


class City:
    """A small register with one way to log in."""

    def __init__(self, database, vault, clock):
        self.database, self.clock = database, clock
        self.people, self.hasher, self.old = People(vault), CountingHasher(memory_kib=64, passes=1), OldSystems()
        self.counted = []
        database.count = lambda: self.counted.append(self.hasher.computed)

    def authentication(self):
        return PasswordAuthentication(self.people, self.hasher, Throttle(), self.old)

    def person(self, number, password=None, phones=()):
        with self.database.transaction() as c:
            new = NewPerson("张三丰", (CitizenId.parse(number),), phones)
            person = self.people.register(c, new, now=self.clock.now)
            if password is not None:
                encoded = self.hasher.hash(password)
                passwords.store(c, self.people.vault, person.id, encoded, now=self.clock.now)
        return person.id

    def log_in(self, identifier=NUMBER, password=SECRET, source=SOURCE):
        self.counted.clear()
        self.hasher.computed = 0
        return self.authentication().authenticate(
            self.database, identifier, password, source=source, channel="web", now=self.clock.now
        )

    def records(self):
        facts = sa.select(audit.audit_events.c.event, audit.audit_events.c.outcome, audit.audit_events.c.person_id)
        return [tuple(row) for row in self.database.connection().rows(Statement(facts.order_by("at", "id")))]


def test_a_password_proves_its_person(city):
    """Number and password return the person, the method and the time, and write one record."""
    person = city.person(NUMBER, SECRET)
    proven = city.log_in()
    assert (proven.person_id, proven.methods, proven.at) == (person, ("pwd",), city.clock.now)
    assert city.records() == [("person:authentication:password", "success", person)]


def test_a_login_is_two_statements_one_hash_one_transaction(city):
    """At most two statements come before the hash; after it, one transaction and no second hash."""
    city.person(NUMBER, SECRET)
    city.log_in()
    assert city.counted.count(0) == 2
    assert city.hasher.computed == 1


@pytest.mark.parametrize("wrong", ["", "lvshu chuangwai 8", "x" * 10000])
def test_a_wrong_password_is_not_proven_and_on_record(city, wrong):
    """A wrong, empty or endless password raises NotProven, and the failure is recorded."""
    person = city.person(NUMBER, SECRET)
    with pytest.raises(NotProven):
        city.log_in(password=wrong)
    assert city.records() == [("person:authentication:password", "failure", person)]


def unknown(city):
    return UNKNOWN


def wrong(city):
    city.person(NUMBER, "another phrase 7")
    return NUMBER


def without_password(city):
    city.person(NUMBER)
    return NUMBER


def disabled(city):
    person = city.person(NUMBER, SECRET)
    city.people.change_status(city.database.connection(), person, "disabled", now=city.clock.now)
    return NUMBER


def deceased_without_password(city):
    person = city.person(NUMBER)
    city.people.change_status(city.database.connection(), person, "deceased", now=city.clock.now)
    return NUMBER


def unmigrated(city):
    city.old.logins.append(OldLogin(city.person(NUMBER), NUMBER, "something else"))
    return NUMBER


def nobodys_phone(city):
    return "13900000077"


def unverified_phone(city):
    city.person(NUMBER, SECRET, (PHONE,))
    return PHONE.canonical


@pytest.mark.parametrize(
    "situation",
    [
        unknown,
        wrong,
        disabled,
        without_password,
        deceased_without_password,
        unmigrated,
        nobodys_phone,
        unverified_phone,
    ],
)
def test_every_failure_costs_the_same(city, situation):
    """For every person a failed guess raises NotProven after one hash and the same number of statements."""
    identifier = situation(city)
    with pytest.raises(NotProven):
        city.log_in(identifier)
    assert (city.hasher.computed, len(city.counted)) == (1, 6 if city.database.dialect == "postgresql" else 4)


def an_unknown_name(city):
    return "nobody-here"


def a_known_name(city):
    city.old.logins.append(OldLogin(city.person(NUMBER), "zhangsf", "old secret"))
    return "zhangsf"


def an_adopted_name(city):
    city.old.logins.append(OldLogin(city.person(NUMBER, "another phrase 7"), "zhangsf", "old secret"))
    return "zhangsf"


@pytest.mark.parametrize("situation", [an_unknown_name, a_known_name, an_adopted_name])
def test_every_failed_login_name_costs_the_same(city, situation):
    """Unknown, unmigrated and adopted login names of older systems cost one hash and equal statements."""
    with pytest.raises(NotProven):
        city.log_in(situation(city))
    assert (city.hasher.computed, len(city.counted)) == (1, 6 if city.database.dialect == "postgresql" else 4)


@pytest.mark.parametrize("situation", [unknown, wrong, an_unknown_name, a_known_name])
def test_guesses_run_out_alike(city, situation):
    """Guesses at known and unknown persons are throttled at the same count, and then nothing is hashed."""
    identifier = situation(city)
    for _ in range(6):
        with pytest.raises(NotProven):
            city.log_in(identifier, "wrong wrong wrong")
    with pytest.raises(Throttled):
        city.log_in(identifier, "wrong wrong wrong")
    assert city.hasher.computed == 0


def test_the_right_password_after_too_many_wrong_ones_waits(city):
    """A throttled source is refused even with the right password."""
    wrong(city)
    for _ in range(6):
        with pytest.raises(NotProven):
            city.log_in()
    with pytest.raises(Throttled):
        city.log_in(password="another phrase 7")


def test_a_flood_elsewhere_does_not_stop_the_person_at_home(city):
    """After a flood from many sources the person can log in from where they did before."""
    person = city.person(NUMBER, SECRET)
    city.log_in()
    for i in range(60):
        with pytest.raises((NotProven, Throttled)):
            city.log_in(password="guess guess guess", source=f"203.0.113.{i}")
    assert city.log_in().person_id == person


def test_busy_counts_nothing(city):
    """When the bulkhead is full no password is checked, counted or recorded."""
    city.person(NUMBER, SECRET)
    city.hasher = CountingHasher(memory_kib=64, passes=1, concurrent=1)
    assert city.hasher._bulkhead._turns.take()
    with pytest.raises(Busy):
        city.log_in()
    city.hasher._bulkhead._turns.give_back()
    attempts = Statement(sa.select(throttle_counters.c.attempts))
    assert {row.attempts for row in city.database.connection().rows(attempts)} == {0}
    assert city.records() == []


def test_older_parameters_are_renewed_at_login(city):
    """A hash with older parameters is replaced at login, and the new one works."""
    person = city.person(NUMBER, SECRET)
    city.hasher = CountingHasher(memory_kib=128, passes=1)
    city.log_in()
    encoded = passwords.read(city.database.connection(), city.people.vault, person)
    assert encoded.startswith("$argon2id$v=19$m=128,")
    assert city.log_in().person_id == person


def test_a_renewed_hash_never_overwrites_a_new_password(city):
    """A password that changed while an old hash was being renewed is kept."""
    person = city.person(NUMBER, SECRET)
    c, vault = city.database.connection(), city.people.vault
    before = c.one(Statement(sa.select(passwords.password_credentials))).sealed
    passwords.store(c, vault, person, city.hasher.hash("the new phrase"), now=city.clock.now)
    assert not passwords.replace_hash(c, vault, person, before, city.hasher.hash(SECRET))
    with pytest.raises(NotProven):
        city.log_in()
    assert city.log_in(password="the new phrase").person_id == person


def test_a_rotated_key_is_renewed_at_login(city):
    """A hash sealed with the older key is resealed with the current one at login."""
    old_key = b"1" * 32
    city.people = People(Vault.from_keys([("k1", old_key)]))
    person = city.person(NUMBER, SECRET)
    city.people = People(Vault.from_keys([("k2", b"2" * 32), ("k1", old_key)]))
    assert city.log_in().person_id == person
    sealed = city.database.connection().one(Statement(sa.select(passwords.password_credentials))).sealed
    assert not city.people.vault.is_stale(sealed)


def test_a_phone_stands_for_its_first_prover_only(city):
    """A shared phone logs in the person who verified it first; it never logs in the other."""
    first, second = city.person(NUMBER, SECRET, (PHONE,)), city.person(OTHER, "the other phrase", (PHONE,))
    c = city.database.connection()
    city.people.phone_verified(c, first, PHONE, now=city.clock.now)
    city.people.phone_verified(c, second, PHONE, now=city.clock.advance(hours=1))
    assert city.log_in("139 0000 0001").person_id == first
    with pytest.raises(NotProven):
        city.log_in("139 0000 0001", "the other phrase")
    assert city.log_in(OTHER, "the other phrase").person_id == second


def test_an_old_password_is_adopted_once(city):
    """The first login with an old name stores Argon2id and erases the old secret; both names then work."""
    person = city.person(NUMBER)
    city.old.logins.append(OldLogin(person, "zhangsf", SECRET))
    assert city.log_in("zhangsf").person_id == person
    assert city.hasher.computed == 1
    assert city.old.adopted == city.old.logins
    assert city.log_in("zhangsf").person_id == city.log_in(NUMBER).person_id == person
    assert ("person:password:adopt", "success", person) in city.records()


def test_a_shared_login_name_opens_only_an_unmistakable_account(city):
    """A login name in two systems: the password decides; if it fits both persons nobody is logged in."""
    one, two = city.person(NUMBER), city.person(OTHER)
    city.old.logins += [OldLogin(one, "zhang", SECRET), OldLogin(two, "zhang", SECRET)]
    with pytest.raises(NotProven):
        city.log_in("zhang")
    city.old.logins[1] = dataclasses.replace(city.old.logins[1], secret="another phrase 7")
    assert city.log_in("zhang").person_id == one


def test_an_old_password_never_opens_a_person_we_have_proven(city):
    """An account in a lax older system cannot open a person whom a counter has verified."""
    person = city.person(NUMBER)
    kind = EvidenceKind.COUNTER_COMPARISON
    evidence.record(city.database.connection(), person, kind, source="hall:519999", at=city.clock.now)
    city.old.logins.append(OldLogin(person, "zhangsf", SECRET))
    with pytest.raises(NotProven):
        city.log_in("zhangsf")
    assert city.old.adopted == []


def test_anothers_old_account_under_my_number_is_not_mine(city):
    """An old account named by one person's number but linked to another logs in neither."""
    city.person(NUMBER)
    city.old.logins.append(OldLogin(city.person(OTHER), NUMBER, SECRET))
    with pytest.raises(NotProven):
        city.log_in(NUMBER)


@pytest.mark.race
def test_two_tabs_adopting_one_account_both_get_in(city):
    """A double click on the first login adopts once, and both requests log in."""
    city.old.logins.append(OldLogin(city.person(NUMBER), "zhangsf", SECRET))
    authentication, start, outcomes = city.authentication(), threading.Barrier(2), []

    def tab():
        mine = Database(city.database.url.render_as_string(hide_password=False))
        start.wait()
        try:
            outcomes.append(
                authentication.authenticate(
                    mine, "zhangsf", SECRET, source=SOURCE, channel="web", now=city.clock.now
                ).person_id
            )
        except Busy:
            outcomes.append("busy")
        finally:
            mine.close()

    tabs = [threading.Thread(target=tab) for _ in range(2)]
    for each in tabs:
        each.start()
    for each in tabs:
        each.join()
    assert len(outcomes) == 2
    assert set(outcomes) - {"busy"} == {city.old.logins[0].person_id}


def test_what_was_typed_is_in_no_record_and_no_error(city):
    """People type passwords into the wrong field, so neither field is stored anywhere."""
    with pytest.raises(NotProven) as caught:
        city.log_in("my secret as a name", "my secret")
    assert "secret" not in repr(caught.value)
    assert "secret" not in repr(city.database.connection().rows(Statement(sa.select(audit.audit_events))))


def test_opening_an_account_is_all_or_nothing(city):
    """Registration stores person, evidence, password and record together; a second one for the number is a Conflict."""
    registration = Registration(city.people, city.hasher, PasswordPolicy())
    new = NewPerson("张三丰", (CitizenId.parse(NUMBER),))
    proofs = (Proof(EvidenceKind.COUNTER_COMPARISON, "hall:519999"),)

    def open_account(password):
        return registration.open_account(
            city.database, new, password, proofs=proofs, channel="hall", now=city.clock.now
        )

    with pytest.raises(CredentialRefused):
        open_account("zhangsanfeng1")
    person = open_account(SECRET)
    held = evidence.of(city.database.connection(), person.id)
    assert evidence.identity_assurance(held, city.clock.now) == 3
    assert city.log_in().person_id == person.id
    with pytest.raises(Conflict):
        open_account(SECRET)
