"""Nobody can lock anybody out: homes, halls, schools, mobile carriers and attackers everywhere, by the real door.

In each of them a person's right password gets in from a browser where they signed in before.
"""

from contextlib import suppress
from dataclasses import dataclass, replace

import pytest

from accounts.authentication import PasswordAuthentication
from accounts.credentials import password as passwords
from accounts.credentials.known_browsers import KNOWN_FOR, MOST_PERSONS, AccountState, KnownBrowsers
from accounts.credentials.password import PasswordHasher
from accounts.credentials.throttle import Throttle
from accounts.errors import NotProven, Throttled
from accounts.identifiers import CitizenId
from accounts.merging.linking import Linking
from accounts.people import NewPerson, People
from tests.fixtures.site import citizen_number

RIGHT, WRONG = "lvshu chuangwai 9", "no password of anybody"
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.200"


@dataclass
class Device:
    """A browser with its cookie."""

    site: "LoginService"
    cookie: str = ""

    def log_in(self, person, source, password=RIGHT):
        """Signed in, and the cookie is what the answer said. Raises NotProven and Throttled."""
        proven = self.site.log_in(person, source, password, self.cookie)
        self.cookie = proven.known_browsers
        return proven

    def gets_in(self, person, source):
        """Whether the right password opens the account."""
        try:
            return self.log_in(person, source).person_id == person.id
        except Throttled:
            return False


@dataclass
class Person:
    id: str
    number: str


class LoginService:
    """People behind one real door."""

    def __init__(self, database, vault, clock):
        self.database, self.vault, self.clock = database, vault, clock
        self.people, self.hasher = People(vault), PasswordHasher(memory_kib=8, passes=1)
        self.door = PasswordAuthentication(self.people, self.hasher, Throttle(), Linking(vault))
        self.encoded = self.hasher.hash(RIGHT)

    def register_person(self, serial=1):
        number, now = citizen_number(serial), self.clock.now
        with self.database.transaction() as c:
            made = self.people.register(c, NewPerson("张三丰", (CitizenId.parse(number),)), now=now)
            passwords.store(c, self.vault, made.id, self.encoded, now=now)
        return Person(made.id, number)

    def log_in(self, person, source, password, cookie=""):
        return self.door.authenticate(
            self.database,
            person.number,
            password,
            source=source,
            channel="web",
            now=self.clock.now,
            known_browsers=cookie,
        )

    def guess(self, person, source, cookie="", times=1):
        """How many of so many wrong guesses were tried."""
        tried = 0
        for _ in range(times):
            with suppress(Throttled):
                try:
                    self.log_in(person, source, WRONG, cookie)
                except NotProven:
                    tried += 1
        return tried

    def invent(self, source, count):
        """Guesses at so many names that nobody has."""
        for i in range(count):
            self.guess(Person("", f"invented-{i}"), source)


@pytest.fixture
def site(database, vault, clock):
    return LoginService(database, vault, clock)


@pytest.fixture
def person(site):
    return site.register_person()


@pytest.fixture
def device(site, person):
    """The person's own browser, where they signed in once, at home."""
    made = Device(site)
    made.log_in(person, HOME)
    return made


def test_at_home_a_neighbour_behind_the_same_address_locks_nobody_out(site, person, device):
    """Every counter of the address and of the person there is full; the browser has its own."""
    for _ in range(3):
        site.guess(person, HOME, times=10)
        site.invent(HOME, 110)
        assert not Device(site).gets_in(person, HOME)
        assert device.gets_in(person, HOME)
        site.clock.advance(minutes=15)


def test_in_a_hall_or_school_everybody_who_signed_in_before_gets_in(site):
    """Forty people behind one address, while a stranger guesses at all of them and at invented names."""
    people = [site.register_person(serial) for serial in range(1, 41)]
    devices = [Device(site) for _ in people]
    for person, device in zip(people, devices, strict=True):
        device.log_in(person, HOME)
    site.invent(HOME, 110)
    for person in people:
        site.guess(person, HOME, times=6)
    for person, device in zip(people, devices, strict=True):
        assert site.guess(person, HOME, device.cookie, times=2) == 2  # they mistype, too
        assert device.gets_in(person, HOME)


