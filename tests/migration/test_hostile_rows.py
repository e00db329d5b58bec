"""Rows that an attacker wrote into a lax older system to become another person: none captures a verified person."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from accounts import evidence
from accounts.credentials import password as passwords
from accounts.credentials.password import PasswordHasher
from accounts.database import Statement
from accounts.errors import NotProven
from accounts.evidence import EvidenceKind
from accounts.identifiers import CitizenId, Mobile
from accounts.merging.linking import legacy_subs
from accounts.people import NewPerson, People, person_phones
from idp.oidc.models import subjects
from migration_tools.planning.matching import AUTO
from tests.migration.bench import MAPPING, number, row

VICTIMS, HOSTILES = number(101), number(202)
PHONE = "13900000001"
OWN, HOSTILE = "the victims own", "hostile-word"
WITH_PHONE = MAPPING.replace('birth = "birth"', 'birth = "birth"\nphone = "sex"').replace('sex = "sex"\n', "")


def proven(bench, person_id):
    """The counter has compared the person with the document."""
    at = bench.clock()
    with bench.database.transaction() as c:
        kind = EvidenceKind.COUNTER_COMPARISON
        evidence.record(c, person_id, kind, source="hall", at=at, expires_at=at + timedelta(days=365))


def chosen(bench, person_id, password):
    """The person has set a password of their own."""
    hasher = PasswordHasher(memory_kib=8, passes=1)
    with bench.database.transaction() as c:
        passwords.store(c, bench.vault, person_id, hasher.hash(password), now=bench.clock())


@pytest.fixture
def victim(bench):
    """李明, verified at a counter, with a password and a phone."""
    with bench.database.transaction() as c:
        new = NewPerson("李明", (CitizenId.parse(VICTIMS),), (Mobile.parse(PHONE),))
        person = People(bench.vault).register(c, new, now=bench.clock())
        People(bench.vault).phone_verified(c, person.id, Mobile.parse(PHONE), now=bench.clock())
    proven(bench, person.id)
    chosen(bench, person.id, OWN)
    return person.id


def opens(log_in, name, password):
    try:
        return log_in(name, password)
    except NotProven:
        return None


DIGIT = str((int(VICTIMS[16]) + 1) % 10)
WRONG_CHECK = VICTIMS[:17] + ("0" if VICTIMS[17] != "0" else "1")
ROWS = {  # what the attacker wrote, and its class
    "number and name": (row(1, "李明", VICTIMS, HOSTILE, login="guest"), AUTO),
    "number, another name": (row(1, "王芳", VICTIMS, HOSTILE, login="guest"), "name_conflict"),
    "number of 15 digits": (row(1, "李明", VICTIMS[:6] + VICTIMS[8:17], HOSTILE, login="guest"), AUTO),
    "a wrong check character": (row(1, "李明", WRONG_CHECK, HOSTILE, login="guest"), "bad_number:citizen_id_check"),
    "another birth date": (row(1, "李明", VICTIMS, HOSTILE, login="guest", birth="1960-01-01"), "contradiction:birth"),
    "another sex": (
        row(1, "李明", VICTIMS, HOSTILE, login="guest", sex="女" if int(VICTIMS[16]) % 2 else "男"),
        "contradiction:sex",
    ),
    "no number, the same name": (row(1, "李明", "", HOSTILE, login="guest"), "no_number"),
    "the number as login name": (row(1, "王芳", HOSTILES, HOSTILE, login=VICTIMS), AUTO),
    "the phone as login name": (row(1, "王芳", HOSTILES, HOSTILE, login=PHONE), AUTO),
    "the number as key": (row(VICTIMS, "李明", VICTIMS, HOSTILE, login="guest"), "personal_key"),
    "an administrator's name": (row(1, "系统管理员", HOSTILES, HOSTILE, login="admin"), "no_name"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_hostile_row_opens_nothing_of_a_verified_person(bench, log_in, victim, case):
    """Its password never opens the victim's account, and the victim's own password still does."""
    text, kind = ROWS[case]
    before = bench.rows(person_phones)
    plan = bench.plan(text)
    assert bench.kinds(plan) == [kind]
    bench.apply(plan)
    for name in ("guest", "admin", VICTIMS, PHONE):
        assert opens(log_in, name, HOSTILE) != victim
    assert opens(log_in, VICTIMS, OWN) == opens(log_in, PHONE, OWN) == victim
    assert bench.rows(person_phones) == before


def test_the_same_phone_makes_nobody_the_same(bench, log_in, victim):
    """Phones are shared and re-issued: under another number a phone neither links nor logs in."""
    line = row(1, "王芳", HOSTILES, HOSTILE, login="guest", sex=PHONE)
    plan = bench.plan(line, mapping=WITH_PHONE)
    (linked,) = plan.lines()
    assert (linked.kind, linked.is_new) == (AUTO, True)
    bench.apply(plan)
    assert opens(log_in, "guest", HOSTILE) == linked.person != victim
    assert opens(log_in, PHONE, HOSTILE) is None
    assert opens(log_in, PHONE, OWN) == victim


def test_the_same_login_name_opens_each_their_own(bench, log_in):
    """An attacker's account under a person's login name may take that name, never the person's account."""
    first = bench.plan(row(1, "李明", VICTIMS, OWN, login="liming"))
    bench.apply(first)
    mine = next(first.lines()).person
    assert log_in("liming", OWN) == mine
    second = bench.plan(row(1, "王芳", HOSTILES, HOSTILE, login="liming"), mapping=MAPPING.replace("forum", "library"))
    bench.apply(second)
    assert opens(log_in, "liming", HOSTILE) == next(second.lines()).person != mine
    assert opens(log_in, VICTIMS, OWN) == mine
    assert opens(log_in, VICTIMS, HOSTILE) is None


