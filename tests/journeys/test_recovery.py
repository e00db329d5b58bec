"""A lost password: who sets a new one at once, who waits, how that is stopped, and what nobody gets."""

import pytest

from accounts import audit, evidence
from accounts.credentials import recovery_codes, totp
from accounts.evidence import EvidenceKind
from accounts.people.recovery import recoveries
from idp.login import sessions
from tests.fixtures.authenticator_app import shown
from tests.fixtures.recoveries import (
    NEW_PASSWORD,
    OTHER_PHONE,
    PHONE,
    SETTINGS,
    Forgetful,
    counter_code,
    give_authenticator,
    give_phone,
    give_recovery_codes,
    messages,
    variable,
)
from tests.fixtures.registrations import XIAOYU, Registrant
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import PASSWORD, Site


@pytest.fixture
def site(database_url, clock):
    made = Site(database_url, clock, settings=SETTINGS)
    yield made
    made.database.close()


@pytest.fixture
def at(site):
    return Forgetful(Browser(site))


def only_by_phone(site, person):
    """The account is of IAL1: a phone, and nothing that a counter or a registry has seen."""
    with site.database.transaction() as c:
        for each in evidence.of(c, person.id):
            if each.kind is not EvidenceKind.PHONE:
                evidence.withdraw(c, each.id, now=site.clock())


def logs_in(site, person, password):
    browser = Browser(site)
    browser.get("/login")
    return browser.log_in(person, password).url


def events(site, person):
    return [each.event.name for each in audit.recent(site.database.connection(), person.id, 50)]


def test_a_phone_is_enough_where_a_phone_opens_as_much(site, at):
    """IAL1 and no second factor: a new password at once, every session ends, the phone is told, the old one is void."""
    person = site.register_person()
    give_phone(site, person)
    only_by_phone(site, person)
    assert logs_in(site, person, PASSWORD).endswith("/account")
    at.by_phone(person)
    assert at.stage == "password"
    assert "lost" not in at.page.form_with("new_password").fields
    assert "新密码设好了" in at.password().text
    assert sessions.of_person(site.database.connection(), person.id, site.clock()) == ()
    assert "password_changed" in [template for _, template, _ in messages(site)]
    assert "/login" in logs_in(site, person, PASSWORD)
    assert logs_in(site, person, NEW_PASSWORD).endswith("/account")
    assert "person:password:reset" in events(site, person)


def test_two_different_things_are_enough_at_once(site, at):
    """A code to the phone and one from the app: no wait, and the app stays."""
    person = site.register_person()
    give_phone(site, person)
    secret = give_authenticator(site, person)
    at.by_phone(person)
    assert at.stage == "more"
    at.choose("totp", at="more")
    at.type("totp", "000000")
    assert "不对" in at.page.text
    at.type("totp", shown(secret, site.clock()))
    assert at.stage == "password"
    at.password()
    assert at.stage == "done"
    assert len(totp.of(site.database.connection(), person.id)) == 1


def test_a_phone_alone_waits_three_days_and_every_phone_is_told(site, at):
    """The wait is named, both phones get the number that cancels, and after it the same proof sets a password."""
    person = site.register_person()
    give_phone(site, person)
    give_phone(site, person, OTHER_PHONE)
    at.by_phone(person)
    assert "72 小时" in at.page.text
    at.choose("wait", at="more")
    assert at.stage == "waiting"
    told = [(phone, template) for phone, template, _ in messages(site) if template == "recovery_begun"]
    assert sorted(told) == [(PHONE, "recovery_begun"), (OTHER_PHONE, "recovery_begun")]
    site.clock.advance(hours=71)
    early = Forgetful(Browser(site))
    early.by_phone(person)
    assert early.stage == "more"
    site.clock.advance(hours=2)
    late = Forgetful(Browser(site))
    late.by_phone(person)
    assert late.stage == "password"
    late.password()
    assert late.stage == "done"
    assert logs_in(site, person, NEW_PASSWORD).endswith("/account")
    again = Forgetful(Browser(site))
    again.by_phone(person)
    assert again.stage == "more"


def test_a_recovery_code_alone_waits_a_day_and_may_drop_what_is_lost(site, at):
    """Whoever has paper only waits 24 hours; after the wait the lost app can go, so that the person gets in."""
    person = site.register_person()
    give_phone(site, person)
    give_authenticator(site, person)
    first, second, *_ = give_recovery_codes(site, person)
    at.start(person)
    at.choose("recovery-code")
    at.type("recovery-code", first)
    assert "24 小时" in at.page.text
    at.choose("wait", at="more")
    site.clock.advance(hours=25)
    late = Forgetful(Browser(site))
    late.start(person)
    late.choose("recovery-code")
    late.type("recovery-code", second)
    late.password(lost="yes")
    c = site.database.connection()
    assert (totp.of(c, person.id), recovery_codes.of(c, person.id)) == ((), None)
    assert logs_in(site, person, NEW_PASSWORD).endswith("/account")


@pytest.mark.parametrize("how", ["number", "account"])
def test_a_cancelled_recovery_ends_everything_it_started(site, at, how):
    """By the number, without a login, or on the account page: the wait, and a browser that is on the last page."""
    person = site.register_person()
    give_phone(site, person)
    at.by_phone(person)
    at.choose("wait", at="more")
    site.clock.advance(hours=73)
    late = Forgetful(Browser(site))
    late.by_phone(person)
    assert late.stage == "password"
    owner = Browser(site)
    if how == "number":
        owner.get("/recover/cancel")
        number = variable(site, "recovery_begun", "cancel").replace("-", " ")
        owner.submit(owner.page.form_with("code"), code=number)
    else:
        owner.get("/login")
        assert "有人申请重设您的密码" in owner.log_in(person).text
        owner.get("/account/recovery")
        owner.submit(next(form for form in owner.page.forms if form.action == "/account/recovery"))
    assert "取消" in owner.page.text
    late.password()
    assert late.stage == ""
    assert logs_in(site, person, PASSWORD).endswith("/account")
    assert "recovery_cancelled" in [template for _, template, _ in messages(site)]
    assert recoveries.open_of(site.database.connection(), person.id, site.clock()) == ()
    assert "person:recovery:cancel" in events(site, person)


