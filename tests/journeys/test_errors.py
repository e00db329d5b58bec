"""Every error page: a log id for the telephone, a text for the person, one for the integrator, and a way on."""

import logging
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from html import unescape
from io import BytesIO
from urllib.parse import parse_qsl

import pytest
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from accounts.errors import DatabaseUnavailable
from tests.fixtures.relying_party import Browser, Page, RelyingParty
from tests.fixtures.site import Site

LOG_ID = re.compile(r"请报这个编号： <strong class=\"number\">(\d{3}-\d{3}-\d{3})</strong>")
ELSEWHERE = "https://evil.example/"


def told(page: Page, code: str, caplog) -> str:
    """The text for the person, after checking that the page is complete and its log id is in the log."""
    assert page.headers.get("Location") is None
    assert f"<dd><code>{code}</code></dd>" in page.text.partition("<details")[2]
    (log_id,) = LOG_ID.findall(page.text)
    assert any(f"code={code} " in line and log_id in line for line in caplog.messages)
    assert re.search(r'<dd lang="en">[^<]{20,}</dd>', page.text)
    return page.text.partition("<main")[2].partition("<details")[0]


@pytest.fixture(autouse=True)
def _listening(caplog):
    caplog.set_level(logging.INFO, logger="idp.web.errors")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"redirect_uri": ELSEWHERE}, "redirect_uri_unregistered"),
        ({"redirect_uri": None}, "redirect_uri_missing"),
        ({"client_id": "nobody"}, "client_unknown"),
        ({"client_id": None}, "client_missing"),
    ],
)
def test_who_cannot_be_answered_is_shown_a_page(browser: Browser, housing: RelyingParty, caplog, changes, code):
    """When the client or its address is uncertain, there is no redirect and the person is warned."""
    page = browser.get(housing.start(**changes))
    assert page.status == 400
    assert "不要在那个网站填写密码" in told(page, code, caplog)
    assert "evil.example" not in page.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "says"),
    [
        ("GET", "/no-such-page", 404, "not_found", "没有这个页面"),
        ("GET", "/session/extend", 405, "method_not_allowed", "不能直接打开"),
        ("POST", "/preferences", 413, "too_large", "发来的内容太多"),
        ("POST", "/authorize", 413, "too_large", "发来的内容太多"),
        ("POST", "/end_session", 413, "too_large", "发来的内容太多"),
        ("GET", "/continue/00000000000000000000000000000000", 410, "request_expired", "已经过时"),
    ],
)
def test_what_http_refuses_is_told_in_its_own_words(browser: Browser, caplog, method, path, status, code, says):
    """A missing page, a form's address opened by hand, and too long a form each have their own text."""
    page = browser.get(path) if method == "GET" else browser.post(path, {"view": "x" * 70_000})
    assert page.status == status
    assert says in told(page, code, caplog)


def test_half_a_request_for_a_login_is_told_so(site: Site, housing: RelyingParty, caplog):
    """For a body that ends too early the page blames no client and links nowhere."""
    half = housing.start().partition("?")[2][:40].encode()
    form = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": "300", "wsgi.input": BytesIO(half)}
    environ = EnvironBuilder("/authorize", method="POST").get_environ() | form | {"wsgi.input_terminated": True}
    body, status, headers = run_wsgi_app(site.wsgi, environ)
    page = Page(int(status[:3]), "/authorize", b"".join(body).decode(), headers)
    assert page.status == 400
    assert "内容不完整" in told(page, "bad_request", caplog)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "FOO"])
def test_a_request_for_a_login_is_asked_by_get_or_post_only(site: Site, housing: RelyingParty, caplog, method: str):
    """Any other method opens no request and gets no code, also with a session (RFC 6749 §3.1)."""
    browser = Browser(site)
    browser.get(housing.start())
    browser.log_in(site.register_person())
    browser.agree()
    reply = browser.http.open(housing.start(), base_url=site.issuer, method=method)
    page = Page(reply.status_code, "/authorize", reply.get_data(as_text=True), reply.headers)
    assert (page.status, set(page.headers["Allow"].split(", "))) == (405, {"GET", "POST", "OPTIONS"})
    assert "不能直接打开" in told(page, "method_not_allowed", caplog)


def test_options_at_authorize_offers_no_other_site_anything(site: Site, housing: RelyingParty):
    """OPTIONS lists the methods, opens nothing and grants no CORS (RFC 9700 §2.6)."""
    reply = Browser(site).http.open(housing.start(), base_url=site.issuer, method="OPTIONS")
    assert (reply.status_code, reply.headers.get("Location")) == (200, None)
    assert not [name for name, _ in reply.headers if name.lower().startswith("access-control")]


