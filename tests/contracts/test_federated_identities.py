"""Bound accounts of platforms on both databases: whom they open, what is learned, and what an attacker gains."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from accounts import audit, evidence
from accounts.credentials import password as passwords
from accounts.credentials.external import federated_journeys as journeys
from accounts.credentials.external.federated_identities import MOST, FederatedIdentities, Place
from accounts.credentials.external.federated_identity_store import federated_identifiers, federated_identities
from accounts.credentials.external.federated_journeys import Destination
from accounts.credentials.passkeys.challenges import ChallengeOver, Purpose, spent_challenges
from accounts.database import Statement
from accounts.errors import CredentialRefused, NotProven
from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind, parse
from accounts.people import NewPerson, People
from accounts.ports import PlatformAccount
from accounts.vault import Vault
from tests.fixtures.city import number

BROWSER, OTHER_BROWSER = "b" * 43, "c" * 43
PLACE = Place("web", "192.0.2.1")
OPENID, UNIONID = ("wechat:openid:wx1", "o-1"), ("wechat:unionid", "u-1")
USER_ID, OPEN_ID = ("alipay:user_id", "2088000000000001"), ("alipay:open_id:2021", "a-1")


class House:
    """Bound accounts on one database, with one person who is proven and has a password."""

    def __init__(self, database, vault, clock):
        self.database, self.vault, self.clock = database, vault, clock
        self.identities = FederatedIdentities(vault)
        self.person = self.register()

    def register(self, serial=1, *, password=True, proven=True):
        new = NewPerson("欧阳娜娜", (parse(IdentifierKind.CITIZEN_ID, number("19900101", serial)),))
        with self.database.transaction() as c:
            person = People(self.vault).register(c, new, now=self.clock())
            if password:
                passwords.store(c, self.vault, person.id, "$argon2id$", now=self.clock())
            if proven:
                evidence.record(c, person.id, EvidenceKind.COUNTER_COMPARISON, source="test", at=self.clock())
        return person.id

    def bind(self, *identifiers, person=None, provider="wechat"):
        with self.database.transaction() as c:
            account = PlatformAccount(identifiers)
            return self.identities.bind(c, person or self.person, provider, account, channel="web", now=self.clock())

    def log_in(self, *identifiers, provider="wechat"):
        """The transaction commits whatever happens, as that of a page does."""
        refused = None
        with self.database.transaction() as c:
            try:
                account = PlatformAccount(identifiers)
                proof, record = self.identities.authenticate(c, provider, account, PLACE, self.clock())
                audit.record(c, record)
            except NotProven as error:
                refused = error
        if refused is not None:
            raise refused
        return proof

    def events(self):
        found = audit.recent(self.database.connection(), self.person, 100)
        return [(each.event.name, each.outcome) for each in reversed(found)]

    def rows(self, table):
        return self.database.connection().rows(Statement(sa.select(table)))


@pytest.fixture
def house(database, vault, clock):
    return House(database, vault, clock)


def test_a_bound_account_opens_its_person(house):
    """The login has one method that is no factor, and is on record."""
    house.bind(OPENID)
    house.clock.advance(seconds=1)
    proof = house.log_in(OPENID)
    assert (proof.person_id, proof.methods, proof.at) == (house.person, ("fed",), house.clock())
    assert ("person:credential:add", "success") in house.events()
    assert house.events()[-1] == ("person:authentication:wechat", "success")
    (held,) = house.identities.of_person(house.database.connection(), house.person)
    assert (held.provider, held.last_used_at) == ("wechat", house.clock())


@pytest.mark.parametrize(
    "other", [("wechat:openid:wx2", "o-1"), ("wechat:openid:wx1", "O-1"), ("alipay:user_id", "o-1")]
)
def test_an_identifier_is_of_its_kind_and_exact(house, other):
    """The same text at another app or platform, or in another case, is another account."""
    house.bind(OPENID)
    with pytest.raises(NotProven):
        house.log_in(other)


def test_a_unionid_that_appears_later_is_learned(house):
    """Afterwards another app of ours with another `openid` finds the person."""
    house.bind(OPENID)
    house.log_in(UNIONID, OPENID)
    assert house.log_in(UNIONID, ("wechat:openid:wx2", "o-2")).person_id == house.person
    assert house.log_in(("wechat:openid:wx2", "o-2")).person_id == house.person


def test_alipay_moves_on_without_its_person(house):
    """A binding with a `user_id` is found by the `open_id` alone once a login has told both."""
    house.bind(USER_ID, provider="alipay")
    with pytest.raises(NotProven):
        house.log_in(OPEN_ID, provider="alipay")
    house.log_in(OPEN_ID, USER_ID, provider="alipay")
    assert house.log_in(OPEN_ID, provider="alipay").person_id == house.person


def test_two_bindings_of_one_login_open_nothing(house):
    """If two identifiers lead to two persons, nobody can say which is right."""
    house.bind(USER_ID, provider="alipay")
    house.bind(OPEN_ID, provider="alipay", person=house.register(2))
    with pytest.raises(NotProven):
        house.log_in(OPEN_ID, USER_ID, provider="alipay")


def test_no_identifier_finds_nobody(house):
    """An account that is told by nothing is nobody's."""
    house.bind(OPENID)
    with pytest.raises(NotProven):
        house.log_in()


