"""The phones of an account: added with a code after a recent login, told to the others, never a way into another."""

import pytest

from accounts.identifiers import Mobile
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import Site
from tests.journeys.test_phone_login import CODE, OTHER, PHONE, ask, delivered, enter, site, verified

__all__ = ["site"]  # the fixture with a sandbox
NEW = "13900000003"


@pytest.fixture
def person(site: Site):
    made = site.register_person()
    verified(site, made)
    return made


def signed_in(site: Site, person) -> Browser:
    browser = Browser(site)
    browser.get("/login")
    browser.log_in(person)
    return browser


def adding(browser: Browser, phone: str, shared: str = "no"):
    """The form that adds a phone, not the one that removes it."""
    page = browser.get("/account/phones")
    form = next(form for form in page.forms if form.action == "/account/phones")
    return browser.submit(form, phone=phone, shared=shared)


def numbers(site: Site, person) -> list[str]:
    c = site.database.connection()
    return [Mobile(each.canonical).visible for each in site.services.people.phones(c, person.id) if each.verified_at]


def test_a_new_phone_is_added_with_its_code_and_the_old_one_is_told(site: Site, person):
    """The code goes to the new phone; afterwards the old one gets a message without any whole number."""
    browser = signed_in(site, person)
    page = adding(browser, NEW)
    assert page.url.endswith("/account/phones/code")
    (code,) = delivered(site)
    assert ("139****0003" in page.text, "登记这个手机号" in code.text) == (True, True)
    page = enter(browser, CODE.search(code.text)[0])
    assert (page.url.endswith("/account/phones"), "手机号已经添加" in page.text) == (True, True)
    assert numbers(site, person) == [PHONE, NEW]
    told = delivered(site)[0]
    assert (told.phone[-1], "139****0003" in told.text, "96196" in told.text) == ("1", True, True)


def test_a_wrong_code_adds_nothing(site: Site, person):
    """After three wrong codes the right one adds nothing either."""
    browser = signed_in(site, person)
    adding(browser, NEW)
    code = CODE.search(delivered(site)[0].text)[0]
    for _ in range(3):
        enter(browser, f"{(int(code) + 1) % 10**6:06}")
    enter(browser, code)
    assert numbers(site, person) == [PHONE]


def test_a_reissued_number_moves_and_opens_no_other_account(site: Site, person):
    """The new holder verifies it: the former account keeps everything else, is told, and is not opened by it."""
    verified(site, person, OTHER)
    now = site.register_person(2)
    browser = signed_in(site, now)
    adding(browser, PHONE)
    enter(browser, CODE.search(delivered(site)[0].text)[0])
    assert (numbers(site, person), numbers(site, now)) == ([OTHER], [PHONE])
    told = delivered(site)[0]
    assert (told.phone[-1], "139****0001" in told.text) == ("2", True)
    assert signed_in(site, person).get("/account").status == 200
    stranger, sent = Browser(site), len(delivered(site))
    ask(stranger, PHONE, person.number[-4:])
    assert len(delivered(site)) == sent


def test_a_family_shares_a_phone(site: Site, person):
    """Whoever says that the phone is shared takes it from nobody."""
    wife = site.register_person(2)
    browser = signed_in(site, wife)
    adding(browser, PHONE, "yes")
    enter(browser, CODE.search(delivered(site)[0].text)[0])
    assert (numbers(site, person), numbers(site, wife)) == ([PHONE], [PHONE])


@pytest.mark.parametrize("by", ["an old login", "a code alone"])
def test_a_change_needs_a_recent_login_by_more_than_a_code(site: Site, person, by: str):
    """Twenty minutes after the login, and after a login by a code alone, the person logs in again first."""
    if by == "an old login":
        browser = signed_in(site, person)
        for _ in range(2):
            site.clock.advance(minutes=10, seconds=30)
            forms = browser.get("/account/phones").forms
            browser.submit(next(form for form in forms if form.action == "/session/extend"))
    else:
        browser = Browser(site)
        ask(browser, PHONE, person.number[-4:])
        enter(browser, CODE.search(delivered(site)[0].text)[0])
    page = adding(browser, NEW)
    assert ("/login" in page.url, "请再登录一次" in page.text) == (True, True)
    assert browser.log_in(person).url.endswith("/account/phones")
    assert "139****0003" in adding(browser, NEW).text


def test_a_removed_phone_is_told_and_only_ones_own_can_be_removed(site: Site, person):
    """A mark of another session removes nothing."""
    other = site.register_person(2)
    verified(site, other, OTHER)
    theirs = signed_in(site, other).get("/account/phones").form_with("phone").fields["phone"]
    browser = signed_in(site, person)
    form = browser.get("/account/phones").form_with("phone")
    browser.submit(form, phone=theirs)
    assert (numbers(site, person), numbers(site, other)) == ([PHONE], [OTHER])
    form = browser.get("/account/phones").form_with("phone")
    assert form.action == "/account/phones/remove"
    page = browser.submit(form)
    assert (numbers(site, person), "手机号已经移除" in page.text) == ([], True)
    assert "不再使用手机号139****0001" in delivered(site)[0].text


def test_what_is_missing_is_named(site: Site, person):
    """No phone and no choice: both are on top, and nothing is sent."""
    page = adding(signed_in(site, person), "not a phone", "")
    assert ("手机号不对" in page.text, "请选择谁在用" in page.text, delivered(site)) == (True, True, [])
