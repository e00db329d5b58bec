"""PostgreSQL through psycopg's `pq` module: libpq itself, which waits for the server without the interpreter's lock.

psycopg's cursor costs as much as the round trip that it makes (docs/decisions/0002-core-and-driver.md). Here a
statement is prepared once for a connection, with the types of its columns, and is then only executed: 49 µs of
processor time for a read of one token by its key, where the cursor with a prepared statement takes 94 µs and
SQLAlchemy's engine 307 µs. psycopg still connects, converts results, names errors and writes in bulk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg
import sqlalchemy as sa
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, Format
from psycopg.pq.abc import PGresult
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from accounts.database.connection import Connection, ConnectionOwner
from accounts.database.statements import Compiled, Json, Redemption, Statement, UtcDateTime, microseconds
from accounts.errors import Conflict, DatabaseUnavailable

_DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_TYPES: tuple[tuple[type[sa.types.TypeEngine[Any]], int], ...] = (  # of parameters, by PostgreSQL's own numbers
    (sa.String, 25),
    (sa.LargeBinary, 17),
    (sa.BigInteger, 20),
    (sa.Integer, 23),
    (sa.Boolean, 16),
)
_AS_BYTES = (25, 17)  # sent with their length: otherwise libpq would cut a text at a NUL, which the server refuses
_Encoder = Callable[[Any], bytes]
_ENCODERS: dict[int, _Encoder] = {
    25: str.encode,
    17: bytes,
    20: b"%d".__mod__,
    23: b"%d".__mod__,
    16: {True: b"t", False: b"f"}.__getitem__,
}


def _encoded_moment(value: datetime) -> bytes:
    return b"%d" % (microseconds(value) or 0)


# Each value is encoded in one step, without a text in between.
_ENCODERS_OF_OURS: dict[type, _Encoder] = {UtcDateTime: _encoded_moment, Json: orjson.dumps}


@dataclass(slots=True)
class _Prepared:
    """One statement as this connection has prepared it."""

    name: bytes
    formats: list[int]
    encoders: list[_Encoder]
    loading: Any  # psycopg.adapt.Transformer, which is two classes under one name
    knows_columns: bool = False


class PostgresConnection(Connection):
    """One connection in autocommit: server-side parameters, statements prepared at their first use."""

    dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    _tables = Statement(
        sa.select(sa.cast(sa.column("tablename"), sa.Text).label("name"))
        .select_from(sa.table("pg_tables"))
        .where(sa.text("schemaname = ANY (current_schemas(false))"))
    )

    def __init__(self, database: ConnectionOwner) -> None:
        super().__init__(database)
        statement_timeout = database.statement_timeout.total_seconds()
        try:
            self._driver: psycopg.Connection[Any] = psycopg.connect(
                database.url.set(drivername="postgresql").render_as_string(hide_password=False),
                autocommit=True,
                prepare_threshold=0,
                cursor_factory=psycopg.RawCursor,
                connect_timeout=max(2, int(statement_timeout)),
                tcp_user_timeout=int(statement_timeout * 2000),  # notices a server that vanished without an answer
                options=f"-c statement_timeout={int(statement_timeout * 1000)} -c jit=off",
            )
        except psycopg.Error as error:
            raise DatabaseUnavailable(detail=str(error)) from error
        self._libpq = self._driver.pgconn
        self._prepared: dict[Compiled, _Prepared] = {}

    def redeem(self, redemption: Redemption, spend: Mapping[str, Any], *buys: Mapping[str, Any]) -> bool:
        """One statement: PostgreSQL writes the bought rows from the row that was spent, or writes nothing."""
        compiled = redemption.together.compiled(self.dialect)
        return self._run(compiled, redemption.values(self.dialect, spend, buys)).ntuples == 1

    def begin(self) -> None:
        """Open a transaction, READ COMMITTED."""
        self._command(b"BEGIN")

    def end(self, verb: str) -> None:
        """COMMIT or ROLLBACK."""
        self._command(verb.encode())

    def close(self) -> None:
        """Give the driver's connection back."""
        self._driver.close()

    def _fetch(self, compiled: Compiled, params: Mapping[str, Any]) -> list[Any]:
        result = self._run(compiled, compiled.values(params))
        if not result.ntuples:
            return []
        prepared = self._prepared[compiled]
        prepared.loading.set_pgresult(result, set_loaders=not prepared.knows_columns)
        prepared.knows_columns = True
        rows: list[Any] = prepared.loading.load_rows(0, result.ntuples, tuple)
        return rows

    def _write(self, compiled: Compiled, params: Mapping[str, Any]) -> int:
        return self._run(compiled, compiled.values(params)).command_tuples or 0

    def _write_many(self, compiled: Compiled, arguments: list[list[Any]]) -> int:
        self._database.count()
        try:
            with self._driver.cursor() as cursor:
                cursor.executemany(compiled.text, arguments)
                return cursor.rowcount
        except psycopg.Error as error:
            raise self._domain_error(error) from error

    def _run(self, compiled: Compiled, values: list[Any]) -> PGresult:
        self._database.count()
        try:
            prepared = self._prepared.get(compiled) or self._prepare(compiled)
            sent: list[Any] = [
                None if value is None else encode(value)
                for encode, value in zip(prepared.encoders, values, strict=True)
            ]
            return _done(self._libpq.exec_prepared(prepared.name, sent, prepared.formats, Format.BINARY))
        except psycopg.Error as error:
            raise self._domain_error(error) from error

    def _command(self, command: bytes) -> None:
        self._database.count()
        try:
            _done(self._libpq.exec_(command))
        except psycopg.Error as error:
            raise self._domain_error(error) from error

    def _prepare(self, compiled: Compiled) -> _Prepared:
        types = [_type_number(kind) for kind in compiled.types]
        formats = [int(Format.BINARY if number in _AS_BYTES else Format.TEXT) for number in types]
        name = b"yt_%d" % len(self._prepared)
        _done(self._libpq.prepare(name, compiled.text.encode(), types))
        prepared = _Prepared(name, formats, [_encoder(kind) for kind in compiled.types], Transformer(self._driver))
        self._prepared[compiled] = prepared
        return prepared

    def _domain_error(self, error: psycopg.Error) -> Exception:
        """The driver's error as the domain's. A connection that failed is not used again."""
        if isinstance(error, psycopg.IntegrityError):
            return Conflict(detail=str(error.diag.constraint_name))
        if isinstance(error, psycopg.OperationalError):
            self._database.forget(self)
            return DatabaseUnavailable(detail=type(error).__name__)
        return error


def _done(result: PGresult) -> PGresult:
    """The result of a statement that succeeded. Raises psycopg's error for the SQLSTATE of one that did not."""
    if result.status in _DONE:
        return result
    if result.error_field(DiagnosticField.SQLSTATE) is None:  # libpq's own words: the server never answered
        raise psycopg.OperationalError("the connection was lost")
    raise error_from_result(result)


def _encoder(kind: sa.types.TypeEngine[Any]) -> _Encoder:
    return _ENCODERS_OF_OURS.get(type(kind)) or _ENCODERS[_type_number(kind)]


def _type_number(kind: sa.types.TypeEngine[Any]) -> int:
    plain = kind.impl_instance if isinstance(kind, sa.types.TypeDecorator) else kind
    return next(number for known, number in _TYPES if isinstance(plain, known))
