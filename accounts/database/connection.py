"""The interface of every driver's connection: it runs statements and returns named rows or a row count."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, ClassVar, Protocol

import sqlalchemy as sa

from accounts.database.statements import Compiled, Redemption, Statement


class ConnectionOwner(Protocol):
    """The database a connection belongs to."""

    url: sa.URL
    statement_timeout: timedelta

    def count(self) -> None:
        """Called before each statement."""

    def transaction_of(self, connection: Connection) -> AbstractContextManager[None]:
        """A transaction on that connection."""

    def forget(self, connection: Connection) -> None:
        """That connection is broken."""


class Connection(ABC):
    """One thread's connection to the database. In autocommit each call is its own transaction."""

    dialect: ClassVar[sa.Dialect]
    _tables: ClassVar[Statement]

    def __init__(self, database: ConnectionOwner) -> None:
        self._database = database
        self._process = os.getpid()
        self.in_transaction = False
        self.admitted_until = 0.0  # of the monotonic clock: until then its database need not be compared again

    def __del__(self) -> None:
        """A thread that ends closes its connection. A forked copy is left alone: the parent still uses it."""
        if self._process == os.getpid() and hasattr(self, "_driver"):
            self.close()

    def rows(self, statement: Statement, /, **params: Any) -> list[Any]:
        """Every row, as named tuples."""
        compiled = statement.compiled(self.dialect)
        return compiled.rows(self._fetch(compiled, params))

    def one(self, statement: Statement, /, **params: Any) -> Any:
        """The first row, or None."""
        found = self.rows(statement, **params)
        return found[0] if found else None

    def execute(self, statement: Statement, /, **params: Any) -> int:
        """Run the statement and return how many rows it wrote. Raises Conflict where a constraint refuses it."""
        compiled = statement.compiled(self.dialect)
        return self._write(compiled, params)

    def execute_many(self, statement: Statement, many: Iterable[Mapping[str, Any]]) -> int:
        """Run the statement once for each mapping, in one transaction, with the driver's bulk call."""
        compiled = statement.compiled(self.dialect)
        arguments = [compiled.arguments(params) for params in many]
        with self._database.transaction_of(self):
            return self._write_many(compiled, arguments)

    def tables(self) -> frozenset[str]:
        """The names of all tables."""
        return frozenset(row[0] for row in self.rows(self._tables))

    @abstractmethod
    def redeem(self, redemption: Redemption, spend: Mapping[str, Any], *buys: Mapping[str, Any]) -> bool:
        """Spend something once. True for the one call that spent it: then everything it buys is written, else nothing.

        `spend` has the UPDATE's parameters. Each of `buys` is a whole row, in the order of the redemption's tables.
        """

    @abstractmethod
    def begin(self) -> None:
        """Open a transaction that may write."""

    @abstractmethod
    def end(self, verb: str) -> None:
        """COMMIT or ROLLBACK."""

    @abstractmethod
    def close(self) -> None:
        """Give the driver's connection back."""

    @abstractmethod
    def _fetch(self, compiled: Compiled, params: Mapping[str, Any]) -> list[Any]: ...

    @abstractmethod
    def _write(self, compiled: Compiled, params: Mapping[str, Any]) -> int: ...

    @abstractmethod
    def _write_many(self, compiled: Compiled, arguments: list[list[Any]]) -> int: ...
