"""Staff sign in with the office account of a real slapd and a second factor, and with nothing less."""

import pytest
import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.database import Statement
from idp.staff.second_factor import staff_authenticators
from idp.staff.sessions import staff_sessions
from tests.fixtures import office
from tests.fixtures.office import PASSWORD, Clerk
from tests.fixtures.openldap import Directory
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import Site

EVENTS = Statement(sa.select(audit_events).order_by(audit_events.c.at, audit_events.c.id))
SESSIONS = Statement(sa.select(staff_sessions))
AUTHENTICATORS = Statement(sa.select(staff_authenticators))
GUARDED = ("/staff", "/staff/second-factor", "/staff/enrolment", "/staff/enrolment/authenticator")


@pytest.fixture(scope="module")
def slapd():
    with office.directory() as running:
        yield running


@pytest.fixture
def site(database_url, clock, slapd: Directory):
    made = Site(database_url, clock, settings=office.settings(slapd))
    yield made
    made.database.close()


@pytest.fixture
def clerk(site: Site) -> Clerk:
    return Clerk(site)


def test_office_password_and_code_open_the_page_of_staff(site: Site, clerk: Clerk):
    """After the enrolment a sign-in takes password and code, and the page shows who is there and when they came."""
    assert "验证器应用已经设好" in clerk.enrol().text
    assert clerk.sign_out().visited == ("/staff/sign-out", "/staff/login")
    assert "已经退出" in clerk.page.text
    clerk.sign_in()
    assert clerk.page.visited[-1] == "/staff"
    assert all(word in clerk.page.text for word in ("演示窗口", "S0001", "江阳区"))
    assert clerk.page.text.count("网络地址 203.0.113.5") == 2


def test_the_password_alone_opens_nothing(site: Site, clerk: Clerk):
    """With the office password alone every page of staff leads back to the second factor."""
    clerk.enrol()
    thief = Clerk(site, source="198.51.100.7")
    thief.type_password()
    assert thief.page.visited[-1] == "/staff/second-factor"
    for path in GUARDED:
        assert thief.browser.get(path).visited[-1] == "/staff/second-factor"
    assert not thief.is_in


def test_without_a_code_from_an_administrator_nothing_is_set_up(site: Site, clerk: Clerk):
    """Whoever has a stolen office password cannot bring an authenticator: a wrong or another member's code fails."""
    clerk.type_password()
    assert clerk.page.visited[-1] == "/staff/enrolment"
    for wrong in ("0000-0000-0000-0000", office.enrolment_code(site, "S0002")):
        assert "设置码不对" in clerk.type_code(wrong).text
    assert site.database.connection().rows(AUTHENTICATORS) == []


def test_a_code_is_good_once_and_for_a_day(site: Site, clerk: Clerk):
    """A used, a replaced and an old code set nothing up."""
    old = office.enrolment_code(site)
    fresh = office.enrolment_code(site)
    clerk.type_password()
    assert "设置码不对" in clerk.type_code(old).text
    assert clerk.type_code(fresh).visited[-1] == "/staff/enrolment/authenticator"
    assert clerk.browser.submit(clerk.browser.get("/staff/enrolment").form_with("code"), code=fresh).visited[-1] == (
        "/staff/enrolment/authenticator"  # sent twice in one browser: the secret that the first one made
    )
    other = Clerk(site)
    other.type_password()
    assert "设置码不对" in other.type_code(fresh).text
    late = office.enrolment_code(site)
    site.clock.advance(hours=24)
    clerk.type_password()
    assert "设置码不对" in clerk.type_code(late).text


def test_a_secret_belongs_to_the_browser_that_began_it(site: Site, clerk: Clerk):
    """A second browser with the same password neither sees the secret nor confirms it."""
    clerk.type_password()
    clerk.type_code(office.enrolment_code(site))
    other = Clerk(site)
    other.type_password()
    assert other.browser.get("/staff/enrolment/authenticator").visited[-1] == "/staff/enrolment"
    assert "otpauth:" not in other.page.text


