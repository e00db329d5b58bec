"""Passkeys on the pages, with a device of software: add one, log in with it, remove it, and what is refused."""

import html
import re

import pytest

from accounts.credentials import password as passwords
from accounts.credentials.passkeys.challenges import spent_challenges
from accounts.credentials.passkeys.passkey_store import passkeys as table
from idp.login import person_status
from tests.fixtures.authenticator import BOUND, Authenticator
from tests.fixtures.relying_party import Browser, Page, RelyingParty, id_token_claims
from tests.fixtures.restrictions import restrict
from tests.fixtures.site import Citizen, Site
from tests.journeys.test_safe_methods import everything
from tests.journeys.test_security import set_up

ADD, LIST = "/account/passkeys/add", "/account/passkeys"
AAL3 = '{"id_token": {"acr": {"essential": true, "values": ["urn:yitong:ial3:aal3"]}}}'
AAL2 = '{"id_token": {"acr": {"essential": true, "values": ["urn:yitong:ial3:aal2"]}}}'


@pytest.fixture
def person(site: Site) -> Citizen:
    return site.register_person()


@pytest.fixture
def device() -> Authenticator:
    return Authenticator()


def log_in(browser: Browser, person: Citizen, path: str = "/account") -> Page:
    browser.get(path)
    return browser.log_in(person)


def add(browser: Browser, device: Authenticator) -> Page:
    """Fills in the form of the open page as its script does."""
    page = browser.get(ADD)
    form = page.form_with("user_handle")
    return browser.submit(form, credential=device.register(form.fields["challenge"], form.fields["user_handle"]))


def use(browser: Browser, device: Authenticator, page: Page | None = None) -> Page:
    """The second form of the login page, as its script sends it."""
    form = (page or browser.page).form_with("credential")
    return browser.submit(form, credential=device.sign(form.fields["challenge"]))


@pytest.fixture
def holder(site: Site, browser: Browser, person: Citizen, device: Authenticator) -> Citizen:
    """The person after adding a passkey; the browser has forgotten its session."""
    log_in(browser, person)
    assert add(browser, device).visited[-1] == LIST
    browser.http.delete_cookie("yitong")
    return person


def said(page: Page) -> str:
    """The text of the page without its tags."""
    return html.unescape(re.sub(r"<[^>]+>", " ", page.text))


def test_a_person_adds_a_passkey_and_logs_in_without_a_name(
    browser: Browser, holder: Citizen, device: Authenticator, housing: RelyingParty
):
    """In a client's request nothing is typed, and the client gets AAL2 and how it was reached."""
    browser.get(housing.start(claims=AAL2))
    use(browser, device)
    told = id_token_claims(housing.redeem(browser.agree()))
    assert (told["amr"], told["acr"]) == (["swk", "mfa"], "urn:yitong:ial3:aal2")


def test_a_key_that_stays_in_its_device_is_aal3(browser: Browser, person: Citizen, housing: RelyingParty):
    """A service reads `hwk` and AAL3."""
    device = Authenticator(flags=BOUND, count=1)
    log_in(browser, person)
    add(browser, device)
    browser.http.delete_cookie("yitong")
    browser.get(housing.start(claims=AAL3))
    use(browser, device)
    told = id_token_claims(housing.redeem(browser.agree()))
    assert (told["amr"], told["acr"]) == (["hwk", "mfa"], "urn:yitong:ial3:aal3")


def test_a_second_login_goes_straight_to_the_service(
    browser: Browser, holder: Citizen, device: Authenticator, housing: RelyingParty
):
    """Whoever has agreed before sees no other page between the device and the service."""
    browser.get(housing.start())
    use(browser, device)
    browser.agree()
    browser.http.delete_cookie("yitong")
    browser.get(housing.start())
    page = use(browser, device)
    assert page.url.startswith("https://housing.example/callback")
    assert id_token_claims(housing.redeem(page))["sub"]


def test_a_form_post_client_gets_its_answer(
    browser: Browser, holder: Citizen, device: Authenticator, housing: RelyingParty
):
    """The page that posts itself is reached by GET, as after a password."""
    browser.get(housing.start(response_mode="form_post"))
    use(browser, device)
    assert browser.agree().form_with("code").action == "https://housing.example/callback"


