"""The first login, the silent second one, and everything that must not happen in between."""

import pytest

from accounts import audit
from idp.oidc.clients import registry
from idp.oidc.clients.registry import Client
from tests.fixtures.relying_party import Browser, RelyingParty, id_token_claims
from tests.fixtures.site import PASSWORD, Site


def first_login(browser: Browser, party: RelyingParty, person):
    browser.get(party.start())
    browser.log_in(person)
    return browser.agree()


def test_first_login_visits_login_then_consent(site: Site, browser: Browser, housing: RelyingParty):
    """A person who logs in and consents arrives at the service, which gets exactly the granted claims."""
    person = site.register_person()
    shown = browser.get(housing.start())
    assert shown.visited[-1].startswith("/login/")
    asked = browser.log_in(person)
    assert [path.split("/")[1] for path in asked.visited] == ["login", "consent"]
    arrived = browser.agree()
    assert arrived.url.startswith("https://housing.example/callback?")
    tokens = housing.redeem(arrived)
    told = id_token_claims(tokens)
    assert told["acr"] == "urn:yitong:ial3:aal1"
    known = housing.userinfo(tokens)
    assert (known["sub"], known["name"]) == (told["sub"], "欧阳娜娜")


def test_second_service_is_silent_after_its_consent_and_knows_another_sub(
    site: Site, browser: Browser, housing: RelyingParty, social: RelyingParty
):
    """One login serves every service, and two services cannot compare their persons by sub."""
    person = site.register_person()
    at_housing = id_token_claims(housing.redeem(first_login(browser, housing, person)))
    asked = browser.get(social.start())
    assert asked.visited[-1].startswith("/consent/")
    at_social = id_token_claims(social.redeem(browser.agree()))
    assert at_social["sub"] != at_housing["sub"]
    again = browser.get(social.start())
    assert again.visited == ("/authorize",)
    assert id_token_claims(social.redeem(again))["sub"] == at_social["sub"]


def test_silent_login_costs_one_statement(site: Site, browser: Browser, housing: RelyingParty):
    """The silent login of a person who consented before takes one read."""
    first_login(browser, housing, site.register_person())
    browser.get(housing.start())
    counted: list[int] = []
    site.database.count = lambda: counted.append(1)
    arrived = browser.get(housing.start())
    assert "code" in arrived.answer
    assert len(counted) <= 1 + 1  # the cache of clients may look once a second whether it is current


def test_a_whole_login_costs_eleven_statements(site: Site, housing: RelyingParty):
    """From authorization request to claims, with an earlier consent: a further statement needs a decision."""
    person = site.register_person()
    housing.redeem(first_login(Browser(site), housing, person))  # the keys are loaded from here on
    browser, counted = Browser(site), list[int]()
    site.database.count = lambda: counted.append(1)
    browser.get(housing.start())
    tokens = housing.redeem(browser.log_in(person))
    assert housing.userinfo(tokens)["status"] == 200
    # The cache of clients may look once a second whether it is current. SQLite redeems in short transactions.
    assert len(counted) <= (11 + 1 if site.database.dialect == "postgresql" else 19 + 1)


def test_a_login_is_answered_where_it_happens(site: Site, browser: Browser, housing: RelyingParty):
    """With an earlier consent the form leads to the service; session, proof and approval are recorded together."""
    person = site.register_person()
    first_login(Browser(site), housing, person)
    site.clock.advance(seconds=5)
    browser.get(housing.start())
    arrived = browser.log_in(person)
    assert [path.split("/")[1] for path in arrived.visited] == ["login"]
    assert "code" in arrived.answer
    assert browser.cookie("yitong")
    with site.database.transaction() as c:
        newest = {each.event.name for each in audit.recent(c, person.id, 9) if each.at == site.clock()}
    assert newest >= {"person:authentication:password", "person:session:open", "person:request:approve"}


def test_a_form_sent_twice_arrives(site: Site, housing: RelyingParty):
    """The second press replaces the first response and its cookie; only the second response is valid."""
    person = site.register_person()
    first_login(Browser(site), housing, person)
    one = Browser(site)
    form = one.get(housing.start()).form_with("identifier", "password")
    typed = {"identifier": person.number, "password": person.password, "answer": "login"}
    lost = one.submit(form, **typed)
    one.http.delete_cookie("yitong", domain="localhost")
    arrived = one.submit(form, **typed)
    assert housing.redeem(lost)["error"] == "invalid_grant"
    tokens = housing.redeem(arrived)
    assert housing.redeem(lost)["error"] == "invalid_grant"
    assert housing.userinfo(tokens)["status"] == 200


