"""Every view declares its audience, every POST proves its origin, every page has its headers."""

import re

import flask
import pytest
from werkzeug.test import Client

from accounts.database import new_id
from idp import app
from idp.web.browser import own_path
from idp.web.views import Audience, Csrf, DeclaredFlask, UndeclaredView, rules_of, view
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import Site


def writing_rules(made: flask.Flask):
    for rule in made.url_map.iter_rules():
        if (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}:
            yield rule, rules_of(made.view_functions[rule.endpoint])


def path_of(rule) -> str:
    return rule.build(dict.fromkeys(rule.arguments, new_id()))[1]


def test_every_post_without_a_token_is_refused(site: Site, browser: Browser):
    """Every form of ours is refused without its token, whatever origin it claims."""
    tried = 0
    for rule, rules in writing_rules(app.flask_app(site.services)):
        if rules.csrf is Csrf.PROTOCOL:
            continue
        assert browser.post(path_of(rule), {"answer": "x"}).status == 403, rule
        tried += 1
    assert tried >= 2


def test_every_post_from_another_site_is_refused(site: Site, browser: Browser, housing: RelyingParty):
    """A valid token does not help a form that another site sent."""
    form = browser.get("/preferences").form_with("csrf_token", "next")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert browser.post(form.action, form.fields, headers=headers).status == 403
    assert browser.post(form.action, form.fields, headers={"Origin": site.issuer}).status == 200


def test_only_the_protocol_takes_posts_from_other_sites(site: Site):
    """This test lists the few paths that accept a cross-site POST."""
    open_to_all = {r.rule for r, rules in writing_rules(app.flask_app(site.services)) if rules.csrf is Csrf.PROTOCOL}
    assert open_to_all == {"/authorize", "/end_session"}


def test_an_undeclared_view_does_not_register():
    """A view without an audience stops the start, and so does a writing view declared as reading."""
    made = DeclaredFlask("x", static_folder=None)
    with pytest.raises(UndeclaredView):
        made.add_url_rule("/x", "x", lambda: "x")
    reading = view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)(lambda: "x")
    with pytest.raises(UndeclaredView):
        made.add_url_rule("/y", "y", reading, methods=["POST"])


@pytest.mark.parametrize("planted", ["x" * 42 + ",", "x" * 42, "x" * 44, "é" * 43, "x" * 42 + "\t", ""])
def test_only_a_cookie_that_we_could_have_made_is_sent_back(site: Site, housing: RelyingParty, planted: str):
    """A planted cookie is replaced and never repeated in a header of ours."""
    sent = f"yitong={planted}; yt_browser={planted}"
    http = Client(site.wsgi, use_cookies=False)
    reply = http.open(housing.start(), base_url=site.issuer, environ_overrides={"HTTP_COOKIE": sent})
    assert reply.status_code == 303
    (cookie,) = [text for text in reply.headers.getlist("Set-Cookie") if text.startswith("yt_browser=")]
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", cookie.removeprefix("yt_browser=").partition(";")[0])


@pytest.mark.parametrize("path", ["/", "/preferences", "/no-such-page", "/login/x", "/healthz", "/end_session"])
def test_every_answer_carries_the_security_headers(browser: Browser, path: str):
    """Pages and errors alike forbid framing, sniffing, storing, and scripts without a nonce."""
    headers = browser.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


def test_https_brings_host_cookies_and_hsts(database_url: str, clock):
    """With an https origin every cookie is bound to the host, and HSTS keeps the browser on https."""
    site = Site(database_url, clock, issuer="https://id.luzhou.example")
    browser = Browser(site)
    party = RelyingParty(site, site.register_client())
    page = browser.get(party.start(), follow=False)
    assert page.headers["Set-Cookie"].startswith("__Host-yt_browser=")
    assert "Secure" in page.headers["Set-Cookie"]
    shown = browser.get("/preferences")
    assert "max-age" in shown.headers["Strict-Transport-Security"]
    site.database.close()


def test_choices_are_kept_and_lead_back(browser: Browser):
    """Choosing a language or a size stores the choice and returns to the page, never to another site."""
    form = browser.get("/preferences").form_with("next", "view=elder")
    back = browser.submit(form, view="elder", language="en")
    assert 'lang="en"' in back.text
    assert 'data-view="elder"' in back.text
    for hostile in ("https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:1"):
        page = browser.submit(form, view="elder", next=hostile)
        assert page.url.startswith(f"{browser.site.issuer}/preferences?saved")


@pytest.mark.parametrize("text", ["//x", "/\\x", "x", "", "/a\nb", "/a b", "https://x", "/%0d%0a\r"])
def test_what_is_no_path_of_ours(text: str):
    """A path that a browser could read as another site is refused."""
    assert own_path(text) is None


def test_health(browser: Browser):
    """Machines can check the process and its database."""
    for path in ("/healthz", "/livez", "/readyz"):
        assert browser.get(path).status == 200


def test_every_template_of_an_error_names_code_and_cure(browser: Browser):
    """Even for an unknown address our page says what to do."""
    page = browser.get("/no-such-page")
    assert page.status == 404
    assert "not_found" in page.text
    assert "您可以这样做" in page.text