@pytest.mark.parametrize("status", ["disabled", "deceased", "closed"])
def test_nobody_comes_back_through_an_older_system(bench, log_in, victim, status):
    """A disabled or dead person gets no account, and one linked before does not open."""
    before = bench.apply(bench.plan(row(1, "李明", VICTIMS, HOSTILE, login="guest")))
    assert before.links == 1
    with bench.database.transaction() as c:
        People(bench.vault).change_status(c, victim, status, now=bench.clock())
    plan = bench.plan(row(1, "李明", VICTIMS, HOSTILE, login="guest"), row(2, "李明", VICTIMS, HOSTILE, login="other"))
    assert bench.kinds(plan) == ["already_linked", "contradiction:owner_not_active"]
    bench.apply(plan)
    for name in ("guest", "other", VICTIMS):
        assert opens(log_in, name, HOSTILE) is None


def test_who_waits_under_a_number_is_shut_out_when_its_owner_is_proven(bench, log_in):
    """An adopted account under a neighbour's number is shut out by the neighbour's first real check."""
    plan = bench.plan(row(1, "李明", VICTIMS, HOSTILE, login="guest"))
    bench.apply(plan)
    person = log_in("guest", HOSTILE)
    bench.clock.advance(days=1)
    proven(bench, person)
    assert opens(log_in, "guest", HOSTILE) is opens(log_in, VICTIMS, HOSTILE) is None
    chosen(bench, person, OWN)
    assert opens(log_in, VICTIMS, OWN) == person
    assert opens(log_in, "guest", HOSTILE) is None


def test_a_hostile_link_tells_its_own_system_about_nobody_else(bench, log_in):
    """A link by rule alone releases nothing about the neighbour's other accounts."""
    library = MAPPING.replace('"forum"', '"library"')
    bench.apply(bench.plan(row(77, "李明", VICTIMS, OWN, login="reader"), mapping=library))
    bench.apply(bench.plan(row(1, "李明", VICTIMS, HOSTILE, login="guest")))
    person, c = log_in("guest", HOSTILE), bench.database.connection()
    assert legacy_subs(c, person, "forum") == ("1",)
    assert legacy_subs(c, person, "library") == ()


def test_undo_takes_the_password_that_was_chosen_over_an_adopted_one(bench, log_in):
    """Undo removes the adopted password and any password set after logging in with it."""
    run = bench.apply(bench.plan(row(1, "李明", VICTIMS, HOSTILE, login="guest")))
    person = log_in("guest", HOSTILE)
    bench.clock.advance(days=1)
    chosen(bench, person, "another hostile word")
    assert log_in("guest", "another hostile word") == person
    bench.undo(run)
    assert opens(log_in, VICTIMS, "another hostile word") is None
    assert bench.meaning() == ([], [], [])


def test_undo_keeps_the_password_that_was_chosen_after_a_real_check(bench, log_in):
    """A password chosen after a real check does not depend on the link; the person stays and logs in with it."""
    run = bench.apply(bench.plan(row(1, "李明", VICTIMS, HOSTILE, login="guest")))
    person = log_in("guest", HOSTILE)
    bench.clock.advance(days=1)
    proven(bench, person)
    bench.clock.advance(days=1)
    chosen(bench, person, OWN)
    bench.undo(run)
    assert log_in(VICTIMS, OWN) == person
    assert bench.meaning()[2] == []


def test_undo_keeps_a_person_who_has_added_a_phone(bench, log_in):
    """The phone depends on the person: the link and its password go, the person and the phone stay."""
    run = bench.apply(bench.plan(row(1, "李明", VICTIMS, OWN, login="guest")))
    person = log_in("guest", OWN)
    with bench.database.transaction() as c:
        People(bench.vault).add_phone(c, person, Mobile.parse(PHONE), now=bench.clock())
    bench.undo(run)
    persons, _, links = bench.meaning()
    assert ([p[0] for p in persons], links) == ([person], [])
    assert len(bench.rows(person_phones)) == 1
    assert opens(log_in, VICTIMS, OWN) is None


def test_undo_keeps_a_person_whom_a_service_knows(bench, log_in):
    """A `sub` that a service holds is never given to another person, so its person stays."""
    run = bench.apply(bench.plan(row(1, "李明", VICTIMS, OWN, login="guest")))
    person = log_in("guest", OWN)
    known = Statement(sa.insert(subjects).values(person_id=person, sector="housing", sub="of-nobody-else"))
    bench.database.connection().execute(known)
    bench.undo(run)
    persons, _, links = bench.meaning()
    assert ([p[0] for p in persons], links) == ([person], [])
    assert len(bench.rows(subjects)) == 1
    assert opens(log_in, VICTIMS, OWN) is None