def test_another_browser_gets_nothing_of_an_answered_request(site: Site, housing: RelyingParty):
    """Between approval and redemption another browser that knows the request's address is refused."""
    person, one, other = site.register_person(), Browser(site), Browser(site)
    first_login(other, housing, person)
    shown = one.get(housing.start())
    arrived = one.log_in(person)
    refused = other.get(shown.url)
    assert refused.status == 403
    assert "https://housing.example/" in refused.text  # the way back to the service
    assert other.get(shown.url.replace("/login/", "/continue/")).status == 403
    assert housing.redeem(arrived)["status"] == 200


def test_form_post_is_reached_by_get(site: Site, browser: Browser, housing: RelyingParty):
    """The page that posts itself to the service can be loaded again without sending the password again."""
    person = site.register_person()
    first_login(Browser(site), housing, person)
    browser.get(housing.start(response_mode="form_post"))
    shown = browser.log_in(person)
    assert [path.split("/")[1] for path in shown.visited] == ["login", "continue"]
    assert shown.form_with("code").action == "https://housing.example/callback"


@pytest.mark.parametrize("prompt", ["none", "login", "consent"])
def test_prompt_for_a_stranger(site: Site, browser: Browser, housing: RelyingParty, prompt: str):
    """Without a session prompt=none gets its error at once; every other prompt shows the login."""
    page = browser.get(housing.start(prompt=prompt))
    if prompt == "none":
        assert page.answer["error"] == "login_required"
    else:
        assert page.visited[-1].startswith("/login/")


def test_prompt_for_somebody_signed_in(site: Site, browser: Browser, housing: RelyingParty, social: RelyingParty):
    """Each prompt shows its step once, although the person is signed in."""
    person = site.register_person()
    first_login(browser, housing, person)
    assert browser.get(social.start(prompt="none")).answer["error"] == "consent_required"
    assert "code" in browser.get(housing.start(prompt="none")).answer
    site.clock.advance(seconds=5)
    assert browser.get(housing.start(prompt="login")).visited[-1].startswith("/login/")
    assert "code" in browser.log_in(person).answer
    site.clock.advance(seconds=5)
    assert browser.get(housing.start(prompt="consent")).visited[-1].startswith("/consent/")
    assert "code" in browser.agree().answer


@pytest.mark.parametrize("new", [{"purpose": "推荐商品"}, {"legal_basis": "separate_consent"}])
def test_another_purpose_is_asked_about_anew(site: Site, browser: Browser, housing: RelyingParty, new: dict[str, str]):
    """A consent to one purpose and basis does not cover another (PIPL art. 14); one new consent settles it."""
    first_login(browser, housing, site.register_person())
    with site.database.transaction() as c:
        registry.change(c, housing.system.client, now=site.clock.advance(seconds=2), **new)
    site.services.clients._fresh_until = float("-inf")
    assert browser.get(housing.start(prompt="none")).answer["error"] == "consent_required"
    assert browser.get(housing.start()).visited[-1].startswith("/consent/")
    assert "code" in browser.agree().answer
    assert "code" in browser.get(housing.start(prompt="none")).answer


def test_a_yes_is_to_what_was_said_and_by_whom_it_was_said_to(site: Site, browser: Browser, housing: RelyingParty):
    """If client or person changed while the page was open, the consent does not count and is asked again."""
    browser.get(housing.start())
    first = browser.log_in(site.register_person()).form_with("answer=agree")
    with site.database.transaction() as c:
        registry.change(c, housing.system.client, now=site.clock.advance(seconds=2), purpose="推荐商品")
    site.services.clients._fresh_until = float("-inf")
    page = browser.submit(first, answer="agree")
    assert page.visited[-1].startswith("/consent/")
    assert "推荐商品" in page.text
    own = browser.get("/login")
    browser.submit(
        own.form_with("identifier", "password"), identifier=site.register_person(2).number, password=PASSWORD
    )
    assert browser.submit(page.form_with("answer=agree"), answer="agree").visited[-1].startswith("/consent/")
    assert "code" in browser.agree().answer


def test_max_age_asks_again_and_only_once(site: Site, browser: Browser, housing: RelyingParty):
    """An old login must be repeated; max_age=0 asks once and not forever."""
    person = site.register_person()
    first_login(browser, housing, person)
    site.clock.advance(minutes=10)
    assert "code" in browser.get(housing.start(max_age="900")).answer
    assert browser.get(housing.start(max_age="300", prompt="none")).answer["error"] == "login_required"
    assert browser.get(housing.start(max_age="0")).visited[-1].startswith("/login/")
    tokens = housing.redeem(browser.log_in(person))
    assert id_token_claims(tokens)["auth_time"] == int(site.clock.now.timestamp())


def test_essential_acr_out_of_reach_is_an_error(site: Site, browser: Browser, housing: RelyingParty):
    """An unreachable essential level is an error for the client, never silently lowered."""
    browser.get(housing.start(claims='{"id_token":{"acr":{"essential":true,"value":"urn:yitong:ial4:aal3"}}}'))
    arrived = browser.log_in(site.register_person())
    assert arrived.answer["error"] == "unmet_authentication_requirements"