def test_behind_a_mobile_carrier_a_phone_gets_in_whoever_shares_its_address(site, person, device):
    """The carrier's addresses change with every hour, and attackers sit behind each of them."""
    for hour in range(5):
        address = f"100.64.0.{hour}"
        site.guess(person, address, times=8)
        site.invent(address, 110)
        assert device.gets_in(person, address)
        site.clock.advance(hours=1)


@pytest.mark.parametrize("network", ["203.0.{}.{}", "2001:db8:{:x}:{:x}::1"])
def test_an_attacker_everywhere_locks_no_known_browser_out(site, person, device, network):
    """A hundred networks an hour, all day: the browser gets in from home and from where it never was."""
    for hour in range(4):
        for i in range(100):
            site.guess(person, network.format(hour, i))
        assert device.gets_in(person, HOME)
        assert device.gets_in(person, ELSEWHERE)
        site.clock.advance(hours=1)


def test_a_new_browser_gets_in_while_a_few_networks_guess(site, person):
    """Who bought a new telephone is not locked out by an attacker with five networks, once they are new no more."""
    for network in range(5):
        site.guess(person, f"203.0.113.{network}", times=10)
    site.clock.advance(minutes=16)
    for hour in range(12):
        for network in range(5):
            site.guess(person, f"203.0.113.{network}", times=4)
        assert Device(site).gets_in(person, f"198.51.100.{hour}")
        site.clock.advance(minutes=61)


def test_a_new_browser_at_home_gets_in_while_everybody_guesses(site, person, device):
    """A network where the person signed in lately is not the strangers': only guesses from there can stop it."""
    for i in range(60):
        site.guess(person, f"203.0.113.{i}")
    assert not Device(site).gets_in(person, ELSEWHERE)
    assert Device(site).gets_in(person, HOME)


def test_nobody_waits_longer_than_a_quarter_of_an_hour(site, person, device):
    """What is refused says when to come back, and then the way is open where nobody guesses on."""
    site.guess(person, ELSEWHERE, times=30)
    with pytest.raises(Throttled) as caught:
        Device(site).log_in(person, ELSEWHERE)
    assert caught.value.retry_after.total_seconds() <= 15 * 60
    site.clock.now += caught.value.retry_after
    assert Device(site).gets_in(person, ELSEWHERE)


# what a cookie is worth ----------------------------------------------------------------------------------------------
def test_a_stolen_cookie_gives_its_own_counter_and_takes_none(site, person, device):
    """A thief gets ten guesses a window beside a stranger's six; the owner gets in before and after a login."""
    stolen = device.cookie
    assert site.guess(person, ELSEWHERE, stolen, times=30) == 10 + 6
    assert device.gets_in(person, HOME)
    assert device.cookie != stolen
    assert device.gets_in(person, ELSEWHERE)


def test_a_cookie_is_worth_nothing_for_another_person(site, device):
    """It is known only together with the person it was given to."""
    other = site.register_person(2)
    assert site.guess(other, ELSEWHERE, device.cookie, times=20) == 6


@pytest.mark.parametrize(
    "forge",
    [
        lambda cookie: cookie[:-9] + ("A" if cookie[-9] != "A" else "B") + cookie[-8:],
        lambda cookie: "A" + cookie[1:] if cookie[0] != "A" else "B" + cookie[1:],
        lambda cookie: cookie[:-8],
        lambda cookie: cookie + "AAAA",
        lambda _: "A" * 100,
        lambda _: "",
        lambda cookie: "x." * 50 + cookie,
        lambda cookie: cookie.lower(),
        lambda cookie: "\u00e9" + cookie,
    ],
)
def test_a_forged_cookie_is_a_strangers(site, person, device, forge):
    """Whatever is sent in its place is counted as if nothing was sent, and nothing but tokens is sent back."""
    forged = forge(device.cookie)
    assert site.guess(person, ELSEWHERE, forged, times=20) == 6
    site.clock.advance(minutes=16)
    kept = site.log_in(person, HOME, RIGHT, forged).known_browsers
    assert set(kept) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_a_cookie_ends_with_the_password(site, person, device):
    """Who changes a password because somebody knows it shakes off that somebody's browser, too."""
    with site.database.transaction() as c:
        passwords.store(c, site.vault, person.id, site.encoded, now=site.clock.advance(minutes=1))
    assert site.guess(person, ELSEWHERE, device.cookie, times=20) == 6


