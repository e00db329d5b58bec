"""The second factor step: when it is due, what proves it, and what services learn of it."""

import html
import json
import re

import pytest

from accounts import audit
from accounts.credentials import recovery_codes, totp
from idp.oidc.assurance import Acr
from tests.fixtures.authenticator_app import shown
from tests.fixtures.relying_party import Browser, RelyingParty, id_token_claims
from tests.fixtures.site import Citizen, Site
from tests.journeys.test_security import log_in, secret_on, set_up

AAL2, AAL3 = str(Acr(3, 2)), str(Acr(3, 3))


def essential(*values: str) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})


@pytest.fixture
def person(site: Site) -> Citizen:
    return site.register_person()


@pytest.fixture
def secret(site: Site, person: Citizen) -> str:
    """The secret of the person's authenticator app; its first step is over."""
    made = set_up(log_in(site, person))
    site.clock.advance(seconds=60)
    return made


def type_code(browser: Browser, code: str):
    return browser.submit(browser.page.form_with("code"), code=code, answer="verify")


def test_a_service_that_asks_for_two_factors_gets_them(site: Site, housing: RelyingParty, person, secret, browser):
    """Password and code lead to the service, whose ID token names both and the level."""
    browser.get(housing.start(claims=essential(AAL2)))
    browser.log_in(person)
    assert browser.page.visited[-1].startswith("/second_factor/")
    type_code(browser, shown(secret, site.clock()))
    told = id_token_claims(housing.redeem(browser.agree()))
    assert told["acr"] == AAL2
    assert told["amr"] == ["pwd", "otp", "mfa"]


def test_whoever_has_an_authenticator_is_asked_at_every_service(site: Site, housing, person, secret, browser):
    """A stolen password opens no service, also where none asks for more than a password."""
    browser.get(housing.start())
    browser.log_in(person)
    assert browser.page.visited[-1].startswith("/second_factor/")
    browser.get(housing.start())
    assert browser.page.visited[-1].startswith("/second_factor/")


def test_single_sign_on_asks_once(site: Site, housing, social, person, secret, browser):
    """The second service is opened by the session without another code."""
    browser.get(housing.start())
    browser.log_in(person)
    type_code(browser, shown(secret, site.clock()))
    browser.agree()
    browser.get(social.start(claims=essential(AAL2)))
    assert id_token_claims(social.redeem(browser.agree()))["acr"] == AAL2


def test_the_session_gets_a_new_handle(site: Site, housing, person, secret, browser):
    """A handle that was seen before the code opens nothing afterwards (ASVS 7.2.4)."""
    browser.get(housing.start())
    browser.log_in(person)
    before = browser.cookie("yitong")
    type_code(browser, shown(secret, site.clock()))
    assert browser.cookie("yitong") not in (None, before)


def test_without_an_authenticator_it_is_set_up_on_the_way(site: Site, housing, person, browser):
    """A service asks for two factors of a person who has one: they set it up and arrive at the service."""
    browser.get(housing.start(claims=essential(AAL2)))
    browser.log_in(person)
    assert "现在设置" in browser.page.text
    link = re.search(r'href="(/account/security/authenticator\?next=[^"]+)"', browser.page.text)
    browser.get(link[1])
    browser.submit(browser.page.form_with("answer=begin"), answer="begin")
    browser.submit(browser.page.form_with("code"), code=shown(secret_on(browser), site.clock()), answer="confirm")
    assert "您的备用码" in browser.page.text
    browser.get(re.search(r'href="(/continue/[0-9a-f]{32})"', browser.page.text)[1])
    assert id_token_claims(housing.redeem(browser.agree()))["acr"] == AAL2


def test_a_recovery_code_opens_when_the_phone_is_lost(site: Site, housing, person, secret, browser):
    """The other way is one link away, and its code opens once."""
    with site.database.transaction() as c:
        codes = recovery_codes.renew(c, site.services.vault, person.id, now=site.clock()).codes
    browser.get(housing.start())
    browser.log_in(person)
    link = re.search(r'href="(/second_factor/[0-9a-f]{32}\?way=recovery_code)"', browser.page.text)
    browser.get(link[1])
    type_code(browser, codes[0])
    assert id_token_claims(housing.redeem(browser.agree()))["amr"] == ["pwd", "otp", "mfa"]
    again = log_in(site, person)
    again.get("/second_factor?way=recovery_code")
    type_code(again, codes[0])
    assert again.page.visited[-1] == "/second_factor"


@pytest.mark.parametrize("code", ["", "   ", "000000", "not a code"])
def test_a_wrong_code_comes_back_with_the_reason(site: Site, housing, person, secret, browser, code):
    """The page says what is wrong and shows nothing that was typed; no code is issued."""
    browser.get(housing.start())
    browser.log_in(person)
    type_code(browser, code)
    assert browser.page.visited[-1].startswith("/second_factor/")
    assert 'role="alert"' in browser.page.text
    assert "not a code" not in browser.page.text


def test_blanks_and_full_width_digits_are_read(site: Site, housing, person, secret, browser):
    """A code is read as phones' keyboards write it."""
    code = shown(secret, site.clock())
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)
    browser.get(housing.start())
    browser.log_in(person)
    type_code(browser, f" {wide[:3]} {wide[3:]} ")
    assert "code" in browser.agree().answer


