"""A person's own pages: seeing, ending and withdrawing, each for their own data only."""

import re
from html import unescape

import pytest

from idp.login import sessions
from idp.oidc.consent import consents
from tests.fixtures.relying_party import Browser, Form, Page, RelyingParty
from tests.fixtures.site import Site


@pytest.fixture
def signed_in(site: Site, browser: Browser, housing: RelyingParty):
    """A person who has consented to one service."""
    person = site.register_person()
    browser.get(housing.start())
    browser.log_in(person)
    browser.agree()
    return person


def test_account_asks_for_a_login_and_comes_back(site: Site, browser: Browser):
    """After the login a person sees the page they asked for, with their name masked."""
    person = site.register_person()
    assert browser.get("/").visited == ("/", "/account", "/login")
    asked = browser.get("/account")
    assert asked.visited == ("/account", "/login")
    shown = browser.log_in(person)
    assert shown.visited == ("/login", "/account")
    assert "欧**娜" in shown.text
    assert "欧阳娜娜" not in shown.text
    assert person.number not in shown.text


def test_wrong_and_unknown_look_the_same_and_repeat_nothing(site: Site, browser: Browser, housing: RelyingParty):
    """A wrong password and an unknown number get the same page, after a redirect, without what was typed."""
    person, pages = site.register_person(), []
    for number in (person.number, "nobody-of-this-name"):
        browser.get(housing.start())
        assert browser.page is not None
        form = browser.page.form_with("identifier", "password")
        shown = browser.submit(form, identifier=number, password="not this one", answer="login")
        assert shown.visited == (form.action, form.action)
        assert number not in shown.text
        said = shown.text.replace(shown.form_with("password").fields["csrf_token"], "")  # random for every page
        said = said.replace(form.action, "")  # and so is the request
        pages.append([line for line in said.splitlines() if "summary" in line or "wrong" in line or "<li>" in line])
    assert pages[0] == pages[1]


def test_empty_form_is_told_field_by_field(browser: Browser, housing: RelyingParty):
    """Each empty field has its own message, and no attempt is counted."""
    browser.get(housing.start())
    assert browser.page is not None
    shown = browser.submit(browser.page.form_with("identifier"), answer="login")
    assert 'href="#identifier"' in shown.text
    assert 'href="#password"' in shown.text


def test_empty_answer_agrees_to_nothing(site: Site, browser: Browser, housing: RelyingParty):
    """A consent form without a pressed button, or with another form's button, is shown again."""
    person = site.register_person()
    browser.get(housing.start())
    page = browser.log_in(person)
    for fields in ({}, {"answer": "acknowledge"}, {"answer": ""}):
        page = browser.submit(page.form_with("answer=agree"), **fields)
        assert page.visited[-1].startswith("/consent/")
        with site.database.transaction() as c:
            assert consents.of_person(c, person.id) == ()


def test_statutory_duty_is_told_not_asked(site: Site, browser: Browser):
    """For a statutory duty the page has one button and names the legal basis; it offers no refusal."""
    party = RelyingParty(site, site.register_client("tax", legal_basis="statutory_duty"))
    browser.get(party.start())
    page = browser.log_in(site.register_person())
    assert "依法履行法定职责" in page.text
    assert page.form_with("answer=acknowledge").buttons == [("answer", "acknowledge")]
    assert browser.agree().url.startswith("https://tax.example/callback?")


def _ending(page: Page) -> Form:
    """The form that ends another session."""
    return next(form for form in page.forms if form.action.endswith("/end"))


def test_other_device_is_signed_out_from_here(site: Site, browser: Browser, signed_in):
    """“This is not me” ends that session and keeps this one."""
    other = Browser(site, source="203.0.113.9")
    other.get("/account")
    other.log_in(signed_in)
    shown = browser.submit(_ending(browser.get("/account/devices")))
    assert "那个设备已经退出。" in shown.text
    assert other.get("/account").visited == ("/account", "/login")
    assert browser.get("/account").visited == ("/account",)


def test_what_was_done_is_said_first(site: Site, browser: Browser, signed_in):
    """The title after a change begins with the result, so screen readers read it first."""
    other = Browser(site)
    other.get("/account")
    other.log_in(signed_in)
    shown = browser.submit(_ending(browser.get("/account/devices")))
    assert "<title>那个设备已经退出。" in shown.text
    assert "<title>登录的设备" in browser.get("/account/devices").text


@pytest.mark.parametrize(
    ("days", "told"),
    [(0, "今天 "), (1, "昨天 "), (2, r"\d+月\d+日 "), (400, r"20\d\d年\d+月\d+日 ")],
)
def test_days_are_named_as_people_name_them(site: Site, browser: Browser, signed_in, days, told):
    """Events of today and yesterday say so, older ones have a date, and a year if it is another one."""
    site.clock.advance(days=days)
    browser.get("/account/activity")
    page = browser.log_in(signed_in) if days else browser.get("/account/activity")
    agreed = page.text.partition("确认向服务提供信息")[2].partition("</li>")[0]
    assert re.search(rf'<p class="meta"><span class="whole">{told}\d\d:\d\d', agreed)


def test_one_login_is_one_line(site: Site, browser: Browser, signed_in):
    """The activities list each login once, with its method."""
    shown = browser.get("/account/activity").text
    assert shown.count("使用密码登录") == 1
    assert "登录成功" not in shown


def test_another_persons_session_is_not_mine_to_end(site: Site, browser: Browser, signed_in):
    """A session id of another person changes nothing."""
    other = Browser(site)
    other.get("/account")
    stranger = site.register_person(2)
    other.log_in(stranger)
    with site.database.transaction() as c:
        theirs = sessions.of_person(c, stranger.id, site.clock())[0]
    form = browser.get("/account").form_with("view=elder")
    refused = browser.post(f"/account/devices/{theirs.id}/end", {"csrf_token": form.fields["csrf_token"]})
    assert refused.status == 404
    assert other.get("/account").visited == ("/account",)