def test_a_form_that_is_too_old_leads_back_to_its_page(site: Site, browser: Browser, housing: RelyingParty, caplog):
    """If the form's cookie is gone, a button opens the page again, and the login then works."""
    page = browser.get(housing.start())
    browser.http.delete_cookie("yt_form")
    refused = browser.submit(page.form_with("password"), answer="login")
    assert refused.status == 403
    assert "什么也没有改变" in told(refused, "foreign_form", caplog)
    (again,) = re.findall(r'class="button" href="([^"]+)"', refused.text)
    assert page.url.endswith(browser.get(again).url)
    assert browser.log_in(site.register_person()).visited[-1].startswith("/consent/")


def test_a_choice_on_a_refused_form_leads_to_a_page(site: Site, browser: Browser):
    """Choosing English on the refusal of a form leads to a page, as the form's address has no GET."""
    browser.get("/login")
    browser.log_in(site.register_person())
    refused = browser.post("/session/extend", {"session": "x"})
    assert refused.status == 403
    page = browser.submit(refused.form_with("language=en"), language="en")
    assert (page.status, page.visited[-1]) == (200, "/account")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_cookies_that_did_not_arrive_are_not_called_another_browser(site: Site, housing: RelyingParty, caplog, method):
    """An unreadable Cookie header has its own error, because the person can clear the cookies."""
    page = Browser(site).get(housing.start())
    http = Client(site.wsgi, use_cookies=False)
    reply = http.open(page.url, method=method, environ_overrides={"HTTP_COOKIE": ""})
    shown = Page(reply.status_code, page.url, reply.get_data(as_text=True), reply.headers)
    assert shown.status == 400
    assert "清除浏览器" in told(shown, "cookies_unreadable", caplog)


def test_guessing_and_another_browser_are_told(site: Site, browser: Browser, housing: RelyingParty, caplog):
    """A link opened in another browser, and too many guesses, each have a code and a way on."""
    person = site.register_person()
    page = browser.get(housing.start())
    assert "请回到原来的浏览器" in told(Browser(site).get(page.url), "other_browser", caplog)
    while page.status != 429:
        page = browser.log_in(person, "wrong again and again")
        site.clock.advance(seconds=1)
    assert "暂停了登录" in told(page, "throttled", caplog)


def test_a_database_that_is_away_is_told_from_a_crowd(sqlite_template, tmp_path, clock, caplog):
    """With the database locked the page blames no crowd and says when and where to retry; then it works."""
    path = tmp_path / "held.db"
    path.write_bytes(sqlite_template.read_bytes())
    site = Site(f"sqlite:///{path}", clock, settings={"statement_timeout": timedelta(milliseconds=100)})
    browser, housing = Browser(site), RelyingParty(site, site.register_client("housing"))
    browser.get("/login")
    browser.log_in(site.register_person())
    token = browser.get("/preferences").form_with("csrf_token").fields["csrf_token"]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        page = browser.get(housing.start())
        assert (page.status, page.headers["Retry-After"]) == (503, "2")
        text = told(page, "unavailable", caplog)
        assert "暂时无法处理" in text
        assert "同时登录的人太多" not in text
        (again,) = re.findall(r'class="button" href="([^"]+)"', page.text)
        posted = browser.post("/authorize", dict(parse_qsl(housing.start().partition("?")[2])), headers={})
        assert (posted.status, 'class="button"' in posted.text) == (503, False)
        page = browser.post("/account/closing/cancel", {"csrf_token": token})
        assert (page.status, re.findall(r'class="button" href="([^"]+)"', page.text)) == (503, ["/account"])
        other.execute("ROLLBACK")
    assert browser.get(unescape(again)).visited[-1].startswith("/consent/")
    site.database.close()


@pytest.mark.parametrize("error", [DatabaseUnavailable, RuntimeError, KeyError])
def test_a_request_that_failed_is_never_run_again(site: Site, browser: Browser, housing: RelyingParty, error):
    """After any error at /authorize the error page sends no further statement."""
    url, statements = housing.start(), []
    browser.get(housing.start(prompt="none"))  # the client is cached from here on

    def count():
        statements.append(1)
        raise error

    site.database.count = count
    page = browser.get(url)
    assert (page.status, len(statements)) == (503 if error is DatabaseUnavailable else 500, 1)
