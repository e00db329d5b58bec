"""What an old login name and password open after a merge, and what they never open."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from accounts import evidence
from accounts.credentials import password as passwords
from accounts.credentials.password import PasswordHasher
from accounts.database import Statement
from accounts.errors import NotProven
from accounts.evidence import EvidenceKind
from accounts.identifiers import CitizenId
from accounts.merging.linking import legacy_sub, linked_accounts
from accounts.people import NewPerson, People
from tests.migration.bench import LEGACY, generator, number, row

A, B = number(101), number(202)


def test_the_old_login_name_and_password_log_in_once_and_then_for_good(bench, log_in):
    """The first login stores the password as ours and erases the old hash; the login name stays valid."""
    plan = bench.plan(row(1, "李明", A, "first-word", login="LiMing"))
    bench.apply(plan)
    person = next(plan.lines()).person
    assert log_in("liming", "first-word") == person
    (link,) = bench.database.connection().rows(Statement(sa.select(linked_accounts)))
    assert link.recipe is None
    assert b"first" not in link.secret
    assert log_in("LiMing", "first-word") == person
    assert log_in(A, "first-word") == person
    with pytest.raises(NotProven):
        log_in("LiMing", "another-word")


def test_the_first_login_opens_its_own_system_and_no_other(bench, log_in):
    """A stolen forum password opens the forum account, not the same person's library account."""
    for name, suffix in (("forum.csv", "toml"), ("library.ldif", "toml")):
        source = LEGACY / name
        bench.apply(bench.plan_of(source.with_suffix(f".{suffix}"), source))
    person = log_in("wuxiuying", generator().WU_PASSWORD)
    c = bench.database.connection()
    assert legacy_sub(c, person, "forum") is not None
    assert legacy_sub(c, person, "library") is None


def test_an_openldap_reader_logs_in(bench, log_in):
    """{SSHA} from the library's directory is verified as OpenLDAP verifies it."""
    plan = bench.plan_of(LEGACY / "library.toml", LEGACY / "library.ldif")
    bench.apply(plan)
    assert log_in("wu.xiuying", generator().WU_PASSWORD) in {line.person for line in plan.lines()}


def test_a_default_password_opens_nothing(bench, log_in):
    """A default password proves nothing: the account is linked, but its password is not accepted."""
    bench.apply(bench.plan(row(1, "李明", A, "123456"), row(2, "王芳", B, B[-6:])))
    for name, password in (("user1", "123456"), ("user2", B[-6:])):
        with pytest.raises(NotProven):
            log_in(name, password)


def test_after_undo_the_old_login_does_not_work(bench, log_in):
    """Undo removes the old hash and the adopted password, and ends the sessions."""
    run = bench.apply(bench.plan(row(1, "李明", A, "first-word"), row(2, "王芳", B, "second-word")))
    log_in("user1", "first-word")
    bench.undo(run)
    for name, password in (("user1", "first-word"), (A, "first-word"), ("user2", "second-word")):
        with pytest.raises(NotProven):
            log_in(name, password)


def test_a_hostile_account_does_not_capture_a_person_with_a_password(bench, log_in, vault, clock):
    """An old account with a neighbour's name and number does not open their account here."""
    hasher = PasswordHasher(memory_kib=8, passes=1, wait=timedelta(seconds=5))
    with bench.database.transaction() as c:
        victim = People(vault).register(c, NewPerson("李明", (CitizenId.parse(A),)), now=clock())
        passwords.store(c, vault, victim.id, hasher.hash("the victims own"), now=clock())
    bench.apply(bench.plan(row(1, "李明", A, "hostile-word", login="liming")))
    with pytest.raises(NotProven):
        log_in("liming", "hostile-word")
    assert log_in("liming", "the victims own") == victim.id


def test_a_hostile_account_does_not_capture_a_verified_person(bench, log_in, vault, clock):
    """No old password opens a person whom a counter has verified, even without a password of their own."""
    with bench.database.transaction() as c:
        victim = People(vault).register(c, NewPerson("李明", (CitizenId.parse(A),)), now=clock())
        kind = EvidenceKind.COUNTER_COMPARISON
        evidence.record(c, victim.id, kind, source="hall", at=clock(), expires_at=clock() + timedelta(days=365))
    bench.apply(bench.plan(row(1, "李明", A, "hostile-word", login="liming")))
    with pytest.raises(NotProven):
        log_in("liming", "hostile-word")


def test_one_login_name_in_two_systems_opens_neither_for_strangers(bench, log_in):
    """With one login name for two people's accounts, each password opens its own person only."""
    plan = bench.plan(row(1, "李明", A, "first-word", login="star"), row(2, "王芳", B, "second-word", login="star"))
    bench.apply(plan)
    first, second = (line.person for line in plan.lines())
    assert log_in("star", "first-word") == first
    assert log_in("star", "second-word") == second
