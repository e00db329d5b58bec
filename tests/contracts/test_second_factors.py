"""Authenticator apps and recovery codes: each code opens once, guesses run out, and nothing is stored in clear."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from accounts import audit
from accounts.credentials import recovery_codes, totp
from accounts.database import Statement
from accounts.errors import Throttled
from accounts.identifiers import CitizenId
from accounts.people import NewPerson, People
from tests.fixtures.authenticator_app import shown
from tests.fixtures.site import citizen_number

# RFC 6238, appendix B: the last six of the eight digits, SHA-1, secret "12345678901234567890"
VECTORS = (
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
)


@pytest.fixture
def person(database, vault, clock):
    with database.transaction() as c:
        return People(vault).register(c, NewPerson("张三丰", (CitizenId.parse(citizen_number()),)), now=clock.now).id


class Holder:
    """A person with an authenticator app, and what they type."""

    def __init__(self, database, vault, clock, person):
        self.database, self.vault, self.clock, self.person = database, vault, clock, person
        self.secret = ""

    def record(self):
        return audit.row("person:authentication:totp", now=self.clock.now, person=self.person)

    def begin(self):
        with self.database.transaction() as c:
            totp.begin(c, self.vault, self.person, session="s", now=self.clock.now)
        waiting = totp.pending(self.database.connection(), self.vault, self.person, session="s", now=self.clock.now)
        self.secret = waiting.secret
        return waiting

    def confirm(self, code=None):
        with self.database.transaction() as c:
            return totp.confirm(
                c, self.vault, self.person, code or self.app(), session="s", now=self.clock.now, record=self.record()
            )

    def spend(self, code):
        with self.database.transaction() as c:
            return totp.spend(c, self.vault, self.person, code, now=self.clock.now, record=self.record())

    def app(self, step=0):
        return shown(self.secret, self.clock.now, step=step)


@pytest.fixture
def holder(database, vault, clock, person):
    made = Holder(database, vault, clock, person)
    made.begin()
    assert made.confirm()
    clock.advance(seconds=60)
    return made


@pytest.mark.parametrize(("at", "code"), VECTORS)
def test_codes_are_those_of_the_rfc(at, code):
    """The steps and digits are those of RFC 6238, appendix B."""
    secret = base64.b32encode(b"12345678901234567890").decode()
    now = datetime.fromtimestamp(at, UTC)
    assert totp.step_of(secret, code, now) == at // 30
    assert shown(secret, now) == code


@pytest.mark.parametrize("step", [-1, 0, 1])
def test_a_clock_may_be_one_step_off(holder, step):
    """The code of the step before, of this step and of the next step is accepted."""
    assert holder.spend(holder.app(step))


@pytest.mark.parametrize("step", [-3, -2, 2, 3])
def test_an_older_or_later_code_is_refused(holder, step):
    """A code that is two steps away opens nothing."""
    assert not holder.spend(holder.app(step))


def test_a_code_opens_once_and_closes_all_earlier_ones(holder):
    """After a code was used, neither it nor the code of an earlier step opens anything."""
    earlier, code = holder.app(-1), holder.app()
    assert holder.spend(code)
    assert not holder.spend(code)
    assert not holder.spend(earlier)
    holder.clock.advance(seconds=30)
    assert holder.spend(holder.app())


def test_the_code_that_confirmed_opens_nothing_more(database, vault, clock, person):
    """The first code is spent by setting up."""
    made = Holder(database, vault, clock, person)
    made.begin()
    assert made.confirm()
    assert not made.spend(made.app())


@pytest.mark.parametrize("code", ["", "0", "12345", "1234567", "abcdef", "１２３４５６", "\x00" * 6, "\ud800"])
def test_what_is_no_code_opens_nothing(holder, code):
    """Text that is not the code is refused, whatever its characters."""
    assert not holder.spend(code)


def test_so_many_guesses_and_no_more_until_the_window_is_over(holder, clock):
    """After the last wrong code even the right one waits, and the error says how long."""
    for _ in range(totp.MOST_ATTEMPTS):
        assert not holder.spend("no")
    clock.advance(minutes=5)
    with pytest.raises(Throttled) as refused:
        holder.spend(holder.app())
    assert refused.value.retry_after == timedelta(minutes=55)
    clock.advance(minutes=55)
    assert holder.spend(holder.app())


def test_a_success_gives_the_attempts_back(holder, clock):
    """Only wrong codes run out."""
    for _ in range(3 * totp.MOST_ATTEMPTS):
        clock.advance(seconds=30)
        assert holder.spend(holder.app())


def test_an_unconfirmed_authenticator_opens_nothing(database, vault, clock, person):
    """Until its first code was typed, an authenticator is nobody's second factor."""
    made = Holder(database, vault, clock, person)
    made.begin()
    assert not made.spend(made.app())
    assert totp.of(database.connection(), person) == ()


