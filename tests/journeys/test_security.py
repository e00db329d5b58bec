"""Ways to sign in: setting up and removing an authenticator app and recovery codes on the account's pages."""

import html
import re

import pytest
import sqlalchemy as sa

from accounts import evidence, phones
from accounts.credentials import recovery_codes, totp
from accounts.credentials.password import password_credentials
from accounts.database import Statement
from accounts.identifiers import Mobile
from idp.delivery.outbox import outbox
from tests.fixtures.authenticator_app import shown
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import Citizen, Site

SET_UP = "/account/security/authenticator"
CODES = re.compile(r'<code class="number">([0-9a-z-]{19})</code>')
REMOVE = "/account/security/authenticator/remove"


def log_in(site: Site, person: Citizen) -> Browser:
    browser = Browser(site)
    browser.get("/login")
    browser.log_in(person)
    return browser


def secret_on(browser: Browser) -> str:
    """The setup key that the page shows."""
    found = re.search(r'<code class="number secret">([A-Z2-7 ]+)</code>', browser.page.text)
    assert found, browser.page.text
    return html.unescape(found[1]).replace(" ", "")


def set_up(browser: Browser) -> str:
    """Sets up an authenticator app as a person does. Returns the app's secret."""
    browser.get(SET_UP)
    browser.submit(browser.page.form_with("answer=begin"), answer="begin")
    secret = secret_on(browser)
    browser.submit(browser.page.form_with("code"), code=shown(secret, browser.site.clock()), answer="confirm")
    return secret


def test_an_authenticator_is_set_up_with_its_first_code(site: Site):
    """The page shows picture, address and key; the first code finishes, and the session has two factors at once."""
    person = site.register_person()
    browser = log_in(site, person)
    before = browser.cookie("yitong")
    browser.get(SET_UP)
    browser.submit(browser.page.form_with("answer=begin"), answer="begin")
    secret = secret_on(browser)
    assert "<svg" in browser.page.text
    assert f"secret={secret}" in browser.page.text
    assert person.number not in browser.page.text
    browser.submit(browser.page.form_with("code"), code=shown(secret, site.clock()), answer="confirm")
    assert len(CODES.findall(browser.page.text)) == 10  # without them, a lost phone keeps the person out
    assert browser.page.headers["Cache-Control"] == "no-store"
    assert browser.cookie("yitong") != before
    assert browser.get("/account").status == 200


def test_the_person_is_told_of_every_change(database_url, clock):
    """A message goes to the verified phone when an authenticator is added, codes are renewed, and it is removed."""
    site = Site(database_url, clock, settings={"sandbox": True})
    person = site.register_person()
    with site.database.transaction() as c:
        phone = Mobile.parse("13900000011")
        phones.verify(c, site.services.people, person.id, phone, source="counter", now=clock(), actor=None)
    browser = log_in(site, person)
    set_up(browser)
    assert len(told(site)) == 1
    browser.get("/account/security")
    renew = next(form for form in browser.page.forms if form.action == "/account/security/recovery-codes")
    browser.submit(renew)
    assert len(told(site)) == 2
    browser.get("/account/security")
    browser.submit(next(form for form in browser.page.forms if form.action == REMOVE))
    assert len(told(site)) == 3
    site.database.close()


def told(site: Site) -> list[str]:
    """The messages that wait to say that a way to sign in has changed."""
    rows = site.database.connection().rows(Statement(sa.select(outbox.c.kind, outbox.c.sealed)))
    texts = [site.services.vault.open(row.sealed, place="outbox.sealed") for row in rows if row.kind == "sms"]
    return [text for text in texts if "刚刚改了登录方式" in text]


def test_a_wrong_first_code_sets_nothing_up(site: Site):
    """The page says that the code is wrong, keeps the same key, and a login needs no code."""
    person = site.register_person()
    browser = log_in(site, person)
    browser.get(SET_UP)
    browser.submit(browser.page.form_with("answer=begin"), answer="begin")
    secret = secret_on(browser)
    browser.submit(browser.page.form_with("code"), code="000000", answer="confirm")
    assert 'role="alert"' in browser.page.text
    assert secret_on(browser) == secret
    assert log_in(site, person).page.url.endswith("/account")


def test_a_change_needs_a_recent_login(site: Site, clock):
    """Twenty minutes after the login the person logs in again, and comes back to the page."""
    person = site.register_person()
    browser = log_in(site, person)
    for _ in range(3):
        clock.advance(minutes=7)
        browser.get("/account/security")
        browser.submit(next(form for form in browser.page.forms if form.action == "/session/extend"))
    assert browser.get(SET_UP).visited[-1] == "/login"
    assert "请再登录一次" in browser.page.text
    browser.log_in(person)
    assert browser.page.visited[-1] == SET_UP