def test_cancelling_tells_the_client(site: Site, browser: Browser, housing: RelyingParty):
    """Declining returns access_denied to the client, from the login and from the consent page."""
    page = browser.get(housing.start())
    assert browser.submit(page.form_with("answer=cancel")).answer["error"] == "access_denied"
    browser.get(housing.start())
    asked = browser.log_in(site.register_person())
    assert browser.submit(asked.form_with("answer=refuse"), answer="refuse").answer["error"] == "access_denied"


def test_a_no_is_no_yes_whatever_another_tab_did(site: Site, browser: Browser, housing: RelyingParty):
    """A denial on an open page reaches the client, even after a login or consent in another tab."""
    person = site.register_person()
    first_login(Browser(site), housing, person)
    shown = browser.get(housing.start())
    browser.get("/login")
    browser.log_in(person)
    assert browser.submit(shown.form_with("answer=cancel"), answer="cancel").answer["error"] == "access_denied"
    site.clock.advance(seconds=1)
    form = browser.get(housing.start(prompt="consent")).form_with("answer=agree")
    said = browser.submit(form, answer="agree")
    assert browser.submit(form, answer="refuse").answer["error"] == "access_denied"
    assert housing.redeem(said)["error"] == "invalid_grant"


@pytest.mark.parametrize("wish", [{}, {"prompt": "login"}, {"max_age": 60}])
def test_approving_again_keeps_no_request_open(
    site: Site, browser: Browser, housing: RelyingParty, wish: dict[str, object]
):
    """A request ends after thirty-one minutes, however often it is approved: no old login counts as fresh."""
    shown = browser.get(housing.start(**wish))
    browser.log_in(site.register_person())
    browser.agree()
    again = shown.url.replace("/login/", "/continue/")
    for _ in range(33):
        site.clock.advance(seconds=55)
        assert "code" in browser.get(again).answer
    site.clock.advance(seconds=46)
    assert browser.get(again).status == 410


def test_whoever_refused_is_asked_again_and_can_look_it_up(site: Site, browser: Browser, housing: RelyingParty):
    """After a denial a new login asks again; the account page names the denied service."""
    browser.get(housing.start())
    asked = browser.log_in(site.register_person())
    browser.submit(asked.form_with("answer=refuse"), answer="refuse")
    activity = browser.get("/account/activity").text
    event = activity[activity.index("拒绝了服务的请求") :].partition("</li>")[0]
    assert "housing 服务" in event
    assert "没有成功" not in event
    assert browser.get(housing.start()).visited[-1].startswith("/consent/")
    assert "code" in browser.agree().answer


def test_whoever_fills_in_the_form_arrives(site: Site, browser: Browser, housing: RelyingParty):
    """A form left open logs in the person who fills it in, never the one who logged in elsewhere meanwhile."""
    first, second = site.register_person(1), site.register_person(2)
    kept = browser.get(housing.start()).form_with("identifier")
    elsewhere = RelyingParty(site, housing.system)
    before = id_token_claims(elsewhere.redeem(first_login(browser, elsewhere, first)))["sub"]
    wrong = browser.submit(kept, identifier=second.number, password="not the password", answer="login")
    assert "号码或密码不对" in wrong.text
    asked = browser.submit(kept, identifier=second.number, password=second.password, answer="login")
    assert asked.visited[-1].startswith("/consent/")
    assert id_token_claims(housing.redeem(browser.agree()))["sub"] != before


def test_a_form_left_open_can_still_be_left(site: Site, browser: Browser, housing: RelyingParty):
    """ "Go back without logging in" logs nobody in, although another tab of the browser is signed in."""
    kept = browser.get(housing.start()).form_with("answer=cancel")
    first_login(browser, RelyingParty(site, housing.system), site.register_person())
    assert browser.submit(kept, answer="cancel").answer["error"] == "access_denied"


def test_wrong_password_stays_on_the_page(site: Site, browser: Browser, housing: RelyingParty):
    """A wrong password gets a message without what was typed, and logs nobody in."""
    person = site.register_person()
    browser.get(housing.start())
    page = browser.log_in(person, "not the password")
    assert "号码或密码不对" in page.text
    assert person.number not in page.text + str(page.visited)
    assert browser.cookie("yitong") is None
    assert "/consent/" in browser.log_in(person).visited[-1]