def test_a_code_is_not_taken_twice(site: Site, housing, person, secret):
    """Somebody who watched the code and knows the password gets in with neither."""
    code = shown(secret, site.clock())
    watched, thief = log_in(site, person), log_in(site, person)
    type_code(watched, code)
    assert watched.page.url.endswith("/account")
    type_code(thief, code)
    assert thief.page.visited[-1] == "/second_factor"


def test_guesses_run_out(site: Site, person, secret):
    """After too many wrong codes the page says when to try again, also to the right code."""
    browser = log_in(site, person)
    for _ in range(totp.MOST_ATTEMPTS):
        type_code(browser, "000000")
    type_code(browser, shown(secret, site.clock()))
    assert browser.page.status == 429
    assert totp.WINDOW.total_seconds() >= int(browser.page.headers["Retry-After"]) > 0


def test_a_level_that_no_second_factor_reaches_is_an_error(site: Site, housing, person, secret, browser):
    """A service that needs AAL3 gets `unmet_authentication_requirements`, never a lower success."""
    browser.get(housing.start(claims=essential(AAL3)))
    browser.log_in(person)
    type_code(browser, shown(secret, site.clock()))
    assert browser.page.answer["error"] == "unmet_authentication_requirements"


def test_prompt_none_is_told_that_a_login_is_needed(site: Site, housing, person, secret, browser):
    """With prompt=none no page is shown: the error is login_required."""
    browser.get(housing.start())
    browser.log_in(person)
    assert browser.get(housing.start(prompt="none")).answer["error"] == "login_required"


def test_declining_is_as_easy_as_going_on(site: Site, housing, person, secret, browser):
    """The service gets access_denied."""
    browser.get(housing.start())
    browser.log_in(person)
    browser.submit(browser.page.form_with("answer=cancel"), answer="cancel")
    assert browser.page.answer["error"] == "access_denied"


def test_an_empty_post_proves_nothing(site: Site, housing, person, secret, browser):
    """A form without a code, a way or an answer leaves the step pending (CVE-2026-49448)."""
    browser.get(housing.start())
    browser.log_in(person)
    form = browser.page.form_with("code")
    browser.post(form.action, {"csrf_token": form.fields["csrf_token"]})
    assert browser.page.visited[-1].startswith("/second_factor/")


def test_another_browser_cannot_answer(site: Site, housing, person, secret, browser):
    """The step is answered where the request began."""
    browser.get(housing.start())
    browser.log_in(person)
    assert Browser(site).get(browser.page.visited[-1]).status == 403


def test_logging_in_again_starts_from_one_factor(site: Site, person, secret):
    """After a password the code is asked for again, although the session had one."""
    browser = log_in(site, person)
    type_code(browser, shown(secret, site.clock()))
    browser.get("/login")
    browser.log_in(person)
    assert browser.page.visited[-1] == "/second_factor"


def test_activity_tells_of_right_and_wrong_codes(site: Site, person, secret):
    """The person sees both on the account page."""
    browser = log_in(site, person)
    type_code(browser, "000000")
    type_code(browser, shown(secret, site.clock()))
    text = browser.get("/account/activity").text
    assert "使用动态口令验证（没有成功）" in text
    assert text.count("使用动态口令验证") == 2


def test_the_session_can_be_extended_at_the_code(site: Site, housing, person, secret, browser):
    """The button that extends the session leads back to the same step."""
    browser.get(housing.start())
    browser.log_in(person)
    here = browser.page.visited[-1]
    browser.submit(next(form for form in browser.page.forms if form.action == "/session/extend"))
    assert browser.page.visited[-1] == here


def test_an_old_session_sets_up_and_comes_back_to_the_service(site: Site, housing, social, person, browser):
    """Single sign-on of half an hour ago, two factors asked: log in, set up, and arrive at the service."""
    browser.get(social.start())
    browser.log_in(person)
    browser.agree()
    for _ in range(3):
        site.clock.advance(minutes=10)
        browser.get("/account")
        browser.submit(next(form for form in browser.page.forms if form.action == "/session/extend"))
    browser.get(housing.start(claims=essential(AAL2)))
    browser.get(html.unescape(re.search(r'href="(/account/security/authenticator\?next=[^"]+)"', browser.page.text)[1]))
    browser.log_in(person)
    browser.submit(browser.page.form_with("answer=begin"), answer="begin")
    browser.submit(browser.page.form_with("code"), code=shown(secret_on(browser), site.clock()), answer="confirm")
    browser.get(re.search(r'href="(/continue/[0-9a-f]{32})"', browser.page.text)[1])
    assert id_token_claims(housing.redeem(browser.agree()))["acr"] == AAL2


def test_the_record_has_the_network_of_the_code(site: Site, person, secret):
    """A code that comes from elsewhere than the login is recorded with its own network."""
    browser = log_in(site, person)
    browser.source = "198.51.100.77"
    site.clock.advance(seconds=1)
    type_code(browser, "000000")
    newest = audit.recent(site.database.connection(), person.id, 1)[0]
    assert (newest.outcome, newest.source) == ("failure", "198.51.100.77")
