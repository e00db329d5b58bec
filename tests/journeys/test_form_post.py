"""response_mode=form_post: however a response arises, a person without script sees a page and a button."""

import re

import pytest

from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import Site

SCRIPT_POLICY = re.compile(r"script-src 'nonce-([^']+)'")


def answer_on(page, housing: RelyingParty) -> dict[str, str]:
    """The fields of the page's form, after checking that page, script and policy are right."""
    assert page.status == 200, page.text[:500]
    form = page.form_with("iss")
    assert (form.action, form.method) == (housing.system.client.redirect_uris[0], "post")
    policy = page.headers["Content-Security-Policy"]
    (nonce,) = SCRIPT_POLICY.findall(policy)
    assert f'src="/static/form-post.js" nonce="{nonce}"' in page.text
    assert "form-action" not in policy
    assert 'name="csrf_token"' not in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "您将回到 <strong>housing 服务</strong>" in page.text
    return form.fields


def test_after_a_login(browser: Browser, site: Site, housing: RelyingParty):
    """The response after login and consent is our page, and so is the silent one to a second request."""
    person = site.register_person()
    browser.get(housing.start(response_mode="form_post"))
    browser.log_in(person)
    first = answer_on(browser.agree(), housing)
    assert first["state"] == housing.state
    silent = browser.get(housing.start(response_mode="form_post"))
    assert silent.visited == ("/authorize",)
    second = answer_on(silent, housing)
    assert (second["state"], second["iss"]) == (housing.state, site.issuer)
    assert len({first["code"], second["code"]}) == 2


def test_when_the_person_declines(browser: Browser, site: Site, housing: RelyingParty):
    """A denial, at the login or at the consent, returns by the same kind of page."""
    shown = browser.get(housing.start(response_mode="form_post"))
    at_login = browser.submit(shown.form_with("answer=cancel"), answer="cancel")
    assert answer_on(at_login, housing)["error"] == "access_denied"
    browser.get(housing.start(response_mode="form_post"))
    asked = browser.log_in(site.register_person())
    at_consent = browser.submit(asked.form_with("answer=refuse"), answer="refuse")
    assert answer_on(at_consent, housing)["error"] == "access_denied"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"prompt": "none"}, "login_required"), ({"response_type": "token"}, "unsupported_response_type")],
)
def test_when_the_client_is_told_at_once(browser: Browser, housing: RelyingParty, wrong: dict, error: str):
    """An error that needs no person also comes by this page."""
    page = browser.get(housing.start(response_mode="form_post", **wrong))
    assert answer_on(page, housing)["error"] == error


def test_in_the_language_and_size_of_the_reader(browser: Browser, site: Site, housing: RelyingParty):
    """The page has the client's language, or the reader's if chosen, and the reader's text size."""
    page = browser.get(housing.start(response_mode="form_post", prompt="none"), headers={"Accept-Language": "en"})
    assert "You will be at <strong>housing service</strong>" in page.text
    browser.get(housing.start(response_mode="form_post", ui_locales="en"))
    browser.log_in(site.register_person())
    assert "You will be at <strong>housing service</strong>" in browser.agree().text
    browser.http.set_cookie("yt_view", "elder")
    browser.http.set_cookie("yt_lang", "zh-CN")
    silent = browser.get(housing.start(response_mode="form_post", ui_locales="en"))
    assert 'data-view="elder"' in silent.text
    assert "您将回到 <strong>housing 服务</strong>" in silent.text