def test_a_session_gets_a_new_handle_at_every_login(site: Site, browser: Browser, housing: RelyingParty):
    """A handle planted or seen before a login is invalid after it."""
    person = site.register_person()
    first_login(browser, housing, person)
    before = browser.cookie("yitong")
    browser.get(housing.start(prompt="login"))
    site.clock.advance(seconds=1)
    browser.get(housing.start(prompt="login"))
    browser.log_in(person)
    assert browser.cookie("yitong") not in (None, before)
    thief = Browser(site)
    thief.http.set_cookie("yitong", before, domain="localhost")
    assert thief.get(housing.start(prompt="none")).answer["error"] == "login_required"


def test_a_link_started_elsewhere_is_refused(site: Site, browser: Browser, housing: RelyingParty):
    """A login begun in one browser cannot be finished in another, whoever opens the link there."""
    page = browser.get(housing.start())
    other = Browser(site)
    assert other.get(page.url).status == 403
    assert other.get(page.url.replace("/login/", "/continue/")).status == 403


def test_a_disabled_person_is_out_with_the_next_request(site: Site, browser: Browser, housing: RelyingParty):
    """Disabling ends sessions and tokens at once, before they expire."""
    person = site.register_person()
    tokens = housing.redeem(first_login(browser, housing, person))
    with site.database.transaction() as c:
        site.services.people.change_status(c, person.id, "disabled", now=site.clock())
    assert browser.get(housing.start(prompt="none")).answer["error"] == "login_required"
    assert housing.userinfo(tokens)["status"] == 401


def test_idle_and_absolute_ends(site: Site, browser: Browser, housing: RelyingParty):
    """A session ends when unused for its idle time, and after its absolute time even if in use."""
    first_login(browser, housing, site.register_person())
    site.clock.advance(minutes=14)
    assert "code" in browser.get(housing.start(prompt="none")).answer
    site.clock.advance(minutes=16)
    assert browser.get(housing.start(prompt="none")).answer["error"] == "login_required"


def test_an_expired_request_says_so_and_leads_on(site: Site, browser: Browser, housing: RelyingParty):
    """A person who returns too late sees the reason and a link to the service."""
    page = browser.get(housing.start())
    site.clock.advance(hours=2)
    late = browser.get(page.url)
    assert late.status == 410
    assert "https://housing.example/" in late.text
    browser.http.delete_cookie("yt_browser")  # as browsers do when it expires
    forgotten = browser.get(page.url)
    assert forgotten.status == 410
    assert "https://housing.example/" in forgotten.text


def test_back_button_and_double_submit_do_no_harm(site: Site, browser: Browser, housing: RelyingParty):
    """A consent sent twice gives one valid code; once redeemed, form and page say that the login is done."""
    person = site.register_person()
    browser.get(housing.start())
    asked = browser.log_in(person)
    form = asked.form_with("answer=agree")
    first, again = (browser.submit(form, answer="agree") for _ in range(2))
    assert housing.redeem(first)["error"] == "invalid_grant"
    assert housing.redeem(again)["status"] == 200
    for late in (browser.submit(form, answer="agree"), browser.get(asked.url)):
        assert late.status == 410
        assert "登录已经完成" in late.text
        assert "https://housing.example/" in late.text


def test_unknown_client_and_unregistered_uri_are_pages(site: Site, browser: Browser, housing: RelyingParty):
    """There is no redirect to an address that is not registered."""
    for url in (housing.start(client_id="nobody"), housing.start(redirect_uri="https://evil.example/")):
        page = browser.get(url)
        assert page.status == 400
        assert "Location" not in page.headers
        assert "evil.example" not in page.text


def test_host_and_proxy_headers_of_strangers_are_ignored(site: Site, browser: Browser, housing: RelyingParty):
    """No link, redirect or token uses a Host or X-Forwarded header."""
    spoofed = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "10.0.0.1"}
    page = browser.get(housing.start(), headers=spoofed, follow=False)
    assert "evil.example" not in str(page.headers) + page.text
    assert page.url.startswith(site.issuer)


def test_an_address_that_was_taken_away_gets_no_answer(site: Site, browser: Browser, housing: RelyingParty):
    """Removing a redirect URI, for example a lost one, ends the requests that name it."""
    page = browser.get(housing.start())
    with site.database.transaction() as c:
        registry.change(c, housing.system.client, now=site.clock(), redirect_uris=("https://elsewhere.example/cb",))
    site.services.clients._fresh_until = float("-inf")
    assert browser.get(page.url).status == 410
    assert browser.submit(page.form_with("identifier"), answer="cancel").status == 410


def test_a_disabled_client_ends_its_open_requests(site: Site, browser: Browser, housing: RelyingParty):
    """A client disabled during a person's login gets nothing."""
    page = browser.get(housing.start())
    with site.database.transaction() as c:
        registry.change_status(c, "housing", "disabled", now=site.clock())
    site.services.clients._fresh_until = float("-inf")
    assert browser.get(page.url).status == 410
    known: Client | None = site.services.clients.get("housing")
    assert known is None or known.status == "disabled"