def test_the_login_page_of_our_own_leads_where_the_person_wanted(
    browser: Browser, holder: Citizen, device: Authenticator
):
    """`next` is followed within this site, and nowhere else."""
    browser.get("/login?next=/account/passkeys")
    assert use(browser, device).visited[-1] == LIST
    browser.http.delete_cookie("yitong")
    form = browser.get("/login").form_with("credential")
    signed = device.sign(form.fields["challenge"])
    page = browser.post("/login/passkey", form.fields | {"credential": signed, "next": "//evil.example/"})
    assert page.visited[-1] == "/account"


def test_a_browser_is_known_after_a_passkey(site: Site, browser: Browser, holder: Citizen, device: Authenticator):
    """The person's next password in this browser has a counter that strangers cannot fill."""
    browser.http.delete_cookie("yt_known")
    browser.get("/login")
    use(browser, device)
    browser.http.delete_cookie("yitong")
    for n in range(30):
        stranger = Browser(site, source=f"198.51.100.{n}")
        stranger.get("/login")
        stranger.log_in(holder, "wrong")
    assert log_in(browser, holder).visited[-1] == "/account"


def test_a_browser_that_is_new_is_told_to_the_person(
    site: Site, browser: Browser, holder: Citizen, device: Authenticator
):
    """A login with a passkey from an unknown browser is asked about in a browser that the person used before."""
    site.clock.advance(days=2)
    other = Browser(site, source="198.51.100.7")
    use(other, device, other.get("/login"))
    use(browser, device, browser.get("/login"))
    assert "有新的设备登录过您的账号" in browser.get("/account").text


def test_a_restricted_person_reaches_their_own_account(
    site: Site, browser: Browser, holder: Citizen, device: Authenticator
):
    """A passkey opens the page that says why, as a password does."""
    restrict(site, holder)
    assert use(browser, device, browser.get("/login")).url.endswith("/account")
    assert "泸公限字" in browser.get("/account/restriction").text


def test_the_activity_shows_what_was_done(browser: Browser, holder: Citizen, device: Authenticator):
    """Adding, logging in and removing are on the account page."""
    browser.get("/account")
    use(browser, device)
    assert "使用通行密钥登录" in said(browser.get("/account/activity"))
    page = browser.get(LIST)
    assert "会同步到您的其他设备" in page.text
    removed = browser.submit(page.form_with("passkey"))
    assert "通行密钥已经移除" in removed.text
    shown = said(browser.get("/account/activity"))
    assert "添加了登录方式" in shown
    assert "移除了登录方式" in shown


def test_a_removed_passkey_and_an_unknown_one_get_one_answer(
    site: Site, browser: Browser, holder: Citizen, device: Authenticator
):
    """The page says the same for a passkey that is gone, of nobody, or that signed something else."""
    site.register_person(2)
    browser.get("/login")
    use(browser, device)
    browser.submit(browser.get(LIST).form_with("passkey"))
    browser.http.delete_cookie("yitong")
    texts = []
    for each in (device, Authenticator(user_handle=device.user_handle), Authenticator(origin="https://evil.example")):
        browser.get("/login")
        page = use(browser, each)
        assert page.visited == ("/login/passkey", "/login")
        texts.append(re.sub(r'(value|data-challenge|nonce|action)="[^"]*"', "", page.text))
    assert len({*texts}) == 1
    assert "通行密钥没有用成" in texts[0]


def test_the_page_names_no_credential(site: Site, browser: Browser, holder: Citizen, device: Authenticator):
    """The login page is the same whether anybody has a passkey or not, and loading it stores nothing."""
    before = everything(site.database)
    page = browser.get("/login")
    assert everything(site.database) == before
    assert device.user_handle not in page.text
    assert "allowCredentials" not in page.text
    assert page.form_with("credential").fields["credential"] == ""


def test_a_login_answered_in_another_browser_signs_nobody_in(
    site: Site, browser: Browser, holder: Citizen, device: Authenticator
):
    """A challenge that a phisher loaded is worth nothing in the browser that it was loaded for, and the reverse."""
    theirs = Browser(site, source="198.51.100.9")
    lured = theirs.get("/login").form_with("credential").fields["challenge"]
    form = browser.get("/login").form_with("credential")
    page = browser.submit(form, challenge=lured, credential=device.sign(lured))
    assert "这一页打开太久了" in page.text
    assert browser.cookie("yitong") is None


def test_a_challenge_of_one_request_answers_no_other(
    browser: Browser, holder: Citizen, device: Authenticator, housing: RelyingParty, social: RelyingParty
):
    """What was signed for one service's request signs in at no other, nor at our own page."""
    first = browser.get(housing.start()).form_with("credential").fields["challenge"]
    signed = device.sign(first)
    for start in (social.start(), "/login"):
        page = browser.submit(browser.get(start).form_with("credential"), challenge=first, credential=signed)
        assert "这一页打开太久了" in page.text


