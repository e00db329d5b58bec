"""The database: one driver connection a thread, in autocommit, and one way to run a statement.

SQLAlchemy Core describes tables and builds statements; each statement is compiled once and then runs on
the driver itself, on SQLite and on PostgreSQL alike (docs/decisions/0002-core-and-driver.md gives the cost).
`accounts.statements` builds what runs here; its names are re-exported, so callers import from this module alone.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar, Protocol

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import make_url

from accounts.errors import Conflict, DatabaseUnavailable
from accounts.statements import (
    Json,
    Redemption,
    Statement,
    UtcDateTime,
    insert_unless_present,
    metadata,
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
    "new_id",
]


class Connection:
    """One thread's way to the database. In autocommit each call is its own transaction."""

    dialect: ClassVar[sa.Dialect]

    def __init__(self, database: Database) -> None:
        self._database = database
        self._process = os.getpid()
        self.in_transaction = False

    def __del__(self) -> None:
        """A thread that ends gives its connection back; a fork's copy is left to the parent, who still uses it."""
        if self._process == os.getpid() and hasattr(self, "_driver"):
            self.close()

    def rows(self, statement: Statement, /, **params: Any) -> list[Any]:
        """Every row, as named tuples."""
        compiled = statement.compiled(self.dialect)
        return compiled.rows(self._run(compiled.text, compiled.arguments(params)).fetchall())

    def one(self, statement: Statement, /, **params: Any) -> Any:
        """The first row, or None."""
        found = self.rows(statement, **params)
        return found[0] if found else None

    def execute(self, statement: Statement, /, **params: Any) -> int:
        """How many rows the statement wrote. Raises Conflict where a constraint refuses it."""
        compiled = statement.compiled(self.dialect)
        return int(self._run(compiled.text, compiled.arguments(params)).rowcount)

    def execute_many(self, statement: Statement, many: Iterable[Mapping[str, Any]]) -> int:
        """The statement once for each mapping, in one transaction, as fast as the driver can."""
        compiled = statement.compiled(self.dialect)
        arguments = [compiled.arguments(params) for params in many]
        with self._database.transaction_of(self):
            return self._run_many(compiled.text, arguments)

    def redeem(self, redemption: Redemption, spend: Mapping[str, Any], *buys: Mapping[str, Any]) -> bool:
        """Whether this call was the one that spent it; what it buys is then written, otherwise nothing is.

        `spend` fills the UPDATE's parameters; each of `buys` is a whole row, in the order of the redemption's tables.
        """
        raise NotImplementedError

    def _run(self, text: str, arguments: list[Any]) -> Any:
        raise NotImplementedError

    def _run_many(self, text: str, arguments: list[list[Any]]) -> int:
        raise NotImplementedError

    def begin(self) -> None:
        """Open a transaction that may write."""
        raise NotImplementedError

    def end(self, verb: str) -> None:
        """COMMIT or ROLLBACK."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the driver's connection back."""
        raise NotImplementedError


