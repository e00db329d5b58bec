"""A login from a browser that is new to the person is told to them, and "not me" ends it."""

import re

import pytest
import sqlalchemy as sa

from accounts import phones
from accounts.database import Statement
from accounts.identifiers import Mobile
from idp.delivery.outbox import outbox
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import Site


@pytest.fixture
def person(site: Site, browser: Browser):
    """A person who has used this browser for days."""
    found = site.register_person()
    browser.get("/login")
    browser.log_in(found)
    site.clock.advance(days=2)
    browser.get("/login")
    browser.log_in(found)
    return found


def stranger(site: Site, person, address: str = "/login") -> Browser:
    """Another browser, in which somebody knows the password."""
    other = Browser(site, source="198.51.100.7")
    other.get(address)
    other.log_in(person)
    return other


def asked(browser: Browser, answer: str):
    page = browser.get("/account/devices/new")
    return browser.submit(next(form for form in page.forms if form.action.endswith(f"/{answer}")))


def test_a_known_browser_is_no_news(browser: Browser, person):
    """Whoever logs in where they did before sees no notice, nor does anybody on the day of their first password."""
    assert "新的设备" not in browser.get("/account").text


def test_not_me_ends_that_session_and_leads_to_the_password(site: Site, browser: Browser, person):
    """The notice names device and network; "not me" signs the stranger out and says to change the password."""
    other = stranger(site, person)
    shown = browser.get("/account").text
    assert "有新的设备登录过您的账号" in shown
    assert "198.51.100.7" in shown
    done = asked(browser, "not-mine")
    assert "请马上更换密码" in done.text
    assert other.get("/account").visited[-1] == "/login"
    assert browser.get("/account").visited == ("/account",)
    assert "新的设备" not in browser.get("/account").text


def test_me_ends_the_notice_and_nothing_else(site: Site, browser: Browser, person):
    """ "It was me" keeps that session and is not asked again."""
    other = stranger(site, person)
    asked(browser, "mine")
    assert "新的设备" not in browser.get("/account").text
    assert other.get("/account").visited == ("/account",)


def test_who_signed_out_again_is_told_of_all_the_same(site: Site, browser: Browser, person):
    """A session that has ended stays in the notice."""
    other = stranger(site, person)
    other.submit(other.get("/sign-out").form_with("answer=sign_out"), answer="sign_out")
    assert "有新的设备登录过您的账号" in browser.get("/account").text
    assert "请马上更换密码" in asked(browser, "not-mine").text


def test_the_new_browser_itself_is_asked_nothing(site: Site, browser: Browser, person):
    """A thief sees no notice about their own login, and cannot answer it as not theirs."""
    other = stranger(site, person)
    assert "新的设备" not in other.get("/account").text


def test_a_login_to_a_service_counts_too(site: Site, browser: Browser, housing: RelyingParty, person):
    """The shortest way through a login marks the session as well."""
    browser.get(housing.start())
    browser.agree()
    stranger(site, person, housing.start())
    assert "有新的设备登录过您的账号" in browser.get("/account").text


@pytest.mark.parametrize(("sandbox", "told"), [(True, 1), (False, 0)])
def test_the_verified_phone_is_told_where_there_is_a_gateway(database_url, clock, sandbox, told):
    """With a gateway one sealed message waits in the outbox, without one none; the text names no number."""
    site = Site(database_url, clock, settings={"sandbox": sandbox})
    person, services = site.register_person(), site.services
    with site.database.transaction() as c:
        phone = Mobile.parse("13900000011")
        phones.verify(c, services.people, person.id, phone, source="hall", now=clock(), actor=None)
    clock.advance(days=2)
    stranger(site, person)
    rows = [row for row in site.database.connection().rows(Statement(sa.select(outbox))) if row.kind == "sms"]
    assert len(rows) == told
    for row in rows:
        text = services.vault.open(row.sealed, place="outbox.sealed")
        assert "新的设备上登录" in text
        assert re.search(r"5199990{0,1}\d{8}", text) is None
    site.database.close()