def test_a_step_is_good_once(site: Site, clerk: Clerk):
    """A code that somebody watched opens nothing a second time, also in another browser."""
    clerk.enrol()
    site.clock.advance(seconds=60)
    code = clerk.shown()
    clerk.type_password()
    assert clerk.type_code(code).visited[-1] == "/staff"
    watcher = Clerk(site)
    watcher.type_password()
    assert "验证码不对" in watcher.type_code(code).text


def test_wrong_codes_run_out(site: Site, clerk: Clerk):
    """After eight wrong codes no ninth is compared for an hour, not even the right one."""
    clerk.enrol()
    site.clock.advance(seconds=60)
    clerk.type_password()
    right = clerk.shown()
    wrong = "000000" if right != "000000" else "111111"
    for _ in range(8):
        clerk.type_code(wrong)
        clerk.browser.get("/staff/second-factor")
    assert clerk.type_code(right).status == 429
    site.clock.advance(hours=1, seconds=1)
    clerk.type_password()
    assert clerk.type_code(clerk.shown()).visited[-1] == "/staff"


def test_the_handle_changes_with_the_second_factor(site: Site, clerk: Clerk):
    """A handle from before the code opens nothing afterwards (ASVS 7.2.4)."""
    clerk.enrol()
    site.clock.advance(seconds=60)
    clerk.type_password()
    before = clerk.browser.cookie("yt_staff")
    clerk.type_code(clerk.shown())
    assert clerk.browser.cookie("yt_staff") not in (None, before)
    clerk.browser.http.set_cookie("yt_staff", before)
    assert not clerk.is_in


def test_a_new_sign_in_ends_the_one_before_in_this_browser(site: Site, clerk: Clerk):
    """One browser has one staff session: the handle of the earlier one opens nothing."""
    clerk.enrol()
    earlier = clerk.browser.cookie("yt_staff")
    clerk.browser.post("/staff/login", {})  # without a token: refused, and nothing changes
    assert clerk.is_in
    token = clerk.browser.get("/staff").forms[0].fields["csrf_token"]
    clerk.browser.post("/staff/login", {"csrf_token": token, "login_name": "window.one", "password": PASSWORD})
    clerk.browser.http.set_cookie("yt_staff", earlier)
    assert not clerk.is_in


@pytest.mark.parametrize(("minutes", "is_in"), [(14, True), (15, False)])
def test_an_unused_session_ends_after_a_quarter_of_an_hour(site: Site, clerk: Clerk, minutes, is_in):
    """The idle limit is fifteen minutes."""
    clerk.enrol()
    site.clock.advance(minutes=minutes)
    assert clerk.is_in is is_in


def test_a_used_session_ends_after_eight_hours(site: Site, clerk: Clerk):
    """However much it is used, a session ends after eight hours, and the form says so."""
    clerk.enrol()
    for _ in range(47):
        site.clock.advance(minutes=10)
        assert clerk.is_in
    site.clock.advance(minutes=10)
    assert not clerk.is_in
    assert "这次登录已经结束" in clerk.page.text


def test_half_a_sign_in_is_over_after_ten_minutes(site: Site, clerk: Clerk):
    """A browser left behind after the password is no way to the second factor later."""
    clerk.enrol()
    clerk.type_password()
    site.clock.advance(minutes=10)
    assert clerk.browser.get("/staff/second-factor").visited[-1] == "/staff/login"


def test_an_account_that_the_office_disables_loses_its_session(database_url, clock):
    """Within five minutes of use the directory is asked again; a disabled account is out and cannot come back."""
    with office.directory() as running:
        site = Site(database_url, clock, settings=office.settings(running))
        clerk = Clerk(site)
        clerk.enrol()
        office.disable(running, "window.one")
        clock.advance(minutes=4)
        assert clerk.is_in
        clock.advance(minutes=1)
        assert not clerk.is_in
        assert not clerk.is_in
        assert "办公账号或密码不对" in clerk.type_password().text
        ended = [each.detail for each in site.database.connection().rows(EVENTS) if each.event == "staff:session:end"]
        assert ended == [{"reason": "directory"}]
        site.database.close()