def test_a_wrong_cancel_number_reads_like_a_right_one(site):
    """Nobody learns from the page whether a number was right, and nothing is written for a wrong one."""
    browser = Browser(site)
    browser.get("/recover/cancel")
    page = browser.submit(browser.page.form_with("code"), code="1234 5678 9012")
    assert "如果取消号是对的" in page.text
    assert messages(site) == []


def test_the_code_of_two_clerks_works_once_and_for_its_person_alone(site, at):
    """The person types it and chooses a password; another browser and another person get nothing for it."""
    person, other = site.register_person(), site.register_person(2)
    give_phone(site, person)
    code = counter_code(site, person).code
    stranger = Forgetful(Browser(site))
    stranger.start(other)
    stranger.choose("counter")
    assert "不对" in stranger.type("counter", code).text
    at.start(person)
    at.choose("counter")
    at.type("counter", code.upper().replace("-", " "))
    assert at.stage == "password"
    second = Forgetful(Browser(site))
    second.start(person)
    second.choose("counter")
    assert "不对" in second.type("counter", code).text
    at.password()
    assert at.stage == "done"
    assert logs_in(site, person, NEW_PASSWORD).endswith("/account")


def test_a_code_of_the_counter_ends_after_a_quarter_of_an_hour(site, at):
    """Sixteen minutes later it opens nothing."""
    person = site.register_person()
    code = counter_code(site, person).code
    site.clock.advance(minutes=16)
    at.start(person)
    at.choose("counter")
    assert "不对" in at.type("counter", code).text


def test_a_phone_that_moved_recovers_nothing(site, at):
    """Somebody else took the number over: no code is sent for the first holder, also for a wait that was begun."""
    person, other = site.register_person(), site.register_person(2)
    give_phone(site, person)
    at.by_phone(person)
    at.choose("wait", at="more")
    site.clock.advance(hours=73)
    ready = Forgetful(Browser(site))
    ready.by_phone(person)
    assert ready.stage == "password"
    assert give_phone(site, other, is_shared=False) == (person.id,)
    ready.password()
    assert ready.stage == ""
    before = len(messages(site))
    late = Forgetful(Browser(site))
    late.start(person)
    late.choose("phone")
    late.phone()
    assert len(messages(site)) == before
    assert logs_in(site, person, PASSWORD).endswith("/account")


def test_a_phone_that_others_verified_too_never_opens_at_once(site, at):
    """A shared phone waits even where a phone of one's own would do, and a wait begun before the sharing is void."""
    person, other = site.register_person(), site.register_person(2)
    give_phone(site, person)
    only_by_phone(site, person)
    give_phone(site, other)
    at.by_phone(person)
    assert at.stage == "more"
    assert "72 小时" in at.page.text


def test_a_journey_belongs_to_its_browser(site, at):
    """The code that was sent for one browser is nothing in another, and its page leads to the start."""
    person = site.register_person()
    give_phone(site, person)
    at.by_phone(person)
    other = Browser(site)
    assert other.get("/recover/more").visited[-1] == "/recover"


@pytest.mark.parametrize("status", ["disabled", "closed"])
def test_an_account_that_is_not_open_recovers_nothing(site, at, status):
    """The pages are those of anybody; nothing is sent."""
    person = site.register_person()
    give_phone(site, person)
    with site.database.transaction() as c:
        site.services.people.change_status(c, person.id, status, now=site.clock())
    at.start(person)
    at.choose("phone")
    at.phone()
    assert at.stage == "code"
    assert messages(site) == []


def test_wrong_names_run_out_where_they_come_from(site, at):
    """One network gets six tries at a number; the page says when to come back, and the holder elsewhere goes on."""
    person = site.register_person()
    for _ in range(6):
        at.start(person, name="赵无名")
        assert at.stage == "way"
    at.start(person, name="赵无名")
    assert at.page.status == 429
    holder = Forgetful(Browser(site, source="198.51.100.7"))
    holder.start(person)
    assert holder.stage == "way"


def test_a_number_that_its_operator_gave_to_somebody_else_moves_to_them(site, at):
    """Registering with the phone in one's own name takes it from its former holder, who keeps the account and is told.

    The other phone of the former holder gets the notice; no code to the lost one logs in or recovers anything.
    """
    former = site.register_person()
    give_phone(site, former, XIAOYU.phone.removeprefix("+86"))
    give_phone(site, former, OTHER_PHONE)
    new = Registrant(Browser(site))
    new.start()
    new.name(XIAOYU)
    new.send("/sign-up/proof", answer="phone")
    site.clock.advance(seconds=1)
    new.phone(XIAOYU.phone)
    new.code(variable(site, "sign_up_code", "code"))
    new.password()
    c = site.database.connection()
    held = [each.canonical for each in site.services.people.phones(c, former.id) if each.verified_at]
    assert held == [f"+86{OTHER_PHONE}"]
    told = [phone for phone, template, _ in messages(site) if template == "phone_removed"]
    assert told == [OTHER_PHONE]
    assert logs_in(site, former, PASSWORD).endswith("/account")
    before = len(messages(site))
    at.start(former)
    at.choose("phone")
    at.phone(XIAOYU.phone)
    assert at.stage == "code"
    assert [template for _, template, _ in messages(site)[before:]] == []
