"""The database: one driver connection a thread, in autocommit, and one way to run a statement.

SQLAlchemy Core describes tables and builds statements; each statement is compiled once and then runs on
the driver itself, on SQLite and on PostgreSQL alike (docs/decisions/0002-core-and-driver.md gives the cost).
`accounts.database.statements` builds what runs here. Its names are re-exported, so callers import from here alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from accounts.database.connection import Connection
from accounts.database.postgres import PostgresConnection
from accounts.database.sqlite import SqliteConnection, make_private
from accounts.database.statements import (
    Json,
    Redemption,
    Statement,
    UtcDateTime,
    insert_unless_present,
    metadata,
    microseconds,
    moment,
    new_id,
)

__all__ = [
    "Connection",
    "Counter",
    "Database",
    "Json",
    "PostgresConnection",
    "Redemption",
    "SqliteConnection",
    "Statement",
    "UtcDateTime",
    "insert_unless_present",
    "metadata",
    "microseconds",
    "moment",
    "new_id",
]


class Counter(Protocol):
    """A test passes one in to count the statements of a request."""

    def __call__(self) -> None:
        """Called before each statement."""


class Database:
    """One database of one process. Each thread gets its own connection."""

    def __init__(self, url: str, *, statement_timeout: timedelta = timedelta(seconds=5)) -> None:
        self.url = make_url(url)
        self.statement_timeout = statement_timeout
        self.count: Counter = _ignore
        self._kind = _KINDS[self.url.get_backend_name()]
        self._mine = threading.local()
        self._process = os.getpid()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._kind.dialect.name

    def connection(self) -> Connection:
        """This thread's connection, in autocommit unless a transaction is open on it."""
        if getattr(self._mine, "process", None) != os.getpid():  # a fork must never share a socket
            self._mine.connection = self._kind(self)
            self._mine.process = os.getpid()
        connection: Connection = self._mine.connection
        return connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction on this thread's connection. It commits at the end and rolls back when an exception escapes.

        Inside an open transaction it joins that one, and the outer one decides.
        """
        connection = self.connection()
        with self.transaction_of(connection):
            yield connection

    @contextmanager
    def transaction_of(self, connection: Connection) -> Iterator[None]:
        """The same on a connection that the caller has already."""
        if connection.in_transaction:
            yield
            return
        connection.begin()
        connection.in_transaction = True
        try:
            yield
        except BaseException:
            connection.in_transaction = False
            _quietly(connection)
            raise
        connection.in_transaction = False
        connection.end("COMMIT")

    def forget(self, connection: Connection) -> None:
        """Drop a broken connection: the thread's next call opens a new one."""
        self._mine.process = None
        try:
            connection.close()
        except Exception:  # noqa: BLE001 - it is broken already, and a second error would hide the first
            return

    def close(self) -> None:
        """Close this thread's connection."""
        if getattr(self._mine, "process", None) == os.getpid():
            self._mine.connection.close()
            self._mine.process = None

    def engine(self) -> sa.Engine:
        """A SQLAlchemy engine on the same database, for migrations and tests; never on a request path."""
        if self.dialect == "sqlite":
            make_private(self.url)
        backend = "postgresql+psycopg" if self.dialect == "postgresql" else "sqlite"
        return sa.create_engine(self.url.set(drivername=backend), poolclass=sa.pool.NullPool)


def _quietly(connection: Connection) -> None:
    try:
        connection.end("ROLLBACK")
    except Exception:  # noqa: BLE001 - the first error is the one to report; a dead server has rolled back by itself
        connection.in_transaction = False


def _ignore() -> None:
    return None


_KINDS: dict[str, type[SqliteConnection | PostgresConnection]] = {
    "sqlite": SqliteConnection,
    "postgresql": PostgresConnection,
}
