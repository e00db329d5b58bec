"""Fixtures everybody uses: `database` (SQLite and PostgreSQL, all tables, empty), `clock`, `vault`."""

import importlib
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from sqlalchemy.engine import make_url

from accounts.db import Database, metadata
from tests.postgres import server

pytest_plugins = ("tests.hygiene",)
TABLE_MODULES = (
    "accounts.people",
    "accounts.evidence",
    "accounts.organisations",
    "accounts.delegations",
    "accounts.credentials",
    "accounts.credentials.password",
    "accounts.credentials.throttle",
    "accounts.audit",
    "accounts.linking",
    "accounts.merging",
    "idp.oidc.models",
    "idp.sessions",
    "idp.outbox",
    "idp.adapters.systems.sandbox",
)
settings.register_profile("yitong", deadline=None)  # a busy machine is no wrong answer; pytest-timeout guards the rest
settings.load_profile("yitong")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def import_tables() -> None:
    """Every table is in `accounts.db.metadata`."""
    for name in TABLE_MODULES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue


class Clock:
    """A clock that moves only when told."""

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
def vault() -> Any:
    return importlib.import_module("accounts.vault").Vault.from_keys([("test", secrets.token_bytes(32))])


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import_tables()
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    template = Database(f"sqlite:///{path}")
    engine = template.engine()
    metadata.create_all(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database of this session alone, with all tables; it is dropped at the end."""
    import_tables()
    with server(tmp_path_factory.mktemp("postgres")) as maintenance:
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
    """No table has a row and no other connection is left. Triggers and foreign keys are asked to look away."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute("SET session_replication_role = replica")
        for table in metadata.sorted_tables:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))


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
