import threading

import pytest
import sqlalchemy as sa

from accounts.database import Database, Statement
from accounts.errors import Conflict
from accounts.identifiers import CitizenId, IdentifierKind, Mobile, parse
from accounts.organisations import LegalPersonAttributes, NewLegalPerson
from accounts.people import NewPerson, People, natural_persons, person_identifiers
from accounts.vault import Vault
from accounts.vault.resealing import Position, reseal

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def citizen(serial):
    body = f"51999918900307{serial:03d}"
    return CitizenId.parse(body + "10X98765432"[sum(int(d) * w for d, w in zip(body, WEIGHTS, strict=True)) % 11])


PHONE = Mobile.parse("13900000001")


@pytest.fixture
def people(vault):
    return People(vault)


def register(people, database, clock, *identifiers, phones=()):
    with database.transaction() as c:
        return people.register(c, NewPerson("张三丰", identifiers, phones), now=clock.now)


def test_a_registered_person_is_found_and_read(database, people, clock):
    """A person is found by number, and name and number are returned as they were given."""
    person = register(people, database, clock, citizen(1), phones=(PHONE,))
    c = database.connection()
    assert people.find(c, citizen(1)) == person.id
    assert people.by_id(c, person.id) == person
    assert people.attributes(person.attributes).name == "张三丰"
    assert [i.canonical for i in people.identifiers(c, person.id)] == [citizen(1).canonical]
    assert [p.canonical for p in people.phones(c, person.id)] == [PHONE.canonical]


def test_an_unknown_number_finds_nobody(database, people):
    """An unknown number returns None."""
    c = database.connection()
    assert people.find(c, citizen(9)) is None
    assert people.by_id(c, "nobody") is None


def test_nothing_readable_is_stored(database, people, clock):
    """Number, name and phone are unreadable in the tables."""
    register(people, database, clock, citizen(1), phones=(PHONE,))
    rows = database.connection().rows(Statement(sa.select(natural_persons, person_identifiers)))
    assert citizen(1).canonical not in repr(rows)
    assert "张三丰".encode() not in b"".join(v for row in rows for v in row if isinstance(v, bytes))


def test_a_number_is_one_persons(database, people, clock):
    """A second registration of an active number is a Conflict and writes nothing."""
    register(people, database, clock, citizen(1))
    with pytest.raises(Conflict):
        register(people, database, clock, citizen(2), citizen(1))
    assert people.find(database.connection(), citizen(2)) is None
    assert len(database.connection().rows(Statement(sa.select(natural_persons)))) == 1


def test_registering_needs_a_transaction(database, people, clock):
    """Outside a transaction registration is refused, so that no half person remains."""
    with pytest.raises(RuntimeError, match="transaction"):
        people.register(database.connection(), NewPerson("x", (citizen(1),)), now=clock.now)


@pytest.mark.race
def test_two_who_register_one_number_at_once_make_one_person(database, people, clock):
    """Of six concurrent registrations of one number one creates the person and five raise Conflict."""
    start, outcomes = threading.Barrier(6), []

    def racer():
        mine = Database(database.url.render_as_string(hide_password=False))
        mine.connection()
        start.wait()
        try:
            outcomes.append(register(people, mine, clock, citizen(1)).id)
        except Conflict as conflict:
            outcomes.append(conflict)
        finally:
            mine.close()

    threads = [threading.Thread(target=racer) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [o for o in outcomes if isinstance(o, str)]
    assert len(outcomes) == 6
    assert winners == [people.find(database.connection(), citizen(1))]


def test_only_a_proven_phone_finds_its_holders(database, people, clock):
    """An unverified phone finds nobody; a shared verified one finds its holders, earliest proof first."""
    first = register(people, database, clock, citizen(1), phones=(PHONE,))
    second = register(people, database, clock, citizen(2), phones=(PHONE,))
    c = database.connection()
    assert people.find_by_phone(c, PHONE) == ()
    assert people.phone_verified(c, second.id, PHONE, now=clock.now)
    assert people.phone_verified(c, first.id, PHONE, now=clock.advance(hours=1))
    assert people.find_by_phone(c, PHONE) == (second.id, first.id)
    people.change_status(c, second.id, "disabled", now=clock.now)
    assert people.find_by_phone(c, PHONE) == (first.id,)


def test_an_unknown_status_is_refused(database, people, clock):
    """The table allows only its known states."""
    person = register(people, database, clock, citizen(1))
    with pytest.raises(Conflict):
        people.change_status(database.connection(), person.id, "asleep", now=clock.now)


@pytest.mark.parametrize("profile", ["international", "gm"])
def test_keys_rotate_under_living_people(database, clock, profile):
    """Before, during and after resealing a person is found; afterwards the old key is not needed."""
    old = People(Vault.from_keys([("k1", b"1" * 32)]))
    ids = [register(old, database, clock, citizen(i), phones=(PHONE,)).id for i in range(7)]
    both = People(Vault.from_keys([("k2", b"2" * 32), ("k1", b"1" * 32)], profile=profile))
    c = database.connection()
    assert [both.find(c, citizen(i)) for i in range(7)] == ids
    with pytest.raises(Conflict):
        register(both, database, clock, citizen(3))
    rewritten, after = 0, Position()
    while after is not None:
        done = reseal(c, both.vault, 3, after=after)
        rewritten, after = rewritten + done.rewritten, done.after
        assert both.find(c, citizen(6)) == ids[6]
    new = People(Vault.from_keys([("k2", b"2" * 32)], profile=profile))
    assert rewritten == 21
    assert [new.find(c, citizen(i)) for i in range(7)] == ids
    assert new.attributes(new.by_id(c, ids[0]).attributes).name == "张三丰"
    assert {p.canonical for i in ids for p in new.phones(c, i)} == {PHONE.canonical}
    assert reseal(c, new.vault, 100).rewritten == 0


def test_a_legal_person_is_found_by_its_code(database, people, clock):
    """A company is registered once by its credit code, and read back."""
    code = _uscc()
    new = NewLegalPerson(LegalPersonAttributes("试验公司", "有限责任公司"), (code,))
    with database.transaction() as c:
        made = people.register_legal_person(c, new, now=clock.now)
    c = database.connection()
    assert people.find_legal_person(c, code) == made.id
    assert people.legal_person_by_id(c, made.id) == made
    assert people.legal_person_attributes(made.attributes).name == "试验公司"
    with pytest.raises(Conflict), database.transaction() as c:
        people.register_legal_person(c, new, now=clock.now)


def _uscc():
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    organisation = "00000001"
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    check = 11 - sum(int(d) * w for d, w in zip(organisation, weights, strict=True)) % 11
    body = "91510500" + organisation + ("X" if check == 10 else str(check % 11))
    total = sum(alphabet.index(d) * pow(3, i, 31) for i, d in enumerate(body))
    return parse(IdentifierKind.USCC, body + alphabet[(31 - total % 31) % 31])
