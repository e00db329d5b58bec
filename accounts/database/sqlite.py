"""SQLite through the standard library's driver: the embedded default."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from accounts import private_files
from accounts.database.connection import Connection, ConnectionOwner
from accounts.database.statements import Compiled, Redemption, Statement
from accounts.errors import Conflict, DatabaseUnavailable


class SqliteConnection(Connection):
    """SQLite in WAL mode: many readers, and one writer at a time, which takes its lock first (BEGIN IMMEDIATE)."""

    dialect = SQLiteDialect_pysqlite(paramstyle="qmark")
    _tables = Statement(
        sa.select(sa.column("name", sa.Text)).select_from(sa.table("sqlite_master")).where(sa.text("type = 'table'"))
    )

    def __init__(self, database: ConnectionOwner) -> None:
        super().__init__(database)
        make_private(database.url)
        try:
            self._driver = sqlite3.connect(
                database.url.database or ":memory:",
                isolation_level=None,
                check_same_thread=False,
                timeout=database.statement_timeout.total_seconds(),
                cached_statements=512,
            )
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
                self._driver.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise DatabaseUnavailable(detail=str(error)) from error

    def redeem(self, redemption: Redemption, spend: Mapping[str, Any], *buys: Mapping[str, Any]) -> bool:
        """One BEGIN IMMEDIATE: spend, and write what is bought only if exactly one row was spent."""
        with self._database.transaction_of(self):
            if self.execute(redemption.spend, **spend) != 1:
                return False
            for statement, row in zip(redemption.buys, buys, strict=True):
                self.execute(statement, **row)
            return True

    def begin(self) -> None:
        """Take the write lock now, so that this transaction is never refused in the middle."""
        _domain_error(self._driver.execute, "BEGIN IMMEDIATE")

    def end(self, verb: str) -> None:
        """COMMIT or ROLLBACK."""
        _domain_error(self._driver.execute, verb)

    def close(self) -> None:
        """Give the driver's connection back."""
        self._driver.close()

    def _fetch(self, compiled: Compiled, params: Mapping[str, Any]) -> list[Any]:
        self._database.count()
        found: list[Any] = _domain_error(self._driver.execute, compiled.text, compiled.arguments(params)).fetchall()
        return found

    def _write(self, compiled: Compiled, params: Mapping[str, Any]) -> int:
        self._database.count()
        return int(_domain_error(self._driver.execute, compiled.text, compiled.arguments(params)).rowcount)

    def _write_many(self, compiled: Compiled, arguments: list[list[Any]]) -> int:
        self._database.count()
        return int(_domain_error(self._driver.executemany, compiled.text, arguments).rowcount)


def make_private(url: sa.URL) -> None:
    """The database's file exists and is private. SQLite itself would make it readable for everybody.

    Raises DatabaseUnavailable if no file can be made.
    """
    if not url.database or url.database == ":memory:":
        return
    try:
        private_files.prepare(Path(url.database))
    except OSError as error:
        raise DatabaseUnavailable(detail=f"unable to open database file: {error.strerror}") from error


def _domain_error(act: Callable[..., Any], *given: Any) -> Any:
    """The driver's answer. Its exceptions are raised as the domain's."""
    try:
        return act(*given)
    except sqlite3.IntegrityError as error:
        raise Conflict(detail=str(error)) from error
    except sqlite3.OperationalError as error:
        raise DatabaseUnavailable(detail=str(error)) from error