class SqliteConnection(Connection):
    """SQLite in WAL mode: many readers, one writer at a time, who says so at once (BEGIN IMMEDIATE)."""

    dialect = SQLiteDialect_pysqlite(paramstyle="qmark")

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        try:
            self._driver = sqlite3.connect(
                database.url.database or ":memory:",
                isolation_level=None,
                check_same_thread=False,
                timeout=database.patience.total_seconds(),
                cached_statements=512,
            )
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
                self._driver.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise DatabaseUnavailable(detail=str(error)) from error

    def redeem(self, redemption: Redemption, spend: Mapping[str, Any], *buys: Mapping[str, Any]) -> bool:
        """One BEGIN IMMEDIATE: spend, and only if that took one row, buy."""
        with self._database.transaction_of(self):
            if self.execute(redemption.spend, **spend) != 1:
                return False
            arguments = redemption.arguments({}, buys)
            for buy in redemption.buys:
                self.execute(buy, **arguments)
            return True

    def _run(self, text: str, arguments: list[Any]) -> Any:
        self._database.count()
        try:
            return self._driver.execute(text, arguments)
        except sqlite3.IntegrityError as error:
            raise Conflict(detail=str(error)) from error
        except sqlite3.OperationalError as error:
            raise DatabaseUnavailable(detail=str(error)) from error

    def _run_many(self, text: str, arguments: list[list[Any]]) -> int:
        self._database.count()
        try:
            return self._driver.executemany(text, arguments).rowcount
        except sqlite3.IntegrityError as error:
            raise Conflict(detail=str(error)) from error
        except sqlite3.OperationalError as error:
            raise DatabaseUnavailable(detail=str(error)) from error

    def begin(self) -> None:
        """Take the write lock now, so that no reader of this transaction has to be thrown out later."""
        try:
            self._driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise DatabaseUnavailable(detail=str(error)) from error

    def end(self, verb: str) -> None:
        """COMMIT or ROLLBACK."""
        self._driver.execute(verb)

    def close(self) -> None:
        """Give the driver's connection back."""
        self._driver.close()


class PostgresConnection(Connection):
    """PostgreSQL through psycopg 3, prepared statements, server-side parameters."""

    dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        try:
            self._driver: psycopg.Connection[Any] = psycopg.connect(
                url,
                autocommit=True,
                prepare_threshold=0,
                cursor_factory=psycopg.RawCursor,
                connect_timeout=max(2, int(database.patience.total_seconds())),
                options=f"-c statement_timeout={int(database.patience.total_seconds() * 1000)} -c jit=off",
            )
        except psycopg.Error as error:
            raise DatabaseUnavailable(detail=str(error)) from error
        self._cursor = self._driver.cursor()

    def redeem(self, redemption: Redemption, spend: Mapping[str, Any], *buys: Mapping[str, Any]) -> bool:
        """One statement: PostgreSQL writes what is bought from the row that was spent, or nothing."""
        compiled = redemption.together.compiled(self.dialect)
        arguments = compiled.arguments(redemption.arguments(spend, buys))
        return len(self._run(compiled.text, arguments).fetchall()) == 1

    def _run(self, text: str, arguments: list[Any]) -> Any:
        self._database.count()
        try:
            return self._cursor.execute(text, arguments)
        except psycopg.errors.IntegrityError as error:
            raise Conflict(detail=str(error.diag.constraint_name)) from error
        except psycopg.OperationalError as error:
            self._database.forget(self)
            raise DatabaseUnavailable(detail=type(error).__name__) from error

    def _run_many(self, text: str, arguments: list[list[Any]]) -> int:
        self._database.count()
        try:
            self._cursor.executemany(text, arguments)
        except psycopg.errors.IntegrityError as error:
            raise Conflict(detail=str(error.diag.constraint_name)) from error
        except psycopg.OperationalError as error:
            self._database.forget(self)
            raise DatabaseUnavailable(detail=type(error).__name__) from error
        return self._cursor.rowcount

    def begin(self) -> None:
        """Open a transaction, READ COMMITTED."""
        self._run("BEGIN", [])

    def end(self, verb: str) -> None:
        """COMMIT or ROLLBACK."""
        self._run(verb, [])

    def close(self) -> None:
        """Give the driver's connection back."""
        self._driver.close()


class Counter(Protocol):
    """What a test hands in to learn how many statements a request costs."""

    def __call__(self) -> None:
        """Called before each statement."""


class Database:
    """One database for one process; each thread that asks gets its own connection."""

    def __init__(self, url: str, *, patience: timedelta = timedelta(seconds=5)) -> None:
        self.url = make_url(url)
        self.patience = patience
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
        """A transaction on this thread's connection: commits at the end, rolls back when an exception escapes.

        Inside an open transaction it joins that one: the outermost decides.
        """
        connection = self.connection()
        with self.transaction_of(connection):
            yield connection

    @contextmanager
    def transaction_of(self, connection: Connection) -> Iterator[None]:
        """The same, for a connection already in hand."""
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
