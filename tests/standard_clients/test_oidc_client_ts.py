"""A single-page application with oidc-client-ts in Chromium: another origin, no server behind it, no secret.

It tests what only a browser enforces: CORS with its preflights, cookies, policies of pages and of redirects.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page

from demo.people import PERSONAS
from tests.fixtures.chromium import launched
from tests.fixtures.hygiene import saw

LIBRARY = Path(__file__).parent / "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"
PERSON = PERSONAS[0]
PAGE = b'<!doctype html><html lang="en"><title>SPA</title><script src="/library.js"></script>'
MANAGER = """([authority, origin]) => new oidc.UserManager({
    authority, client_id: "application", redirect_uri: origin + "/callback",
    post_logout_redirect_uri: origin + "/goodbye", scope: "openid profile offline_access",
    response_type: "code", loadUserInfo: true, automaticSilentRenew: false,
    userStore: new oidc.WebStorageStateStore({store: window.sessionStorage}),
})"""
USERINFO = """async ([issuer, token]) => {
    const reply = await fetch(issuer + "/userinfo", {headers: {Authorization: "Bearer " + token}});
    return [reply.status, reply.headers.get("WWW-Authenticate"), await reply.json()];
}"""
TOO_LARGE = """async issuer => (await fetch(issuer + "/token", {method: "POST", body: "x".repeat(70000)})).status"""
pytestmark = pytest.mark.browser


class _Files(BaseHTTPRequestHandler):
    """One page, at every path, and the library."""

    def do_GET(self) -> None:
        is_script = self.path == "/library.js"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
        self.end_headers()
        self.wfile.write(LIBRARY.read_bytes() if is_script else PAGE)

    def log_message(self, *_: object) -> None:
        """Logs nothing, because addresses contain codes."""


@contextmanager
def served() -> Iterator[str]:
    """The application's origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Application:
    """The application in one tab, and the person who uses it."""

    def __init__(self, page: Page, issuer: str, origin: str) -> None:
        self.page, self.issuer, self.origin = page, issuer, origin
        self.complaints: list[str] = []
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.goto(origin)

    def runs(self, expression: str) -> object:
        """The value of the expression, in which `manager` is the library's UserManager."""
        code = f"async given => {{ const manager = ({MANAGER})(given); return await {expression}; }}"
        return self.page.evaluate(code, [self.issuer, self.origin])

    def leaves(self, expression: str, arrives: str) -> None:
        """Runs the expression, which sends the tab away; returns when its address begins so."""
        code = f"given => {{ const manager = ({MANAGER})(given); void {expression}; }}"
        self.page.evaluate(code, [self.issuer, self.origin])
        self.page.wait_for_url(f"{arrives}**")

    def presses(self, *answers: str) -> None:
        """Presses the first of these buttons that the page has."""
        buttons = ", ".join(f'button[value="{answer}"]' for answer in answers)
        self.page.locator(buttons).first.click()

    def logs_in(self) -> dict:
        """The user as the library has her, once the tab has returned with the code."""
        self.leaves("manager.signinRedirect()", f"{self.issuer}/login")
        self.page.fill('[name="identifier"]', PERSON.number)
        self.page.fill('[name="password"]', PERSON.password)
        self.presses("login")
        self.page.wait_for_url(lambda url: url.startswith((f"{self.origin}/callback", f"{self.issuer}/consent")))
        if self.page.url.startswith(self.issuer):
            saw(self.page.url, self.page.content())
            self.presses("agree", "acknowledge")
            self.page.wait_for_url(f"{self.origin}/callback**")
        return self.runs("manager.signinCallback()")

    def userinfo(self, token: str) -> list:
        return self.page.evaluate(USERINFO, [self.issuer, token])


@pytest.fixture
def application(provider) -> Iterator[Application]:
    with served() as origin, launched() as chromium:
        page = chromium.new_page()
        page.set_default_timeout(60_000)
        yield Application(page, provider.issuer, origin)


def test_an_application_without_a_server(application, provider):
    """It logs in, reads UserInfo, renews, is refused readably, revokes, and signs the person out."""
    user = application.logs_in()
    assert user["profile"]["name"] == provider.name  # from UserInfo, behind a preflight
    status, _, facts = application.userinfo(user["access_token"])
    assert (status, facts["sub"], facts["name"]) == (200, user["profile"]["sub"], provider.name)

    renewed = application.runs("manager.signinSilent()")
    assert renewed["access_token"] != user["access_token"]
    assert renewed["refresh_token"] != user["refresh_token"]
    assert application.userinfo(renewed["access_token"])[0] == 200
    assert application.complaints == []

    assert application.page.evaluate(TOO_LARGE, provider.issuer) == 413
    hint = renewed["id_token"]
    application.runs("manager.revokeTokens(['access_token', 'refresh_token'])")
    status, challenge, _ = application.userinfo(renewed["access_token"])
    assert status == 401
    assert 'error="invalid_token"' in challenge

    application.leaves(f"manager.signoutRedirect({{id_token_hint: '{hint}'}})", f"{application.origin}/goodbye")
    application.leaves("manager.signinRedirect({prompt: 'none'})", f"{application.origin}/callback")
    assert "error=login_required" in application.page.url
