"""Fixtures that all tests use: `database` (SQLite and PostgreSQL, all tables, empty), `clock`, `vault`."""

import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from sqlalchemy.engine import make_url

from accounts.database import Database, metadata
from accounts.vault import Vault
from idp.migrations import load_tables
from tests.fixtures.postgres import server

pytest_plugins = ("tests.fixtures.hygiene",)
settings.register_profile("yitong", deadline=None)  # a busy machine is not a failure; pytest-timeout limits the time
settings.load_profile("yitong")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Clock:
    """A clock that only tests move."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        """The new time, later by `timedelta(**by)`."""
        self.now += timedelta(**by)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def vault() -> Vault:
    return Vault.from_keys([("test", secrets.token_bytes(32))])


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    load_tables()
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    template = Database(f"sqlite:///{path}")
    engine = template.engine()
    metadata.create_all(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a database of this session alone, with all tables; it is dropped at the end."""
    load_tables()
    with server() as maintenance:
        name = f"yitong_test_{secrets.token_hex(6)}"
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = make_url(maintenance).set(database=name)
        engine = Database(url.render_as_string(hide_password=False)).engine()
        metadata.create_all(engine)
        engine.dispose()
        yield url.render_as_string(hide_password=False)
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def empty(url: str) -> None:
    """Empties all tables and closes all other connections, with triggers and foreign keys switched off."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute("SET session_replication_role = replica")
        deletes = (sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)) for table in metadata.sorted_tables)
        connection.execute(sql.SQL(";").join(deletes))  # one round trip


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with all tables and no rows, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        return f"sqlite:///{shutil.copyfile(template, tmp_path / 'yitong.db')}"
    url: str = request.getfixturevalue("postgres_url")
    empty(url)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With CI=true a skipped test is a failed run: everything a test needs must be installed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line(
            "CI: a skipped test fails the run; scripts/install-test-tools has what is missing", red=True
        )
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