def test_a_cookie_ends_when_the_person_is_disabled(site, person, device):
    """For good: enabling the account does not bring it back."""
    for status, left in (("disabled", 6), ("active", 2)):
        with site.database.transaction() as c:
            site.people.change_status(c, person.id, status, now=site.clock.advance(minutes=16))
        assert site.guess(person, ELSEWHERE, device.cookie, times=20) == left


def test_a_cookie_outlives_new_parameters_of_the_hash(site, person, device):
    """The same password hashed anew is the same password."""
    site.hasher = PasswordHasher(memory_kib=16, passes=1)
    site.door = PasswordAuthentication(site.people, site.hasher, Throttle(), Linking(site.vault))
    device.log_in(person, HOME)
    assert site.guess(person, ELSEWHERE, device.cookie, times=30) == 10 + 6


def test_a_known_browser_costs_no_statement_more(site, person, device):
    """What a login asks of the database is as much with the cookie as without."""
    counted = []
    site.database.count = lambda: counted.append(1)
    Device(site).log_in(person, HOME)
    without = len(counted)
    counted.clear()
    device.log_in(person, HOME)
    assert len(counted) == without


# the cookie itself ---------------------------------------------------------------------------------------------------
@pytest.fixture
def browsers(vault):
    return KnownBrowsers(vault)


def test_a_familys_browser_knows_all_of_them(browsers, clock):
    """Several people sign in at one browser; the sixth takes the place of who was there longest ago."""
    cookie, family = "", [AccountState(f"p{i}", clock.now, clock.now) for i in range(MOST_PERSONS + 1)]
    for standing in family:
        cookie = browsers.remember(cookie, standing, clock.now)
    known = [browsers.known_as(cookie, standing, clock.now) is not None for standing in family]
    assert known == [False, *[True] * MOST_PERSONS]
    assert len(cookie) < 800
    assert len({browsers.known_as(cookie, standing, clock.now) for standing in family[1:]}) == MOST_PERSONS


def test_it_changes_with_every_login_and_keeps_one_token_a_person(browsers, clock):
    """The earlier token is not carried on, and its counter is left behind with it."""
    standing = AccountState("p", clock.now, clock.now)
    first = browsers.remember("", standing, clock.now)
    second = browsers.remember(first, standing, clock.now)
    assert "." not in second
    assert browsers.known_as(first, standing, clock.now) != browsers.known_as(second, standing, clock.now)


def test_it_is_forgotten_in_time(browsers, clock):
    """A browser that nobody used for longer is a stranger's."""
    standing = AccountState("p", clock.now, clock.now)
    cookie = browsers.remember("", standing, clock.now)
    assert browsers.known_as(cookie, standing, clock.now + KNOWN_FOR * 0.99)
    assert browsers.known_as(cookie, standing, clock.now + KNOWN_FOR) is None


def test_it_names_nobody(browsers, clock):
    """Two tokens of one person have nothing in common, and hold neither the person's id nor a digest of it alone."""
    standing = AccountState("p" * 32, clock.now, clock.now)
    one, two = (browsers.remember("", standing, clock.now) for _ in range(2))
    assert standing.subject not in one
    assert browsers.known_as(one, replace(standing, subject="q" * 32), clock.now) is None
    assert not {one[i : i + 12] for i in range(20)} & {two[i : i + 12] for i in range(20)}