def test_an_answer_sent_twice_signs_in_once(browser: Browser, holder: Citizen, device: Authenticator):
    """A copy of the form opens no second session."""
    form = browser.get("/login").form_with("credential")
    signed = device.sign(form.fields["challenge"])
    assert browser.submit(form, credential=signed).visited[-1] == "/account"
    browser.http.delete_cookie("yitong")
    assert "通行密钥没有用成" in browser.submit(form, credential=signed).text


def test_a_page_that_was_open_too_long_says_so(browser: Browser, holder: Citizen, device: Authenticator, site: Site):
    """After five minutes the person presses once more, on a page that has a new challenge."""
    browser.get("/login")
    site.clock.advance(minutes=5)
    assert "这一页打开太久了" in use(browser, device).text
    assert use(browser, device).visited[-1] == "/account"


def test_a_disabled_person_is_not_let_in(site: Site, browser: Browser, holder: Citizen, device: Authenticator):
    """The answer is that of an unknown passkey, and the record says why."""
    with site.database.transaction() as c:
        person_status.change(c, site.services.people, holder.id, "disabled", actor="test", now=site.clock())
    browser.get("/login")
    assert "通行密钥没有用成" in use(browser, device).text
    assert browser.cookie("yitong") is None


def test_a_copied_key_is_refused_and_shown(site: Site, browser: Browser, person: Citizen):
    """A counter that went back signs nobody in; the person sees the refused login."""
    device = Authenticator(flags=BOUND, count=7)
    log_in(browser, person)
    add(browser, device)
    browser.http.delete_cookie("yitong")
    form = browser.get("/login").form_with("credential")
    page = browser.submit(form, credential=device.sign(form.fields["challenge"], count=7))
    assert "通行密钥没有用成" in page.text
    browser.get("/login")
    use(browser, device)
    assert "使用通行密钥登录（被拒绝）" in said(browser.get("/account/activity"))


def test_an_old_login_adds_nothing(site: Site, browser: Browser, person: Citizen, device: Authenticator):
    """Twenty minutes after the login the person logs in again, and comes back to where they were."""
    log_in(browser, person)
    form = browser.get(ADD).form_with("user_handle")
    for _ in range(2):
        site.clock.advance(minutes=10, seconds=1)
        browser.submit(browser.get("/account").form_with("next=/account", "csrf_token"))
        browser.post("/session/extend", {"csrf_token": form.fields["csrf_token"], "next": "/account"})
    signed = device.register(form.fields["challenge"], form.fields["user_handle"])
    assert browser.submit(form, credential=signed).visited[-1] == "/login"
    page = browser.get(ADD)
    assert page.visited[-1] == "/login"
    assert "请再登录一次" in page.text
    assert browser.log_in(person).visited[-1] == ADD


def test_a_password_alone_changes_nothing_that_is_stronger(browser: Browser, holder: Citizen, device: Authenticator):
    """Whoever learned the password neither adds a key of their own nor removes the owner's."""
    log_in(browser, holder)
    form = browser.get(LIST).form_with("passkey")
    for path in (ADD, "/account/security/authenticator"):
        assert browser.get(path).visited[-2:] == ("/second_factor", "/second_factor/passkey")
    assert browser.submit(form).visited[-1] == "/second_factor/passkey"
    browser.get(ADD)
    assert use(browser, device).visited[-1] == ADD
    assert browser.submit(form).visited[-1] == LIST


def test_a_passkey_is_the_second_factor_that_a_service_asks_for(
    browser: Browser, holder: Citizen, device: Authenticator, housing: RelyingParty
):
    """After the password the page asks for the passkey, and the client reads both."""
    browser.get(housing.start(claims=AAL2))
    page = browser.log_in(holder)
    assert page.visited[-1].startswith("/second_factor/")
    assert page.visited[-1].endswith("/passkey")
    use(browser, device)
    told = id_token_claims(housing.redeem(browser.agree()))
    assert (told["amr"], told["acr"]) == (["pwd", "swk", "mfa"], "urn:yitong:ial3:aal2")


