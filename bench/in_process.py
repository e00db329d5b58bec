"""CPU µs per request, in process, on SQLite: no server, no socket, no database process. More stable than requests/s.

Each path runs through the WSGI application as under a server, in interleaved rounds. The median is printed.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import servers
import units
import yitong
from rich.console import Console
from rich.table import Table

from idp.app import channels, serve
from idp.services import build_services
from idp.settings import Settings

ROUNDS = 5
REQUESTS = 300


class Browser:
    """One relying system and one browser, speaking WSGI."""

    def __init__(self, application: Callable[..., object], secret: str) -> None:
        self._application = application
        self._basic = "Basic " + base64.b64encode(f"confidential:{secret}".encode()).decode()
        self.cookies: dict[str, str] = {}

    def send(
        self, method: str, path: str, form: dict[str, str] | None = None, *, query: str = "", **more: str
    ) -> tuple[str, dict[str, str], bytes]:
        """Send one request. Returns status, headers and body."""
        body = urlencode(form).encode() if form is not None else b""
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "SCRIPT_NAME": "",
            "wsgi.input": io.BytesIO(body), "wsgi.url_scheme": "http", "wsgi.errors": io.StringIO(),
            "wsgi.version": (1, 0), "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
            "CONTENT_LENGTH": str(len(body)), "HTTP_HOST": "127.0.0.1:8000", **more,
        }  # fmt: skip
        if form is not None:
            environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
        if self.cookies:
            environ["HTTP_COOKIE"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        seen: list[tuple[str, list[tuple[str, str]]]] = []
        answer = b"".join(self._application(environ, lambda status, headers, _=None: seen.append((status, headers))))
        status, headers = seen[0]
        for name, value in headers:
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.split(";", 1)[0]
        return status, {name.lower(): value for name, value in headers}, answer

    def token(self, **form: str) -> dict[str, str]:
        """The token endpoint's answer."""
        status, _, body = self.send("POST", "/token", form, HTTP_AUTHORIZATION=self._basic)
        assert status.startswith("200"), body
        return json.loads(body)

    def authorize(self) -> tuple[str, str]:
        """A code and its verifier, with the session of this browser."""
        verifier = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode({
            "client_id": "confidential", "response_type": "code", "scope": "openid profile phone offline_access",
            "redirect_uri": servers.REDIRECT_URI, "state": "s", "nonce": "n", "code_challenge": challenge,
            "code_challenge_method": "S256",
        })  # fmt: skip
        _, headers, body = self.send("GET", "/authorize", query=query)
        while not headers.get("location", "").startswith(servers.REDIRECT_URI):
            _, headers, body = self._go_on(headers, body)
        return parse_qs(urlsplit(headers["location"]).query)["code"][0], verifier

    def _go_on(self, headers: dict[str, str], body: bytes) -> tuple[str, dict[str, str], bytes]:
        if "location" in headers:
            return self.send("GET", urlsplit(headers["location"]).path)
        action, fields = units.form_of(body)
        fields |= {"identifier": servers.PERSONS[0].login, "password": servers.PERSONS[0].password}
        return self.send("POST", action, fields, HTTP_ORIGIN="http://127.0.0.1:8000")

    def whole_login(self) -> None:
        """One login of a new browser, up to the claims. This browser keeps its cookies."""
        kept, self.cookies = self.cookies, {}
        code, verifier = self.authorize()
        held = self.token(
            grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri=servers.REDIRECT_URI
        )
        _, _, body = self.send("GET", "/userinfo", HTTP_AUTHORIZATION=f"Bearer {held['access_token']}")
        assert b'"name"' in body, body
        self.cookies = kept

    def introspect(self, token: str) -> None:
        """Introspect the token, which must be active."""
        _, _, body = self.send("POST", "/introspect", {"token": token}, HTTP_AUTHORIZATION=self._basic)
        assert b'"active":true' in body, body


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            environment="test", issuer="http://127.0.0.1:8000", database_url=f"sqlite:///{Path(folder) / 'bench.db'}",
            argon2_memory_kib=8, argon2_passes=1,  # almost no cost, because everything else is measured here
        )  # fmt: skip
        services = build_services(settings, channels=channels(settings))
        secret = yitong.seed(services, 0)
        browser = Browser(serve(services), secret)
        browser.authorize()
        _print(_measured(browser))
        services.database.close()


def _measured(browser: Browser) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, act in _paths(browser).items():
            begin = time.process_time()
            for _ in range(REQUESTS):
                act()
            figures.setdefault(name, []).append((time.process_time() - begin) / REQUESTS * 1e6)
    return figures


def _paths(browser: Browser) -> dict[str, Callable[[], object]]:
    codes = iter([browser.authorize() for _ in range(REQUESTS)])
    code, verifier = browser.authorize()
    redirect = {"redirect_uri": servers.REDIRECT_URI}
    held = browser.token(grant_type="authorization_code", code=code, code_verifier=verifier, **redirect)
    bearer = f"Bearer {held['access_token']}"

    def exchange() -> None:
        code, verifier = next(codes)
        browser.token(grant_type="authorization_code", code=code, code_verifier=verifier, **redirect)

    return {
        "discovery": lambda: browser.send("GET", "/.well-known/openid-configuration"),
        "jwks": lambda: browser.send("GET", "/jwks"),
        "client credentials": lambda: browser.token(grant_type="client_credentials"),
        "code exchange": exchange,
        "refresh": lambda: browser.token(grant_type="refresh_token", refresh_token=held["refresh_token"]),
        "introspection": lambda: browser.introspect(held["access_token"]),
        "userinfo": lambda: browser.send("GET", "/userinfo", HTTP_AUTHORIZATION=bearer),
        "silent authorize": browser.authorize,
        "whole login, no hash": browser.whole_login,
    }


def _print(figures: dict[str, list[float]]) -> None:
    table = Table(title=f"in process, SQLite: CPU µs a request, median and minimum of {ROUNDS} × {REQUESTS}")
    for heading in ("path", "median", "minimum"):
        table.add_column(heading, justify="left" if heading == "path" else "right")
    for name, values in figures.items():
        table.add_row(name, f"{statistics.median(values):.0f}", f"{min(values):.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
