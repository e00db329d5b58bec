"""The schema's history: each change is one revision that runs alike on SQLite and PostgreSQL, completely or not at all.

Revisions only add first and remove a release later, so that two releases can serve side by side.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from accounts.audit import audit_events
from accounts.database import Database, metadata
from accounts.errors import DatabaseUnavailable

TABLE_MODULES: tuple[str, ...] = (
    "accounts.people",
    "accounts.organisations",
    "accounts.organisations.delegation_store",
    "accounts.people.family.family_store",
    "accounts.evidence",
    "accounts.registration.call_limits",
    "accounts.registration.journey_store",
    "accounts.audit.failed_logins",
    "accounts.credentials.external.federated_identity_store",
    "accounts.credentials.human_check",
    "accounts.credentials.password",
    "accounts.credentials.recovery_codes",
    "accounts.credentials.totp",
    "accounts.credentials.passkeys.challenges",
    "accounts.credentials.passkeys.passkey_store",
    "accounts.credentials.password_rules.history",
    "accounts.credentials.throttle",
    "accounts.credentials.one_time_codes",
    "accounts.credentials.sending_limits",
    "idp.staff.members",
    "idp.staff.second_factor",
    "idp.staff.sessions",
    "accounts.audit",
    "accounts.merging.linking",
    "accounts.merging.tables",
    "accounts.vault.vault_keys",
    "idp.oidc.models",
    "idp.login.session_store",
    "idp.delivery.outbox",
    "idp.adapters.systems.sandbox",
    "idp.rights.tables",
)
_ONE_AT_A_TIME = sa.text("SELECT pg_advisory_xact_lock(7981)")  # two nodes that start together must not both migrate


Record = Callable[[str | None, str | None], Mapping[str, Any]]  # (from, to) → a row of audit_events


def upgrade(database: Database, revision: str = "head", *, record: Record | None = None) -> None:
    """The database has the schema of that revision. It can be repeated, and an interrupted run changes nothing.

    The audit record that `record` makes is written in the same transaction. Raises DatabaseUnavailable.
    """
    with _open(database) as connection:
        before = _revision(connection)
        command.upgrade(_config(connection), revision)
        after = _revision(connection)
        if record is not None and after != before:
            connection.execute(sa.insert(audit_events).values(**record(before, after)))


def downgrade(database: Database, revision: str, *, record: Record | None = None) -> None:
    """The database is back at that revision (`base`: no table of ours). Data of the newer schema alone is gone.

    The audit record is written first, in the same transaction: the older schema may lack its columns. Raises
    DatabaseUnavailable.
    """
    with _open(database) as connection:
        if record is not None and _revision(connection) is not None:
            connection.execute(sa.insert(audit_events).values(**record(_revision(connection), revision)))
        command.downgrade(_config(connection), revision)


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def revise(database: Database, message: str) -> None:
    """Write a revision file with what the tables in code have and this database, at the newest revision, lacks."""
    with _open(database) as connection:
        command.revision(_config(connection), message=message, autogenerate=True)


def current(database: Database) -> str | None:
    """The revision of the database, or None when it has no schema of ours."""
    with _open(database) as connection:
        return _revision(connection)


def newest() -> str | None:
    """The newest revision in code."""
    return ScriptDirectory.from_config(_config(None)).get_current_head()


def differences(database: Database) -> list[object]:
    """How the database's tables, columns and indexes differ from those in code. Empty when they agree."""
    load_tables()
    with _open(database) as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def load_tables() -> None:
    """Import every module with tables, so that all are in `accounts.database.metadata`."""
    for name in TABLE_MODULES:
        importlib.import_module(name)


def _config(connection: sa.Connection | None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


@contextmanager
def _open(database: Database) -> Iterator[sa.Connection]:
    """One transaction around everything. SQLite's driver would otherwise commit before each table.

    Raises DatabaseUnavailable.
    """
    engine = database.engine()
    if database.dialect == "sqlite":
        sa.event.listen(engine, "connect", _leave_transactions_to_us)
        sa.event.listen(engine, "begin", _begin_immediate)
    try:
        with engine.begin() as connection:
            if database.dialect == "postgresql":
                connection.execute(_ONE_AT_A_TIME)
            yield connection
    except sa.exc.OperationalError as error:
        raise DatabaseUnavailable(detail=str(error.orig)) from error
    finally:
        engine.dispose()


def _leave_transactions_to_us(driver: object, _record: object) -> None:
    driver.isolation_level = None  # type: ignore[attr-defined]


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
