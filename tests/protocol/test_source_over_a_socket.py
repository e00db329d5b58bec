"""Which source `yitong serve` accepts for a request: header lines go over a real socket to a running server."""

import http.client
import os
import secrets
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from accounts import audit
from accounts.credentials.throttle import throttle_counters
from accounts.database import Database, Statement
from idp import migrations
from idp.services import build_services
from idp.settings import Settings
from tests.fixtures.processes import free_ports, running
from tests.fixtures.relying_party import Page

Lines = list[tuple[str, str]]
FORM = "application/x-www-form-urlencoded"


class Server:
    """A running provider behind our proxy, which is any peer that connects; and its database."""

    def __init__(self, port: int, database: Database) -> None:
        self.port, self.database = port, database

    def send(self, method: str, path: str, lines: Lines, body: bytes | None = None) -> Page:
        """The response to a request with exactly these header lines, in this order."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.putrequest(method, path)
            for name, value in lines if body is None else [*lines, ("Content-Length", str(len(body)))]:
                connection.putheader(name, value)
            connection.endheaders(body)
            reply = connection.getresponse()
            return Page(reply.status, path, reply.read().decode(), reply.headers)

    def guess(self, name: str, lines: Lines) -> int:
        """Makes one wrong guess. Returns the status: 303 when it was tried, 429 when it was throttled."""
        shown = self.send("GET", "/login", lines)
        form, cookie = shown.form_with("identifier"), shown.headers["Set-Cookie"].partition(";")[0]
        fields = {**form.fields, "identifier": name, "password": "no password of anybody"}
        ours = [("Cookie", cookie), ("Content-Type", FORM)]
        return self.send("POST", "/login", [*lines, *ours], urlencode(fields).encode()).status

    def sources(self) -> set[str]:
        """All addresses in the audit and in the throttle's counters."""
        c = self.database.connection()
        seen = [audit.audit_events.c.source, throttle_counters.c.source]
        return {row[0] for column in seen for row in c.rows(Statement(sa.select(column))) if row[0]}


@contextmanager
def serving(directory: Path, **settings: str) -> Iterator[Server]:
    (port,) = free_ports(1)
    chosen = {
        "environment": "test",
        "issuer": f"http://127.0.0.1:{port}",
        "database_url": f"sqlite:///{directory / 'city.db'}",
        "vault_keys": f"k1:{b64encode(secrets.token_bytes(32)).decode()}",
        "argon2_memory_kib": "8",
        "human_check": "false",  # it would answer before the throttle
        **settings,
    }
    services = build_services(Settings(**chosen))
    migrations.upgrade(services.database)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("YITONG_")}
    environment |= {f"YITONG_{name.upper()}": value for name, value in chosen.items()}
    command = [sys.executable, "-m", "idp.cli", "serve", "--port", str(port)]
    with closing(services.database), running(command, directory / "log", f"http://127.0.0.1:{port}/livez", environment):
        yield Server(port, services.database)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """A server behind a proxy that writes the header of that name."""
    with (
        serving(tmp_path_factory.mktemp("x"), trusted_proxies="127.0.0.0/8", proxy_header="X-Forwarded-For") as x,
        serving(tmp_path_factory.mktemp("rfc"), trusted_proxies="127.0.0.0/8", proxy_header="Forwarded") as rfc,
    ):
        yield {"X-Forwarded-For": x, "Forwarded": rfc}.__getitem__


REAL = "203.0.113.7"
ATTACKS = [
    ("X-Forwarded-For", [("X-Forwarded-For", REAL), ("X_Forwarded_For", "{}")]),
    ("X-Forwarded-For", [("X_Forwarded_For", "{}"), ("X-Forwarded-For", REAL)]),
    ("X-Forwarded-For", [("X-Forwarded_For", "{}"), ("x_forwarded-for", "{}"), ("X-Forwarded-For", REAL)]),
    ("X-Forwarded-For", [("X-Forwarded-For", "{}"), ("X-Forwarded-For", REAL)]),
    ("X-Forwarded-For", [("X-Forwarded-For", f"{{}}, {REAL}:51234")]),
    ("X-Forwarded-For", [("X-Forwarded-For", f"::ffff:{REAL}"), ("Forwarded", "for={}")]),
    ("Forwarded", [("Forwarded", "for={}"), ("Forwarded", f"for={REAL};proto=https")]),
    ("Forwarded", [("Forwarded", f'for="{{}}, for={REAL}')]),
    ("Forwarded", [("Forwarded", f'for="[::ffff:{REAL}]:51234"'), ("X-Forwarded-For", "{}")]),
]


@pytest.mark.parametrize(("header", "lines"), ATTACKS)
def test_no_header_of_a_client_moves_its_address(behind, header, lines):
    """Underscores, more lines, the other header: each guess counts for the address that the proxy wrote."""
    server = behind(header)
    name = secrets.token_hex(8)
    told = [server.guess(name, [(key, value.format(f"198.51.100.{i}")) for key, value in lines]) for i in range(1, 9)]
    assert 429 in told, "every guess was counted for another address"
    assert server.sources() == {REAL}


@pytest.mark.parametrize("twin", ["Sec_Fetch_Site", "Content_Type", "Content_Length"])
def test_a_header_with_an_underscore_is_not_its_twin(behind, twin):
    """Where a header with a hyphen is trusted, no name with an underscore is read."""
    server = behind("X-Forwarded-For")
    lines = [("X-Forwarded-For", "203.0.113.7"), (twin, "cross-site")]
    assert server.guess(secrets.token_hex(8), lines) in (303, 429)


def test_bodies_are_capped_and_cookies_kept_apart(behind):
    """The server that tells such names apart has the same body limit, and joins cookies as HTTP requires."""
    server = behind("X-Forwarded-For")
    large = [("Content-Type", FORM)]
    assert server.send("POST", "/token", large, b"x" * 70_000).status == 413
    chunked = [*large, ("Transfer-Encoding", "chunked")]
    whole = b"".join([b"11170\r\n", b"x" * 70_000, b"\r\n0\r\n\r\n"])
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.putrequest("POST", "/token")
        for line in chunked:
            connection.putheader(*line)
        connection.endheaders(whole)
        assert connection.getresponse().status == 413
    shown = server.send("GET", "/login", [])
    form, cookie = shown.form_with("identifier"), shown.headers["Set-Cookie"].partition(";")[0]
    lines = [("Cookie", "other=1"), ("Cookie", cookie), ("Content-Type", FORM)]
    body = urlencode({**form.fields, "identifier": "nobody", "password": "nothing"}).encode()
    assert server.send("POST", "/login", lines, body).status in (303, 429)
    assert server.send("GET", "/account", [("Cookie", "a=\xe4")]).status == 303
    assert server.send("HEAD", "/jwks", []).text == ""