@pytest.mark.parametrize("own", [True, False])
def test_a_bound_account_is_bound_once(house, own):
    """Neither its person nor anybody else binds it again, also by another of its identifiers."""
    house.bind(UNIONID, OPENID)
    person = house.person if own else house.register(2)
    for again in ((UNIONID,), (OPENID,), (UNIONID, ("wechat:openid:wx2", "o-2"))):
        with pytest.raises(CredentialRefused, match="known_account"):
            house.bind(*again, person=person)
    assert len(house.rows(federated_identities)) == 1


def test_sixty_four_bind_one_account_once(house):
    """Of many who bind one account at once, one person has it, and no half of another binding stays."""
    people = [house.register(serial) for serial in range(2, 18)]
    barrier = threading.Barrier(len(people))

    def bind(person):
        barrier.wait()
        try:
            return house.bind(UNIONID, OPENID, person=person)
        except CredentialRefused:
            return None
        finally:
            house.database.release()

    with ThreadPoolExecutor(len(people)) as pool:
        made = [each for each in pool.map(bind, people) if each]
    assert len(made) == 1
    assert [row.id for row in house.rows(federated_identities)] == made
    assert {row.identity_id for row in house.rows(federated_identifiers)} == {*made}


@pytest.mark.parametrize(
    ("given", "refused"), [({"proven": False}, "unproven_account"), ({"password": False}, "only_way")]
)
def test_who_may_bind(house, given, refused):
    """A person is proven by a check of ours, and has a password beside it."""
    with pytest.raises(CredentialRefused, match=refused):
        house.bind(OPENID, person=house.register(2, **given))


def test_evidence_of_an_older_system_is_no_proof(house):
    """Whoever opened an account there under another person's number binds nothing that would outlive it."""
    person = house.register(2, proven=False)
    with house.database.transaction() as c:
        evidence.record(c, person, EvidenceKind.COUNTER_COMPARISON, source="legacy:library", at=house.clock())
    with pytest.raises(CredentialRefused, match="unproven_account"):
        house.bind(OPENID, person=person)


def test_a_person_binds_a_few(house):
    """The next after MOST is refused."""
    for at in range(MOST):
        house.bind(("wechat:openid:wx1", f"o-{at}"))
    with pytest.raises(CredentialRefused, match="too_many_bindings"):
        house.bind(("wechat:openid:wx1", "o-more"))


def test_a_removed_account_opens_nothing_and_may_be_bound_again(house):
    """Another person may bind it: telephones and accounts are given away."""
    binding = house.bind(UNIONID, OPENID)
    with house.database.transaction() as c:
        other = house.register(2)
        assert not house.identities.remove(c, other, binding, channel="web", now=house.clock())
        assert house.identities.remove(c, house.person, binding, channel="web", now=house.clock())
    with pytest.raises(NotProven):
        house.log_in(UNIONID, OPENID)
    house.bind(OPENID, person=other)
    assert house.log_in(OPENID).person_id == other


