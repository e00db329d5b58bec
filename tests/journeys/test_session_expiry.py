"""A session about to end says so and can be kept; an ended one says why and offers a way on."""

import re
from html import unescape

import pytest

from tests.fixtures.relying_party import Browser, Page, RelyingParty
from tests.fixtures.site import Site

IDLE = "15 分钟没有操作"


def account(site: Site, browser: Browser) -> Page:
    browser.get("/account")
    return browser.log_in(site.register_person())


def seconds_left(page: Page) -> int:
    return int(re.findall(r'data-seconds="(\d+)"', page.text)[0])


def ends_at(page: Page) -> str:
    return re.findall(r"如果不再操作，(\d\d:\d\d) 会自动退出登录", page.text)[0]


def test_a_page_says_when_the_session_ends(site: Site, browser: Browser):
    """In text that needs no script, and in seconds for the dialog that opens two and a half minutes before."""
    page = account(site, browser)
    assert seconds_left(page) == 900
    assert 'data-warning="150"' in page.text
    first = ends_at(page)
    site.clock.advance(minutes=5)
    later = browser.get("/account")
    assert (seconds_left(later), ends_at(later)) == (600, first)


def test_one_press_keeps_the_session(site: Site, browser: Browser):
    """The button is our form and returns to the page; without its token the session is not extended."""
    account(site, browser)
    site.clock.advance(minutes=14)
    page = browser.get("/account")
    extend = next(each for each in page.forms if each.action == "/session/extend")
    refused = browser.post("/session/extend", {"next": "/account"})
    assert refused.status == 403
    assert seconds_left(browser.get("/account")) == 60
    kept = browser.submit(extend)
    assert kept.visited == ("/session/extend", "/account")
    assert seconds_left(kept) == 900
    site.clock.advance(minutes=14)
    assert browser.get("/account").visited == ("/account",)


def test_reading_alone_keeps_no_session(site: Site, browser: Browser):
    """Otherwise two open pages that reload themselves would extend the session forever."""
    account(site, browser)
    site.clock.advance(minutes=14)
    browser.get("/account")
    site.clock.advance(minutes=2)
    assert browser.get("/account").visited == ("/account", "/login")


def test_a_session_is_not_kept_beyond_its_absolute_end(site: Site, browser: Browser):
    """Near the twelve hours the page says that the login ends, and offers no useless button."""
    page = account(site, browser)
    for _ in range(60):
        site.clock.advance(minutes=12)
        form = next((each for each in page.forms if each.action == "/session/extend"), None)
        if form is None:
            break
        page = browser.submit(form)
    assert "这次登录到" in page.text
    assert seconds_left(page) <= 900
    site.clock.advance(minutes=15)
    assert "这次登录时间太长" in browser.get("/account").text


@pytest.mark.parametrize("path", ["/account", "/session/extend"])
def test_who_was_signed_out_for_idleness_is_told_so_and_comes_back(site: Site, browser: Browser, path: str):
    """The login page gives the reason, also when the button was pressed too late, and leads back to the account."""
    page = account(site, browser)
    extend = next(each for each in page.forms if each.action == "/session/extend")
    site.clock.advance(minutes=16)
    shown = browser.get(path) if path == "/account" else browser.submit(extend)
    assert shown.visited[-1] == "/login"
    assert IDLE in shown.text
    assert "<title>已经退出。登录" in shown.text
    assert IDLE not in browser.get("/login").text
    assert browser.log_in(site.register_person(2)).visited[-1] == "/account"


@pytest.mark.parametrize("answer", [None, "agree", "refuse"])
def test_idle_at_the_consent_says_why_and_the_login_goes_on(
    site: Site, browser: Browser, housing: RelyingParty, answer: str | None
):
    """After idling at the consent the same request continues after the password."""
    person = site.register_person()
    browser.get(housing.start())
    asked = browser.log_in(person)
    site.clock.advance(minutes=16)
    form = asked.form_with("answer=agree")
    shown = browser.get(asked.visited[-1]) if answer is None else browser.submit(form, answer=answer)
    if answer == "refuse":
        assert shown.answer["error"] == "access_denied"
        return
    assert shown.visited[-1].startswith("/login/")
    assert IDLE in shown.text
    assert browser.log_in(person).visited[-1].startswith("/consent/")
    assert "code" in browser.agree().answer


def test_who_was_signed_out_from_elsewhere_is_told_so(site: Site, browser: Browser):
    """The reason is not "idle": somebody ended this session, and the person should know."""
    person = site.register_person()
    browser.get("/account")
    browser.log_in(person)
    other = Browser(site)
    other.get("/account")
    other.log_in(person)
    mine = other.get("/account/devices")
    other.submit(next(each for each in mine.forms if each.action.endswith("/end")))
    assert "可能是您在别处退出了" in browser.get("/account").text


def test_a_stranger_is_told_nothing_of_the_kind(site: Site):
    """A person who was never signed in sees the plain login page, whatever cookie they invent."""
    browser = Browser(site)
    browser.http.set_cookie("yitong", "A" * 43, domain="localhost")
    shown = browser.get("/account")
    assert shown.visited[-1] == "/login"
    assert "notice" not in shown.text.partition("<form")[0].partition("<main")[2]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/no-such-page", 404),
        ("/session/extend", 405),
        ("/continue/gone", 404),
        (f"/continue/{'0' * 32}", 410),
        ("/authorize", 400),
    ],
)
def test_no_page_is_a_dead_end(browser: Browser, path: str, status: int):
    """Without a service to return to a button leads to the account."""
    page = browser.get(path)
    assert page.status == status
    assert 'class="button button-quiet" href="/account"' in page.text.partition("<main")[2].partition("<details")[0]


def test_signed_out_offers_to_log_in_again(site: Site, browser: Browser):
    """The signed-out page has a login button, so that nobody needs to know an address."""
    account(site, browser)
    done = browser.submit(browser.get("/sign-out").form_with("answer=sign_out"), answer="sign_out")
    assert done.visited[-1] == "/signed-out"
    assert 'href="/login"' in done.text.partition("<main")[2]


@pytest.mark.parametrize("path", ["/sign-out", "/end_session", "/end_session?ui_locales=en"])
def test_services_are_named_in_the_readers_language(site: Site, browser: Browser, housing: RelyingParty, path: str):
    """English readers see English names of the services to be signed out, on every way to the page."""
    browser.get(housing.start())
    browser.log_in(site.register_person())
    browser.agree()
    english = {} if "ui_locales" in path else {"Accept-Language": "en"}
    page = unescape(browser.get(path, headers=english).text)
    assert "housing service" in page
    assert "housing 服务" not in page
    asked = unescape(browser.get("/end_session?client_id=housing&ui_locales=en").text)
    assert asked.count("housing service") == 2
    assert "housing 服务" in browser.get("/sign-out").text