@pytest.mark.parametrize("path", ["/account/security", SET_UP, "/account", "/account/security/recovery-codes", REMOVE])
def test_a_password_alone_reaches_no_page_of_the_account(site: Site, path: str):
    """Where an authenticator is set up, a session of a password alone is led to the second factor, from every page."""
    person = site.register_person()
    set_up(log_in(site, person))
    thief = log_in(site, person)
    thief.get("/second_factor")
    token = thief.page.form_with("code").fields["csrf_token"]
    answers = (thief.get(path), thief.post(path, {"csrf_token": token, "authenticator": "0" * 32}))
    assert {answer.visited[-1] for answer in answers if answer.status != 405} == {"/second_factor"}
    with site.database.transaction() as c:
        assert len(totp.of(c, person.id)) == 1
        assert recovery_codes.of(c, person.id).left == 10


def test_recovery_codes_are_shown_once(site: Site):
    """Ten codes stand on the page after the button, and nowhere afterwards."""
    browser = log_in(site, site.register_person())
    set_up(browser)
    browser.get("/account/security")
    form = next(f for f in browser.page.forms if f.action == "/account/security/recovery-codes")
    browser.submit(form)
    codes = CODES.findall(browser.page.text)
    assert len(codes) == 10
    assert browser.page.headers["Cache-Control"] == "no-store"
    browser.get("/account/security")
    assert not any(code in browser.page.text for code in codes)
    assert "还剩 10 个" in browser.page.text


def test_without_an_authenticator_there_are_no_recovery_codes(site: Site):
    """Codes for a second factor that nobody asks for are not made."""
    person = site.register_person()
    browser = log_in(site, person)
    browser.get("/account/security")
    token = browser.page.forms[0].fields["csrf_token"]
    assert browser.post("/account/security/recovery-codes", {"csrf_token": token}).status == 404
    assert recovery_codes.of(site.database.connection(), person.id) is None


def test_removing_the_last_authenticator_removes_the_recovery_codes(site: Site):
    """Afterwards a password is enough again, and the activity says what was removed."""
    person = site.register_person()
    browser = log_in(site, person)
    set_up(browser)
    browser.get("/account/security")
    browser.submit(next(f for f in browser.page.forms if f.action == "/account/security/recovery-codes"))
    browser.get("/account/security")
    browser.submit(next(f for f in browser.page.forms if f.action == REMOVE))
    assert "已经移除" in browser.page.text
    assert recovery_codes.of(site.database.connection(), person.id) is None
    assert log_in(site, person).page.url.endswith("/account")
    assert "移除了登录方式" in browser.get("/account/activity").text


def test_another_persons_authenticator_is_not_there(site: Site):
    """A form with somebody else's key removes nothing and answers 404."""
    first, second = site.register_person(1), site.register_person(2)
    set_up(log_in(site, first))
    theirs = totp.of(site.database.connection(), first.id)[0].id
    browser = log_in(site, second)
    set_up(browser)
    browser.get("/account/security")
    form = next(f for f in browser.page.forms if f.action == REMOVE)
    assert browser.submit(form, authenticator=theirs).status == 404
    assert totp.of(site.database.connection(), first.id)


def test_there_are_at_most_three_authenticators(site: Site, clock):
    """The fourth is refused with the way to make room."""
    browser = log_in(site, site.register_person())
    for _ in range(3):
        set_up(browser)
        clock.advance(seconds=60)
    browser.get(SET_UP)
    browser.submit(browser.page.form_with("answer=begin"), answer="begin")
    assert "最多设三个" in browser.page.text


def test_an_older_systems_password_sets_nothing_up(site: Site):
    """Whoever opened an older account under another's number cannot leave a factor of their own behind."""
    person = site.register_person()
    c = site.database.connection()
    c.execute(Statement(sa.update(password_credentials).values(origin="adopted")))
    c.execute(Statement(sa.delete(evidence.evidence)))
    browser = log_in(site, person)
    browser.get(SET_UP)
    browser.submit(browser.page.form_with("answer=begin"), answer="begin")
    assert "旧系统的密码" in browser.page.text
    with site.database.transaction() as c:
        assert totp.of(c, person.id) == ()
        c.execute(Statement(sa.update(password_credentials).values(origin="chosen")))
    assert set_up(browser)
