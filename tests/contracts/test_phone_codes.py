"""Codes to phones on both databases: statements, limits, retention, and that nothing tells whether a phone is known."""

import secrets
import statistics
import time
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from accounts import phones
from accounts.credentials.known_browsers import AccountState, KnownBrowsers
from accounts.credentials.one_time_codes import MOST_GUESSES, CodeBinding, one_time_codes
from accounts.credentials.sending_limits import SendingCeilings, SendingLimits, sending_counters
from accounts.database import Statement
from accounts.errors import SendingPaused
from accounts.identifiers import CitizenId, Mobile
from accounts.people import NewPerson, People
from idp.delivery.outbox import outbox
from idp.jobs import retention
from idp.login.phone_codes import LOGIN, Occasion, PhoneCodes, WrongCode
from tests.contracts.test_authentication_timing import without_collections
from tests.contracts.test_retention import GO_ON, count
from tests.fixtures.site import citizen_number

MINE, HUSBANDS = citizen_number(1), citizen_number(2)
PHONE, UNVERIFIED, UNKNOWN = (Mobile.parse(f"1390000000{i}") for i in (1, 2, 9))
ROUNDS, GAP = 61, 0.001  # seconds between the medians of two paths
MANY = SendingCeilings(*[10**6] * 6)


class House:
    """One person with a verified phone, and the codes of one process."""

    def __init__(self, database, vault, clock, *, budget=10**6, ceilings=None):
        self.database, self.clock = database, clock
        self.people = People(vault)
        self.codes = PhoneCodes(self.people, vault, SendingLimits(daily_budget=budget, ceilings=ceilings))
        self.mine = self.person(MINE, PHONE)
        with database.transaction() as c:
            self.people.add_phone(c, self.mine, UNVERIFIED, now=clock())

    def person(self, number, phone):
        with self.database.transaction() as c:
            new = NewPerson("欧阳娜娜", (CitizenId.parse(number),))
            person = self.people.register(c, new, now=self.clock())
            phones.verify(c, self.people, person.id, phone, source="counter", now=self.clock(), actor=None)
        return person.id

    def occasion(self, source="192.0.2.1", **changes):
        binding = CodeBinding(secrets.token_urlsafe(32), LOGIN, "")
        return replace(Occasion(binding, "公积金", "zh-CN", source), **changes)

    def ask(self, phone=PHONE, end=MINE[-4:], **changes):
        occasion = self.occasion(**changes)
        self.codes.send_for_login(self.database, occasion, phone, end, self.clock())
        return occasion

    def code(self, occasion, phone=PHONE, person=None):
        """An occasion whose code is known: the one in its row is replaced."""
        c = self.database.connection()
        self.codes.codes.renew(c, occasion.binding, "123456", now=self.clock.advance(minutes=2))

    def log_in(self, occasion, typed="123456"):
        with self.database.transaction() as c:
            try:
                return self.codes.log_in(c, occasion.binding, typed, occasion=occasion, channel="web", now=self.clock())
            except WrongCode as wrong:
                return wrong.guess

    def queued(self):
        return count(self.database, outbox)

    def counted(self, act):
        """The number of statements, without those that open and close transactions."""
        sent = []
        self.database.count = lambda: sent.append(1)
        act()
        self.database.count = lambda: None
        return len(sent)


@pytest.fixture
def house(database, vault, clock):
    return House(database, vault, clock)


def brackets(database, transactions):
    """BEGIN and COMMIT count on PostgreSQL."""
    return 2 * transactions if database.dialect == "postgresql" else 0


def test_the_code_step_takes_three_statements_at_most(house):
    """A right code: guess, holder, evidence. A wrong one: guess, and its record."""
    right, wrong = house.ask(), house.ask()
    house.code(right)
    around = brackets(house.database, 1)
    assert house.counted(lambda: house.log_in(wrong, "000000")) == 2 + around
    assert house.counted(lambda: house.log_in(right)) == 3 + around


ASKED = {
    "right": (PHONE, MINE[-4:]),
    "wrong end": (PHONE, "0000"),
    "unverified": (UNVERIFIED, MINE[-4:]),
    "unknown": (UNKNOWN, MINE[-4:]),
}


def test_no_statement_tells_whether_a_phone_is_known(house):
    """Asking for a code, asking again and guessing take the same statements for everybody."""
    sent = {name: set() for name in ("ask", "again", "guess")}
    for phone, end in ASKED.values():
        asked = []
        sent["ask"].add(house.counted(lambda p=phone, e=end, a=asked: a.append(house.ask(p, e))))
        sent["guess"].add(house.counted(lambda a=asked: house.log_in(a[0], "000000")))
        house.clock.advance(minutes=2)
        again = lambda a=asked: house.codes.send_again(house.database, a[0], house.clock())  # noqa: E731
        sent["again"].add(house.counted(again))
    around = brackets(house.database, 1)
    assert sent == {"ask": {4 + around}, "again": {4 + around}, "guess": {2 + around}}
    assert house.queued() == 2  # the right one and its repetition


@pytest.mark.alone
def test_no_time_tells_whether_a_phone_is_known(database, vault, clock):
    """The processor time of asking for a code has the same median for everybody."""
    house = House(database, vault, clock, ceilings=MANY)
    spent = {name: [] for name in ASKED}
    with without_collections():
        for _ in range(ROUNDS):
            for name, asked in ASKED.items():
                start = time.process_time()
                house.ask(*asked)
                spent[name].append(time.process_time() - start)
    medians = {name: statistics.median(each) for name, each in spent.items()}
    assert max(medians.values()) - min(medians.values()) < GAP, medians


