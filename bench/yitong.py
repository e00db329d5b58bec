"""Yitong as measured: a cluster at default durability, a city of N persons, one granian worker on its core."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import psycopg
import servers
from load_persons import load_persons
from psycopg import sql
from servers import OTHER_CORE, SERVER_CORE, pinned, running
from units import Person, Target

from accounts.credentials import password as passwords
from accounts.identifiers import CitizenId
from accounts.people import NewPerson
from idp import migrations
from idp.oidc.clients import registry
from idp.oidc.clients.registry import NewClient
from idp.oidc.consent import claims
from idp.services import Services, build_services
from idp.settings import Settings

_LOG_FILES = 128  # of 16 MB each: more than a run writes
_BIN = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL server with its default durability, reached over its socket."""

    sockets: Path
    port: int

    def database(self, name: str) -> str:
        """The address of a new, empty database."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._url(name)

    def wait(self) -> None:
        """Wait until the server answers queries, not only connections."""
        for _ in range(200):
            try:
                psycopg.connect(self._url("postgres")).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        sys.exit("PostgreSQL did not start within ten seconds")

    def settle(self) -> None:
        """Create the WAL files in advance, so that they are reused as on a server that has run for a day.

        A new server fills each with zeros at first use, and every commit then waits for 10 to 20 ms.
        """
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            for _ in range(_LOG_FILES):
                connection.execute("SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal()")
            connection.execute("CHECKPOINT")

    def _url(self, name: str) -> str:
        return f"postgresql://yitong@/{name}?host={quote(str(self.sockets))}&port={self.port}"


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A temporary cluster on the second core: fsync and synchronous_commit on, as PostgreSQL ships."""
    port, data = servers.free_port(), folder / "postgres"
    data.mkdir()
    as_postgres: list[str] = []
    if os.geteuid() == 0:
        as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        folder.chmod(0o755)
        subprocess.run(["chown", "-R", "postgres", str(data)], check=True)
    tool = _tool_folder()
    subprocess.run(
        [*as_postgres, str(tool / "initdb"), "-D", str(data), "-U", "yitong", "-A", "trust", "-E", "UTF8",
         "--locale=C.UTF-8"],
        check=True, stdout=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    sizes = {"shared_buffers": "512MB", "min_wal_size": "2GB", "max_wal_size": "4GB"}
    options = ["-p", str(port), "-k", str(data), *(f"--{name}={size}" for name, size in sizes.items())]
    command = [*as_postgres, str(tool / "postgres"), "-D", str(data), *options]
    with running(pinned(OTHER_CORE, command), port, {}, folder / "postgres.log"):
        made = Cluster(data, port)
        made.wait()
        made.settle()
        yield made


def _tool_folder() -> Path:
    for pattern in _BIN:
        found = sorted(Path("/").glob(pattern.lstrip("/")))
        if found:
            return found[-1]
    sys.exit("PostgreSQL is missing: run scripts/install-test-tools")


@contextmanager
def server(of: Cluster, folder: Path, *, persons: int) -> Iterator[tuple[Target, int, float]]:
    """Yitong with that many persons, serving on its core with eight threads."""
    port = servers.free_port()
    environment = _environment(of.database("yitong"), port)
    services = services_of(environment)
    secret = seed(services, persons)
    services.database.close()
    target = Target(
        name="yitong", port=port, authorize="/authorize", token="/token", userinfo="/userinfo",
        introspect="/introspect", jwks="/jwks", redirect_uri=servers.REDIRECT_URI,
        confidential=("confidential", secret), public="public",
    )  # fmt: skip
    command = [sys.executable, "-m", "idp.cli", "serve", "--port", str(port), "--threads", "8"]
    compile_once()
    log = folder / "yitong.log"
    with running(pinned(SERVER_CORE, command), port, environment, log, answers="/jwks") as (pid, started):
        yield target, pid, started


def compile_once() -> None:
    """Compile the sources to bytecode, as in an installed deployment, so that a start does not compile."""
    command = [sys.executable, "-m", "compileall", "-q", "accounts", "idp", "migration_tools", "wsgi.py"]
    subprocess.run(command, check=True, cwd=servers.ROOT)


def _environment(database_url: str, port: int) -> dict[str, str]:
    return {
        "YITONG_ENVIRONMENT": "test",
        "YITONG_ISSUER": f"http://127.0.0.1:{port}",
        "YITONG_DATABASE_URL": database_url,
        "YITONG_ARGON2_CONCURRENT": "1",  # the server has one core, so one check at a time
        "YITONG_ARGON2_WAIT": "PT2S",  # so that every login of the bench gets its turn
        "YITONG_VAULT_KEYS": "bench:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "PYTHONPATH": str(servers.ROOT),
    }


def services_of(environment: dict[str, str]) -> Services:
    """The services that the server will have, in this process."""
    os.environ.update({name: value for name, value in environment.items() if name.startswith("YITONG_")})
    return build_services(Settings())


def seed(services: Services, persons: int) -> str:
    """Create tables, keys, two clients, sixteen persons who can log in, and `persons` more.

    Returns the client's secret.
    """
    migrations.upgrade(services.database)
    now = datetime.now(UTC)
    load_persons(services.database.url.render_as_string(hide_password=False), services.vault, persons)
    with services.database.transaction() as c:
        services.keys.ensure(c, now)
        _, secret = registry.create(c, _client("confidential", "client_secret_basic"), now=now)
        registry.create(c, _client("public", "none"), now=now)
        for i, person in enumerate(servers.PERSONS):
            _sign_up(services, c, i, person, now)
    assert secret is not None
    return secret


def _client(client_id: str, method: str) -> NewClient:
    scopes = ("openid", "profile", "phone", "offline_access")
    alone = method != "none"  # also acts for itself, with a scope of its own
    grants = ("authorization_code", "refresh_token", *(("client_credentials",) if alone else ()))
    own = ("records.read",) if alone else ()
    return NewClient(
        client_id=client_id, name="测试", name_en="bench", division="510500", purpose="测试", purpose_en="bench",
        legal_basis="statutory_duty", redirect_uris=(servers.REDIRECT_URI,), scopes=(*scopes, *own),
        claims_ceiling=claims.of_scopes(scopes), grant_types=grants, token_endpoint_auth_method=method,
    )  # fmt: skip


def _sign_up(services: Services, c: object, i: int, person: Person, now: datetime) -> None:
    from accounts.identifiers import Mobile  # noqa: PLC0415 - its tables are not part of what is measured

    number = CitizenId.parse(person.login)
    phone = Mobile.parse(f"139000000{i:02}")
    new = NewPerson(
        name=f"测试{i}", identifiers=(number,), phones=(phone,), birth_date=number.birth_date, sex=number.sex
    )
    known = services.people.register(c, new, now=now)
    encoded = services.hasher.hash(person.password)
    passwords.store(c, services.people.vault, known.id, encoded, now=now)


_CHECKS = """
import time
from accounts.credentials import password
from idp.settings import Settings
chosen = Settings()
hasher = password.PasswordHasher(
    memory_kib=chosen.argon2_memory_kib, passes=chosen.argon2_passes, lanes=chosen.argon2_lanes, concurrent=1)
encoded = hasher.hash("x")
hasher.verify(encoded, "x")
begin = time.process_time()
for _ in range(COUNT):
    hasher.verify(encoded, "x")
print((time.process_time() - begin) / COUNT * 1000)
"""


def check_cpu_ms(count: int = 20) -> float:
    """CPU in ms of one password check, on the server's core and with the server's build and settings."""
    program = _CHECKS.replace("COUNT", str(count))
    told = subprocess.run(
        pinned(SERVER_CORE, [sys.executable, "-c", program]), check=True, cwd=servers.ROOT, stdout=subprocess.PIPE
    )
    return float(told.stdout)


def build() -> str:
    """Which build of Argon2 is installed."""
    return "native build" if passwords.is_native() else "generic build; `make native` is faster"


def print_in_process() -> None:
    """Print CPU µs per request without any server: the figure to guard."""
    subprocess.run([sys.executable, str(servers.HERE / "in_process.py")], check=True, cwd=servers.ROOT)