def test_a_secret_that_waits_too_long_is_void(database, vault, clock, person):
    """After fifteen minutes the person begins again, with another secret."""
    made = Holder(database, vault, clock, person)
    first = made.begin().secret
    clock.advance(minutes=16)
    assert totp.pending(database.connection(), vault, person, session="s", now=clock.now) is None
    assert not made.confirm()
    assert made.begin().secret != first


def test_beginning_again_voids_the_earlier_secret(database, vault, clock, person):
    """Only the newest secret can be confirmed."""
    made = Holder(database, vault, clock, person)
    earlier = made.begin().secret
    made.begin()
    assert not made.confirm(shown(earlier, clock.now))
    assert made.confirm()


def test_each_of_several_apps_works(holder, clock):
    """A person may have two apps, and either opens."""
    first = holder.secret
    holder.begin()
    assert holder.confirm()
    clock.advance(seconds=90)
    assert holder.spend(shown(first, clock.now))
    assert holder.spend(holder.app())


def test_another_persons_code_opens_nothing(holder, database, vault, clock):
    """A code is compared with the secrets of this person only."""
    with database.transaction() as c:
        other = People(vault).register(c, NewPerson("李四光", (CitizenId.parse(citizen_number(2)),)), now=clock.now).id
        assert not totp.spend(c, vault, other, holder.app(), now=clock.now, record=holder.record())
        assert not totp.remove(c, other, totp.of(c, holder.person)[0].id)
        assert totp.remove(c, holder.person, totp.of(c, holder.person)[0].id)
    assert not holder.spend(holder.app())


def test_a_step_costs_two_statements(holder, database):
    """Counting and reading are one statement; spending and recording are the other."""
    sent = []
    database.count = lambda: sent.append(1)
    c = database.connection()
    assert totp.spend(c, holder.vault, holder.person, holder.app(), now=holder.clock.now, record=holder.record())
    assert len(sent) == (2 if c.dialect.name == "postgresql" else 3)


def test_the_secret_is_sealed(holder, database):
    """The secret is in no column as it is."""
    row = database.connection().one(Statement(sa.select(totp.totp_credentials)))
    assert holder.secret.encode() not in row.sealed


def made_codes(database, vault, person, clock):
    with database.transaction() as c:
        return recovery_codes.renew(c, vault, person, now=clock.now).codes


def used(database, vault, person, clock, code):
    record = audit.row("person:authentication:recovery_code", now=clock.now, person=person)
    with database.transaction() as c:
        return recovery_codes.spend(c, vault, person, code, now=clock.now, record=record)


def test_each_recovery_code_opens_once(database, vault, clock, person):
    """Ten different codes open ten times, and none a second time."""
    codes = made_codes(database, vault, person, clock)
    assert len(set(codes)) == recovery_codes.COUNT
    assert all(used(database, vault, person, clock, code) for code in codes)
    assert not any(used(database, vault, person, clock, code) for code in codes)
    assert recovery_codes.of(database.connection(), person).left == 0


@pytest.mark.parametrize(
    "spelled",
    [str.upper, lambda code: code.replace("-", ""), lambda code: code.replace("-", " "), lambda code: f" {code} ",
     lambda code: code.replace("0", "O").replace("1", "l")],
)  # fmt: skip
def test_a_recovery_code_may_be_typed_as_people_type(database, vault, clock, person, spelled):
    """Case, grouping and look-alike letters do not matter."""
    code = made_codes(database, vault, person, clock)[0]
    assert used(database, vault, person, clock, spelled(code))


def test_new_codes_void_the_earlier_ones(database, vault, clock, person):
    """Only the newest ten codes open."""
    earlier = made_codes(database, vault, person, clock)
    codes = made_codes(database, vault, person, clock)
    assert not any(used(database, vault, person, clock, code) for code in earlier)
    assert used(database, vault, person, clock, codes[3])


@pytest.mark.parametrize("code", ["", "-", "0000-0000-0000-0000", "\x00", "\ud800"])
def test_what_is_no_recovery_code_opens_nothing(database, vault, clock, person, code):
    """A text that is not one of the codes is refused."""
    made_codes(database, vault, person, clock)
    assert not used(database, vault, person, clock, code)


def test_recovery_codes_are_not_stored(database, vault, clock, person):
    """Neither the code nor its digest is in a column as it is."""
    code = made_codes(database, vault, person, clock)[0]
    for row in database.connection().rows(Statement(sa.select(recovery_codes.recovery_codes))):
        assert code.encode() not in row.sealed
        assert recovery_codes._digest(code).encode() not in row.sealed


def test_another_session_neither_sees_nor_confirms_the_secret(database, vault, clock, person):
    """Somebody who knows the password cannot begin and let the person confirm a secret that both know."""
    made = Holder(database, vault, clock, person)
    made.begin()
    c = database.connection()
    assert totp.pending(c, vault, person, session="another", now=clock.now) is None
    with database.transaction() as c:
        code, record = made.app(), made.record()
        assert not totp.confirm(c, vault, person, code, session="another", now=clock.now, record=record)
    assert made.confirm()
