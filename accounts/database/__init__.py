"""The database: one driver connection a thread, in autocommit, and one way to run a statement.

SQLAlchemy Core describes tables and builds statements; each statement is compiled once and then runs on
the driver itself, on SQLite and on PostgreSQL alike (docs/decisions/0002-core-and-driver.md gives the cost).
`accounts.database.statements` builds what runs here. Its names are re-exported, so callers import from here alone.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
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
    """A test passes a counter in, to count the statements of a request."""

    def __call__(self) -> None:
        """Called before each statement."""


ADMITTED_FOR = timedelta(seconds=5)  # a connection is compared again after it, at its next use
Admission = Callable[[Connection], None]  # raises what refuses the database


class Database:
    """One database of one process. A thread has a connection of its own until it releases it."""

    def __init__(
        self, url: str, *, statement_timeout: timedelta = timedelta(seconds=5), admit: Admission | None = None
    ) -> None:
        """`admit` sees each connection before anybody may use it, and again every ADMITTED_FOR."""
        self.url = make_url(url)
        self.statement_timeout = statement_timeout
        self._admit = admit
        self.count: Counter = _ignore
        self._counting = threading.Lock()
        self._kind = _KINDS[self.url.get_backend_name()]
        self._mine = threading.local()
        self._process = os.getpid()
        self._idle: list[Connection] = []

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._kind.dialect.name

    def connection(self) -> Connection:
        """This thread's connection, in autocommit unless a transaction is open on it."""
        if getattr(self._mine, "process", None) != os.getpid():  # a fork must never share a socket
            self._mine.connection = self._taken() or self._opened()
            self._mine.process = os.getpid()
        connection: Connection = self._mine.connection
        if self._admit is not None and time.monotonic() > connection.admitted_until and not connection.in_transaction:
            self._admitted(connection)
        return connection

    def _opened(self) -> Connection:
        """A new connection, admitted. If `admit` raises, the connection is closed and the error is passed on."""
        connection = self._kind(self)
        try:
            self._admitted(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _admitted(self, connection: Connection) -> None:
        if self._admit is not None:
            with self._uncounted():
                self._admit(connection)
            connection.admitted_until = time.monotonic() + ADMITTED_FOR.total_seconds()

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
        """Does not count `admit`'s statements, so that a test counts only what a request costs."""
        if self.count is _ignore:
            yield
            return
        with self._counting:
            counter, self.count = self.count, _ignore
            try:
                yield
            finally:
                self.count = counter

    def release(self) -> None:
        """This thread's connection is free for other threads, unless it has an open transaction.

        There are only as many connections as were ever in use at once, however many threads come and go.
        """
        if getattr(self._mine, "process", None) == os.getpid() and not self._mine.connection.in_transaction:
            self._mine.process = None
            self._idle.append(self._mine.connection)
            del self._mine.connection

    def _taken(self) -> Connection | None:
        """The idle connection that was used last, because the server has its statements at hand, or None."""
        if self._process != os.getpid():  # a fork inherits the list, but must not use what is in it
            self._process, self._idle = os.getpid(), []
        try:
            return self._idle.pop()
        except IndexError:
            return None

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
        """Drop a broken connection and all idle ones, because the same fault may have broken them."""
        self._mine.process = None
        self._idle = []
        try:
            connection.close()
        except Exception:  # noqa: BLE001 - it is broken already, and a second error would hide the first
            return

    def close(self) -> None:
        """Close this thread's connection and all idle ones."""
        if getattr(self._mine, "process", None) == os.getpid():
            self._mine.connection.close()
            self._mine.process = None
        while (idle := self._taken()) is not None:
            idle.close()

    def engine(self) -> sa.Engine:
        """A SQLAlchemy engine on the same database, for migrations and tests; never on a request path.

        Whoever gets it may change the schema, so this thread's connection is compared before and after.
        """
        if self._admit is not None:
            self._opened().close()
            if getattr(self._mine, "process", None) == os.getpid():
                self._mine.connection.admitted_until = 0.0
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