def test_a_directory_that_is_gone_lets_nobody_in(database_url, clock):
    """An outage opens nothing: no sign-in, no page after five minutes, and no guess counts. Citizens go on."""
    with office.directory() as running:
        site = Site(database_url, clock, settings=office.settings(running))
        clerk = Clerk(site)
        clerk.enrol()
    clock.advance(minutes=5)
    reply = clerk.browser.get("/staff")
    assert (reply.status, "另一个系统没有回应" in reply.text) == (503, True)
    assert "Retry-After" in reply.headers
    other = Clerk(site, "window.two")
    for _ in range(10):
        assert other.type_password().status == 503
    person, browser = site.register_person(), Browser(site)
    browser.get("/login?next=/account")
    assert browser.log_in(person).visited[-1] == "/account"
    site.database.close()


def test_staff_and_citizen_are_two_sessions(site: Site, clerk: Clerk):
    """In one browser neither session opens the other's pages, and signing out of one leaves the other."""
    person = site.register_person()
    clerk.browser.get("/login?next=/account")
    clerk.browser.log_in(person)
    assert not clerk.is_in
    clerk.enrol()
    handles = {name: clerk.browser.cookie(name) for name in ("yitong", "yt_staff")}
    other = Browser(site)
    other.http.set_cookie("yitong", handles["yt_staff"])
    assert other.get("/account").visited[-1] == "/login"
    other.http.set_cookie("yt_staff", handles["yitong"])
    assert other.get("/staff").visited[-1] == "/staff/login"
    assert clerk.browser.get("/account").visited == ("/account",)
    clerk.sign_out()
    assert not clerk.is_in
    assert clerk.browser.get("/account").visited == ("/account",)


def test_guesses_are_limited_for_every_spelling_of_a_name(site: Site, clerk: Clerk):
    """Case, width, blanks and accents do not give a guesser more guesses at one account."""
    spellings = ("window.one", "WINDOW.ONE", "ｗｉｎｄｏｗ.one", " window.one", "wíndow.one", "Window.One")
    for spelling in spellings:
        assert clerk.type_password("a wrong guess", login_name=spelling).status == 200
    assert clerk.type_password("a wrong guess").status == 429
    elsewhere = Clerk(site, source="198.51.100.7")
    assert elsewhere.type_password().status == 200


def test_a_page_extends_the_session(site: Site, clerk: Clerk):
    """The button that every page of staff offers keeps the session, and leads back."""
    clerk.enrol()
    site.clock.advance(minutes=14)
    clerk.browser.get("/staff")
    extend = next(form for form in clerk.page.forms if form.action == "/staff/session/extend")
    site.clock.advance(minutes=14)
    assert clerk.browser.submit(extend).visited == ("/staff/session/extend", "/staff")
    site.clock.advance(minutes=14)
    assert clerk.is_in


def test_an_answer_that_is_empty_is_named(clerk: Clerk):
    """Empty fields are named, and nothing is asked or counted."""
    for _ in range(12):
        assert "请填密码" in clerk.type_password(" ").text
    clerk.type_password()
    assert "请填设置码" in clerk.type_code(" ").text


def test_the_audit_names_staff_by_a_random_key(site: Site, clerk: Clerk):
    """Each act is on record once, with the key of the member as actor and no person; nothing tells name or staff id."""
    clerk.enrol()
    clerk.sign_in()
    clerk.sign_out()
    rows = [each for each in site.database.connection().rows(EVENTS) if each.event.startswith("staff:")]
    events = [each.event.removeprefix("staff:") for each in rows]
    assert {each: events.count(each) for each in events} == {
        "authentication:password": 2,
        "authentication:totp": 1,
        "credential:enrol": 1,
        "credential:add": 1,
        "session:open": 2,
        "session:end": 2,
    }
    assert {each.actor for each in rows} == {f"staff:{office.member_id(site)}"}
    assert {each.person_id for each in rows} == {None}
    said = repr(rows) + repr(site.database.connection().rows(SESSIONS))
    assert not any(secret in said for secret in ("S0001", "window", "演示"))


def test_without_a_directory_there_are_no_pages_of_staff(database_url, clock):
    """A deployment without a directory answers 404, signed in or not."""
    site = Site(database_url, clock)
    browser = Browser(site)
    assert {browser.get(path).status for path in ("/staff/login",)} == {404}
    assert {browser.get(path).status for path in GUARDED} == {404}
    site.database.close()