def test_the_passkey_of_another_person_is_no_second_factor(
    site: Site, browser: Browser, holder: Citizen, device: Authenticator, housing: RelyingParty
):
    """Whoever learned a password cannot confirm it with a device of their own, nor with what it signed elsewhere."""
    other, own = Browser(site), Authenticator()
    log_in(other, site.register_person(2))
    add(other, own)
    lured = browser.get("/login").form_with("credential").fields["challenge"]
    browser.get(housing.start(claims=AAL2))
    form = browser.log_in(holder).form_with("credential", "challenge")
    assert "通行密钥没有用成" in use(browser, own).text
    refused = browser.submit(form, challenge=lured, credential=device.sign(lured))
    assert "这一页打开太久了" in refused.text
    assert refused.form_with("answer=cancel")
    assert "access_denied" in browser.submit(refused.form_with("answer=cancel")).url


def test_a_person_chooses_among_their_second_factors(
    site: Site, browser: Browser, holder: Citizen, device: Authenticator
):
    """With an authenticator app and a passkey, each page leads to the other."""
    browser.get("/login")
    use(browser, device)
    set_up(browser)
    browser.http.delete_cookie("yitong")
    page = log_in(browser, holder)
    assert page.visited[-1] == "/second_factor"
    (link,) = re.findall(r'href="(/second_factor/passkey[^"]*)"', page.text)
    page = browser.get(html.unescape(link))
    (back,) = re.findall(r'href="(/second_factor\?[^"]*)"', page.text)
    assert browser.get(html.unescape(back)).form_with("code")
    browser.get(html.unescape(link))
    assert use(browser, device).visited[-1] == "/account"


def test_a_passkey_of_somebody_else_is_not_found(site: Site, browser: Browser, holder: Citizen, device: Authenticator):
    """Removing it is answered like removing one that never was, and it stays."""
    browser.get("/login")
    use(browser, device)
    theirs = browser.get(LIST).form_with("passkey")
    other, second = Browser(site), Authenticator()
    log_in(other, site.register_person(2))
    add(other, second)
    other.get("/login")
    use(other, second)
    own = other.get(LIST).form_with("passkey")
    assert own.action == "/account/passkeys/remove"
    for chosen in (theirs.fields["passkey"], "f" * 32, ""):
        assert other.submit(own, passkey=chosen).status == 404
    assert browser.get(LIST).form_with("passkey").fields["passkey"] == theirs.fields["passkey"]


def test_the_last_way_to_log_in_stays(site: Site, browser: Browser, holder: Citizen, device: Authenticator):
    """Without a password the page says why nothing was removed."""
    with site.database.transaction() as c:
        passwords.forget(c, holder.id)
    browser.get("/login")
    use(browser, device)
    assert "这是您唯一的登录方式" in browser.submit(browser.get(LIST).form_with("passkey")).text
    assert "请先设置密码" in browser.get(ADD).text


def test_no_passkeys_where_browsers_make_none(database_url: str, clock):
    """At an address of numbers no page offers one, and what is sent there is refused."""
    site = Site(database_url, clock, issuer="http://192.0.2.1:8000")
    browser = Browser(site)
    page = browser.get("/login")
    assert "passkey" not in page.text
    fields = {"csrf_token": page.form_with("identifier").fields["csrf_token"], "credential": "{}"}
    assert "通行密钥没有用成" in browser.post("/login/passkey", fields).text
    log_in(browser, site.register_person())
    assert browser.get(ADD).status == 404
    assert ADD not in browser.get(LIST).text
    site.database.close()


def test_a_login_with_a_passkey_costs_few_statements(
    site: Site, browser: Browser, holder: Citizen, device: Authenticator, housing: RelyingParty
):
    """The step needs three statements beside those of every login: who it is, the challenge, the counter."""
    browser.get(housing.start())
    use(browser, device)
    browser.agree()
    counts = []
    for sign in (lambda: browser.log_in(holder), lambda: use(browser, device)):
        browser.http.delete_cookie("yitong")
        browser.get(housing.start())
        asked: list[int] = []
        site.database.count = lambda asked=asked: asked.append(1)
        assert sign().url.startswith("https://housing.example/callback")
        counts.append(len(asked))
    by_password, by_passkey = counts
    assert by_passkey <= by_password + 2


def test_rows_are_what_was_used(site: Site, browser: Browser, holder: Citizen, device: Authenticator):
    """One passkey, and one spent challenge for each time that it proved something."""
    browser.get("/login")
    use(browser, device)
    rows = everything(site.database)
    assert len(rows[table.name]) == 1
    assert len(rows[spent_challenges.name]) == 2
