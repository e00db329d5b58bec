"""A real `yitong serve` on each database, and clients that measure it over real sockets."""

import base64
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import pytest

from accounts import evidence
from accounts.credentials import password as passwords
from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind, parse
from accounts.people import NewPerson
from idp.oidc.clients import registry
from idp.oidc.clients.registry import NewClient
from idp.services import Services, build_services
from idp.settings import Settings
from tests.fixtures.processes import ROOT, free_ports, running
from tests.fixtures.site import PASSWORD, citizen_number
from tests.load.crowd import FORM

CITIZENS = 4
PATIENCE = 2  # seconds of the server with its database


@dataclass
class Served:
    """The running server, as a relying system and an operator meet it."""

    port: int
    secret: str
    services: Services
    log: Path
    numbers: list[str] = field(default_factory=list)

    def times(self, *paths: str, seconds: float) -> dict[str, list[float]]:
        """The milliseconds of each response, each path in turn over one connection each."""
        asked = {path: self.connection() for path in paths}
        found: dict[str, list[float]] = {path: [] for path in paths}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for path, http in asked.items():
                begun = time.perf_counter()
                assert self.ask(http, path) == 200, path
                found[path].append((time.perf_counter() - begun) * 1000)
            time.sleep(0.005)
        for http in asked.values():
            http.close()
        return found

    def connection(self, statement_timeout: float = 30) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=statement_timeout)

    def ask(self, http: HTTPConnection, path: str) -> int:
        """The status; at /token a machine requests a token, elsewhere the path is read."""
        if path == "/token":
            basic = base64.b64encode(f"machine:{self.secret}".encode()).decode()
            headers = {"Content-Type": FORM, "Authorization": f"Basic {basic}"}
            http.request("POST", path, "grant_type=client_credentials", headers)
        else:
            http.request("GET", path)
        answer = http.getresponse()
        answer.read()
        return answer.status

    @contextmanager
    def besieged(self, guessers: int) -> Iterator[None]:
        """Inside the block this number of guessers try passwords as fast as responses come."""
        command = [sys.executable, "-m", "tests.load.crowd", str(self.port), str(guessers)]
        crowd = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert crowd.stdout is not None
            assert crowd.stdout.readline() == "guessing\n"
            yield
            assert crowd.poll() is None
        finally:
            print("guesses answered:", crowd.communicate(timeout=60)[0].strip())  # noqa: T201


def median(values: list[float]) -> float:
    return statistics.median(values)


@pytest.fixture
def served(database_url: str, tmp_path: Path) -> Iterator[Served]:
    """A server with the defaults of production, four persons and a machine's client."""
    (port,) = free_ports(1)
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    chosen = {
        "YITONG_ENVIRONMENT": "test",
        "YITONG_HUMAN_CHECK": "false",  # the crowd must cost password checks
        "YITONG_ISSUER": f"http://127.0.0.1:{port}",
        "YITONG_DATABASE_URL": database_url,
        "YITONG_VAULT_KEYS": f"test:{key}",
        "YITONG_DATABASE_PATIENCE": f"PT{PATIENCE}S",
    }
    settings = {name.removeprefix("YITONG_").lower(): value for name, value in chosen.items()}
    services = build_services(Settings(**settings))  # type: ignore[arg-type]
    made = Served(port, _seed(services), services, tmp_path / "server.log")
    made.numbers = [_citizen(services, serial) for serial in range(1, CITIZENS + 1)]
    services.database.close()
    command = [sys.executable, "-m", "idp.cli", "serve", "--port", str(port)]
    with running(command, made.log, f"http://127.0.0.1:{port}/livez", {**os.environ, **chosen}):
        yield made
    services.database.close()


def _seed(services: Services) -> str:
    now = datetime.now(UTC)
    with services.database.transaction() as c:
        services.keys.ensure(c, now)
        new = NewClient(
            client_id="machine",
            name="机器",
            name_en="machine",
            division="510500",
            purpose="测试",
            purpose_en="test",
            legal_basis="statutory_duty",
            redirect_uris=("https://machine.example/callback",),
            scopes=("openid",),
            claims_ceiling=(),
            grant_types=("authorization_code", "client_credentials"),
        )
        _, secret = registry.create(c, new, now=now)
    assert secret is not None
    return secret


def _citizen(services: Services, serial: int) -> str:
    number, now = citizen_number(serial), datetime.now(UTC)
    new = NewPerson(name="欧阳娜娜", identifiers=(parse(IdentifierKind.CITIZEN_ID, number),))
    encoded = services.hasher.hash(PASSWORD)
    with services.database.transaction() as c:
        person = services.people.register(c, new, now=now)
        evidence.record(c, person.id, EvidenceKind.COUNTER_COMPARISON, source="test", at=now)
        passwords.store(c, services.vault, person.id, encoded, now=now)
    return number
