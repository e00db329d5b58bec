"""A phone is verified by a source, shared by few people, and its end removes the evidence that rested on it."""

import pytest

from accounts import audit, evidence, phones
from accounts.credentials.password import PasswordHasher
from accounts.credentials.password_rules.policy import PasswordPolicy
from accounts.evidence import EvidenceKind
from accounts.identifiers import CitizenId, Mobile
from accounts.people import MOST_HOLDERS, NewPerson, People
from accounts.registration import Proof, Registration
from tests.fixtures.site import citizen_number

PHONE, OTHER = Mobile.parse("13900000001"), Mobile.parse("13900000002")


@pytest.fixture
def people(vault):
    return People(vault)


@pytest.fixture
def somebody(database, people, clock):
    """Makes a person by serial number, without a phone."""

    def make(serial=1):
        with database.transaction() as c:
            new = NewPerson("张三丰", (CitizenId.parse(citizen_number(serial)),))
            return people.register(c, new, now=clock.now).id

    return make


@pytest.fixture
def verify(database, people, clock):
    def made(person_id, phone=PHONE):
        with database.transaction() as c:
            phones.verify(
                c, people, person_id, phone, source="counter", now=clock.advance(seconds=1), actor="operator:li"
            )

    return made


def level(database, clock, person_id):
    return evidence.identity_assurance(evidence.of(database.connection(), person_id), clock.now)


def test_a_verified_phone_has_evidence_with_source_and_time(database, people, clock, somebody, verify):
    """It is the person's first and so primary phone, finds them, and the record names who verified it."""
    person = somebody()
    verify(person)
    c = database.connection()
    (phone,), (check,) = people.phones(c, person), evidence.of(c, person)
    assert (phone.canonical, phone.is_primary, phone.verified_at) == (PHONE.canonical, True, clock.now)
    assert (check.kind, check.source, check.at) == (EvidenceKind.PHONE, "counter", clock.now)
    assert people.find_by_phone(c, PHONE) == (person,)
    newest = audit.recent(c, person, 1)[0]
    assert newest.event.name == "person:phone:verify"
    verify(person, OTHER)
    assert [each.is_primary for each in people.phones(c, person)] == [True, False]


def test_an_account_opened_with_a_check_by_phone_has_that_phone_verified(database, people, clock):
    """An account opened with proof of a phone can log in with that phone, one without proof cannot."""
    registration = Registration(people, PasswordHasher(memory_kib=8, passes=1), PasswordPolicy())
    for serial, proof, found in ((1, EvidenceKind.PHONE, 1), (2, EvidenceKind.TWO_ELEMENTS, 0)):
        phone = Mobile.parse(f"1390000001{serial}")
        new = NewPerson("张三丰", (CitizenId.parse(citizen_number(serial)),), (phone,))
        proofs = (Proof(proof, "test"),)
        registration.open_account(database, new, "lvshu chuangwai 9", proofs=proofs, channel="hall", now=clock.now)
        assert len(people.find_by_phone(database.connection(), phone)) == found


def test_few_persons_share_a_phone(database, people, somebody, verify):
    """A family may share a phone; a shop that verifies its own phone for everybody is refused."""
    family = [somebody(serial) for serial in range(1, MOST_HOLDERS + 1)]
    for person in family:
        verify(person)
    verify(family[0])
    stranger = somebody(MOST_HOLDERS + 1)
    with pytest.raises(phones.PhoneHeldByMany):
        verify(stranger)
    assert people.find_by_phone(database.connection(), PHONE) == tuple(family)
    assert people.phones(database.connection(), stranger) == ()


def test_the_last_phone_that_ends_takes_its_evidence_along(database, people, clock, somebody, verify):
    """IAL1 rested on holding a phone: another verified phone still supports it; other people's are unaffected."""
    person, wife = somebody(1), somebody(2)
    verify(person)
    verify(person, OTHER)
    verify(wife)
    for phone, remains in ((PHONE, 1), (OTHER, 0)):
        with database.transaction() as c:
            assert phones.end(c, people, person, phone, now=clock.now, actor="operator:li")
        assert level(database, clock, person) == remains
    assert (level(database, clock, wife), people.find_by_phone(database.connection(), PHONE)) == (1, (wife,))
    with database.transaction() as c:
        assert not phones.end(c, people, person, PHONE, now=clock.now, actor="operator:li")