def test_a_login_survives_a_rotation_of_keys(database, clock):
    """Rows under an older key are found, and what is learned goes under the new one."""
    old, new = ("k1", secrets.token_bytes(32)), ("k2", secrets.token_bytes(32))
    before = House(database, Vault.from_keys([old]), clock)
    before.bind(OPENID)
    after = House.__new__(House)
    after.database, after.clock, after.vault = database, clock, Vault.from_keys([new, old])
    after.identities = FederatedIdentities(after.vault)
    assert after.log_in(UNIONID, OPENID).person_id == before.person
    assert after.log_in(UNIONID).person_id == before.person


@pytest.mark.parametrize(("told", "statements"), [((OPENID,), 3), ((UNIONID, OPENID), 3)])
def test_a_login_costs_three_statements(house, told, statements):
    """One finds, one notes the use, one spends the journey; the record goes with the session."""
    house.bind(UNIONID, OPENID)
    departure = journeys.begin(house.vault, Destination(Purpose.FEDERATED_LOGIN, "wechat"), BROWSER, house.clock())
    arrival = journeys.read(house.vault, departure.cookie, departure.state, BROWSER, house.clock())
    counted = []
    with house.database.transaction() as c:
        house.database.count = lambda: counted.append(1)
        journeys.end(c, arrival)
        house.identities.authenticate(c, "wechat", PlatformAccount(told), PLACE, house.clock())
        house.database.count = lambda: None
    assert len(counted) == statements


def test_a_journey_ends_once(house):
    """Of sixteen callbacks of one journey one goes on."""
    departure = journeys.begin(house.vault, Destination(Purpose.FEDERATED_LOGIN, "wechat"), BROWSER, house.clock())
    arrival = journeys.read(house.vault, departure.cookie, departure.state, BROWSER, house.clock())
    assert house.rows(spent_challenges) == []

    def end(_):
        try:
            with house.database.transaction() as c:
                journeys.end(c, arrival)
        except ChallengeOver:
            return False
        finally:
            house.database.release()
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(end, range(16))) == 1


def test_a_journey_belongs_to_its_browser_and_destination(house):
    """Cookie and state of another browser or journey, a changed destination, and a late return are refused."""
    vault, now = house.vault, house.clock()
    own = journeys.begin(vault, Destination(Purpose.FEDERATED_LOGIN, "wechat", after="/account"), BROWSER, now)
    other = journeys.begin(vault, Destination(Purpose.FEDERATED_BINDING, "wechat", about="s" * 32), BROWSER, now)
    assert journeys.read(vault, own.cookie, own.state, BROWSER, now).destination.after == "/account"
    challenge, _, where = own.cookie.partition(".")
    wrong = [
        (own.cookie, own.state, OTHER_BROWSER, now),
        (own.cookie, other.state, BROWSER, now),
        (f"{challenge}.{other.cookie.partition('.')[2]}", own.state, BROWSER, now),
        (f"{challenge}.{where[:-1]}", own.state, BROWSER, now),
        (challenge, own.state, BROWSER, now),
        ("", "", BROWSER, now),
        ("é", "é", BROWSER, now),
        (own.cookie, own.state, BROWSER, now + journeys.VALID_FOR),
    ]
    for cookie, state, browser, at in wrong:
        with pytest.raises(ChallengeOver):
            journeys.read(vault, cookie, state, browser, at)


def test_the_state_is_one_that_wechat_takes(house):
    """Letters and digits, at most 128, also for a long destination."""
    where = Destination(Purpose.FEDERATED_LOGIN, "alipay", after="/account?" + "x" * 490)
    departure = journeys.begin(house.vault, where, BROWSER, house.clock())
    assert departure.state.isalnum()
    assert len(departure.state) <= 128
    assert len(departure.cookie) < 1500