def test_a_person_and_a_phone_get_so_many_codes_and_nobody_is_told(house):
    """The sixth code in the window and the eleventh of a day are not sent, and the answer is the same."""
    for _ in range(7):
        house.ask()
    assert house.queued() == 5
    for _ in range(3):
        house.clock.advance(minutes=46)
        for _ in range(5):
            house.ask()
    assert house.queued() == 10
    house.clock.advance(days=1)
    house.ask()
    assert house.queued() == 11


def test_the_codes_of_a_known_browser_are_its_own(house):
    """Somebody who knows the phone and the number uses up their own codes, not those of the person's browser."""
    for _ in range(6):
        house.ask(source="198.51.100.1")
    assert house.queued() == 5
    row = house.people.by_id(house.database.connection(), house.mine)
    browsers = KnownBrowsers(house.people.vault)
    cookie = browsers.remember("", AccountState(house.mine, None, row.updated_at), house.clock())
    occasion = house.ask(known_browsers=cookie)
    assert house.queued() == 6
    assert house.codes.send_again(house.database, occasion, house.clock.advance(minutes=2))
    assert house.queued() == 7


def test_a_network_is_refused_alike_for_the_known_and_the_unknown(database, vault, clock):
    """A network has a ceiling of its own; another network and a later hour are free."""
    house = House(database, vault, clock, ceilings=replace(MANY, source_hour=3))
    for phone in (PHONE, UNKNOWN, UNKNOWN):
        house.ask(phone)
    for phone in (PHONE, UNKNOWN):
        with pytest.raises(SendingPaused):
            house.ask(phone)
    house.ask(source="192.0.2.99")
    clock.advance(minutes=46)
    house.ask()
    assert house.queued() == 3


def test_the_citys_budget_stops_everybody_alike(database, vault, clock):
    """What was not sent does not count; when the budget is used up, known and unknown phones are refused alike."""
    house = House(database, vault, clock, budget=12, ceilings=MANY)
    for _ in range(3):
        house.ask(UNKNOWN)
    for _ in range(2):
        house.ask()
    for phone in (PHONE, UNKNOWN):
        with pytest.raises(SendingPaused):
            house.ask(phone)
    assert house.queued() == 2
    stopped = House.__new__(House)
    stopped.__dict__ |= house.__dict__
    stopped.codes = PhoneCodes(house.people, vault, SendingLimits(daily_budget=0))
    for phone in (PHONE, UNKNOWN):
        with pytest.raises(SendingPaused):
            stopped.ask(phone)


def test_two_persons_with_the_same_end_are_not_guessed_at(house):
    """A shared phone whose holders' numbers end alike sends nothing: order must not decide whose account opens."""
    twin = citizen_number(1)[:6] + "19900102" + citizen_number(1)[14:17]
    twin = next(f"{twin}{check}" for check in "0123456789X" if _is_number(f"{twin}{check}"))
    other = house.person(HUSBANDS, PHONE)
    before = house.queued()
    house.ask(end=HUSBANDS[-4:])
    assert (house.queued() - before, other != house.mine) == (1, True)
    house.people.add_identifier(house.database.connection(), other, CitizenId.parse(twin), now=house.clock())
    before = house.queued()
    house.ask(end=twin[-4:])
    assert house.queued() - before == (0 if twin[-4:] == MINE[-4:] else 1)


def _is_number(text):
    try:
        return bool(CitizenId.parse(text))
    except Exception:  # noqa: BLE001 - any other text is none
        return False


def test_a_code_has_three_guesses_however_they_arrive(house):
    """The row counts them; a renewed code has three of its own, and a spent one none."""
    occasion = house.ask()
    left = [house.log_in(occasion, "000000").left for _ in range(MOST_GUESSES)]
    assert left == [2, 1, 0]
    assert house.log_in(occasion).is_over
    house.code(occasion)
    assert house.log_in(occasion)[0].methods == ("sms",)
    assert house.log_in(occasion).is_over


def test_a_phone_that_moved_meanwhile_opens_nothing(house):
    """The person removed the phone after the code was sent: the right code is refused."""
    occasion = house.ask()
    house.code(occasion)
    with house.database.transaction() as c:
        phones.end(c, house.people, house.mine, PHONE, now=house.clock(), actor=None)
    assert house.log_in(occasion).is_over


def test_what_codes_leave_is_gone_within_the_hour(house):
    """Requests about nobody leave their codes and eight counters, and an hour later nothing."""
    house.ask(UNKNOWN)
    house.ask(UNKNOWN, end="1111")
    assert (count(house.database, one_time_codes), count(house.database, sending_counters)) == (2, 8)
    house.clock.advance(minutes=50)
    for each in retention.RETENTION_RULES:
        retention.purge(house.database, each, house.clock(), GO_ON)
    assert (count(house.database, one_time_codes), count(house.database, sending_counters)) == (0, 0)


def test_nobody_reads_a_code_or_a_phone_in_the_tables(house):
    """Phone and code are sealed or digested."""
    occasion = house.ask()
    house.code(occasion)
    c = house.database.connection()
    rows = [*c.rows(Statement(sa.select(one_time_codes))), *c.rows(Statement(sa.select(sending_counters)))]
    assert "123456" not in str(rows)
    assert PHONE.visible not in str(rows)
    assert c.rows(Statement(sa.select(one_time_codes)))[0].expires_at == house.clock() + timedelta(minutes=5)