def test_consent_is_withdrawn_where_it_was_given(site: Site, browser: Browser, housing: RelyingParty, signed_in):
    """After a withdrawal the service asks again."""
    page = browser.get("/account/services")
    assert "housing 服务" in page.text
    shown = browser.submit(next(form for form in page.forms if form.action.endswith("/withdraw")))
    assert "已经收回" in shown.text
    assert "housing 服务" not in shown.text
    assert browser.get(housing.start()).visited[-1].startswith("/consent/")


def test_statutory_grant_is_not_withdrawn_by_a_forged_form(site: Site, browser: Browser):
    """A statutory grant has no button, and a forged form does not end it either."""
    party = RelyingParty(site, site.register_client("tax", legal_basis="statutory_duty"))
    person = site.register_person()
    browser.get(party.start())
    browser.log_in(person)
    browser.agree()
    page = browser.get("/account/services")
    assert "/withdraw" not in page.text
    with site.database.transaction() as c:
        grant = consents.of_person(c, person.id)[0].grant_id
    token = page.form_with("view=elder").fields["csrf_token"]
    assert browser.post(f"/account/services/{grant}/withdraw", {"csrf_token": token}).status == 404
    assert browser.get(party.start()).url.startswith("https://tax.example/callback?")


def test_sign_out_is_confirmed_and_complete(browser: Browser, signed_in):
    """“Stay” keeps the session; signing out names the services, ends the session and confirms it."""
    page = browser.get("/sign-out")
    assert "housing 服务" in page.text
    assert browser.submit(page.form_with("answer=stay"), answer="stay").visited[-1] == "/account"
    page = browser.get("/sign-out")
    assert browser.submit(page.form_with("answer=sign_out"), answer="sign_out").visited[-1] == "/signed-out"
    assert browser.get("/account").visited == ("/account", "/login")


def test_preferences_hold_before_the_login(browser: Browser, housing: RelyingParty):
    """The large-text view and English chosen on the login page return to it and stay in effect."""
    page = browser.get(housing.start())
    page = browser.submit(page.form_with("view=elder"), view="elder")
    assert 'data-view="elder"' in page.text
    page = browser.submit(page.form_with("language=en"), language="en")
    assert page.visited[-1].startswith("/login/")
    assert '<html lang="en" data-view="elder">' in page.text
    assert "housing service" in page.text


def _choices(page: Page) -> Form:
    """The form with both choices; the others are single buttons."""
    return next(form for form in page.forms if form.action == "/preferences" and not form.buttons)


def test_preferences_lead_back_into_the_login(browser: Browser, housing: RelyingParty):
    """Saving the preferences in the middle of a login returns to the login."""
    start = browser.get(housing.start())
    (there,) = re.findall(r'href="(/preferences[^"]*)"', start.text)
    page = browser.submit(_choices(browser.get(unescape(there))), view="largest", language="zh-CN")
    assert page.url == start.url
    assert 'data-view="largest"' in page.text
    (there,) = re.findall(r'href="(/preferences[^"]*)"', browser.get("/login?next=/account%3Fa%3D1%26b%3D2").text)
    assert _choices(browser.get(unescape(there))).fields["next"] == "/login?next=/account%3Fa%3D1%26b%3D2"


def test_unknown_preferences_change_nothing(browser: Browser):
    """An unknown view or language sets no cookie, and a foreign return address is not followed."""
    form = browser.get("/preferences").form_with("view=elder")
    shown = browser.submit(form, view="huge", language="xx", next="//evil.example/")
    assert (browser.cookie("yt_view"), browser.cookie("yt_lang")) == (None, None)
    assert shown.visited[-1] == "/preferences"


def test_page_follows_the_clients_language_until_the_reader_chooses(browser: Browser, housing: RelyingParty):
    """`ui_locales` applies to a reader who has not chosen a language."""
    assert '<html lang="en"' in browser.get(housing.start(ui_locales="en zh-CN")).text


def test_what_went_wrong_is_said_once(site: Site, browser: Browser, housing: RelyingParty):
    """The page after a wrong password says so; loading it again does not."""
    page = browser.get(housing.start())
    assert "号码或密码不对" in browser.log_in(site.register_person(), "not this one").text
    assert "号码或密码不对" not in browser.get(page.url).text


def test_a_page_rendered_before_is_this_readers_page(site: Site, housing: RelyingParty, social: RelyingParty):
    """The cached login page never has another reader's request, service, language, view, token or nonce."""
    first, second = Browser(site), Browser(site)
    one, other = first.get(housing.start()), second.get(housing.start())
    tokens = {page.form_with("password").fields["csrf_token"] for page in (one, other, first.get(one.url))}
    assert len(tokens) == 3
    assert one.form_with("password").action in one.url
    assert other.form_with("password").action in other.url
    assert "fill-" not in one.text + other.text
    nonces = {
        page.headers["Content-Security-Policy"].partition("'nonce-")[2].partition("'")[0] for page in (one, other)
    }
    assert len(nonces) == 2
    assert all(any(f'nonce="{nonce}"' in page.text for page in (one, other)) for nonce in nonces)
    assert "housing 服务" in one.text
    elsewhere = first.get(social.start(ui_locales="en"))
    assert 'lang="en"' in elsewhere.text.split("<head>")[0]
    assert "social service" in elsewhere.text
    escaped = first.get("/login?next=/account%3Fa%3D1%26b%3D2")
    assert 'name="next" value="/account?a=1&amp;b=2"' in escaped.text
