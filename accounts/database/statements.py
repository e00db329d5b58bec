"""Column types, and statements that are built once: SQLAlchemy Core describes, each is compiled once for a dialect.

`accounts.database` runs them and re-exports every name of this module: import from there. Times are stored as whole
microseconds since 1970 in UTC and are read as aware datetimes.
"""

from __future__ import annotations

import re
import secrets
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as _insert_with_conflict
from sqlalchemy.sql.compiler import SQLCompiler

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_BOUGHT = re.compile(r"buy(\d+)_(.+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 24 * 3600


def new_id() -> str:
    """A random 128-bit key of 32 hexadecimal characters. It reveals nothing about what it names."""
    return secrets.token_hex(16)


def microseconds(moment: datetime | None) -> int | None:
    """Whole microseconds since 1970. Raises TypeError for a naive datetime, which names no moment."""
    if moment is None:
        return None
    since = moment - _EPOCH
    return (since.days * _DAY + since.seconds) * 1_000_000 + since.microseconds


def moment(stored: int | None) -> datetime | None:
    """The same moment, aware, in UTC."""
    return None if stored is None else _EPOCH + timedelta(microseconds=stored)


def json_text(value: Any) -> str | None:
    """Compact JSON."""
    return None if value is None else orjson.dumps(value).decode()


def json_value(stored: str | None) -> Any:
    """The value that was stored."""
    return None if stored is None else orjson.loads(stored)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970: equal on every database, compared as a number."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's
        """For SQLAlchemy's engine, in migrations and tests."""
        return microseconds(value)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """The reverse conversion."""
        return moment(value)


class Json(sa.types.TypeDecorator[Any]):
    """A JSON value stored as text, for lists and small objects that are never searched."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """For SQLAlchemy's engine, in migrations and tests."""
        return json_text(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """The reverse conversion."""
        return json_value(value)


# What SQLAlchemy's own processors would do, without the three calls that each of them costs a value: 0.1 µs of 1.2
# for a time on its way in, 1.7 µs of 4.4 on its way out, 0.4 µs of 1.5 for JSON.
_TO_DRIVER: dict[type, Callable[[Any], Any]] = {UtcDateTime: microseconds, Json: json_text}
_FROM_DRIVER: dict[type, Callable[[Any], Any]] = {UtcDateTime: moment, Json: json_value}


def insert_unless_present(table: sa.Table) -> sa.Insert:
    """An INSERT that leaves an existing row alone. The row count says whether it was written."""
    return _insert_with_conflict(table).on_conflict_do_nothing()


_Processor = Callable[[Any], Any]


class Compiled:
    """One statement in one dialect: its text, the order and types of its parameters, and what converts values.

    Kept, because compiling costs 770 µs. Run by itself on SQLite, a read of one token by its key costs 46 µs; through
    SQLAlchemy's engine, with its own cache of compiled statements, 239 µs.
    """

    def __init__(self, clause: sa.ClauseElement, dialect: sa.Dialect, column_keys: list[str] | None) -> None:
        compiled = cast("SQLCompiler", clause.compile(dialect=dialect, column_keys=column_keys))
        order = compiled.positiontup or ()
        self.text = compiled.string
        self.fixed = {name: bind.effective_value for name, bind in compiled.binds.items() if not bind.required}
        self.types = tuple(compiled.binds[name].type for name in order)
        self.parameters = tuple((name, _to_driver(compiled.binds[name].type)) for name in order)
        columns = _result_columns(clause)
        self.row = _row_type([c.key for c in columns])
        converters = [_from_driver(c.type, dialect) for c in columns]
        self.converters = tuple((i, f) for i, f in enumerate(converters) if f is not None)

    def arguments(self, params: Mapping[str, Any]) -> list[Any]:
        """The driver's positional arguments; a parameter that was not given and has no value raises KeyError."""
        return [
            value if process is None else process(value)
            for value, (_, process) in zip(self.values(params), self.parameters, strict=True)
        ]

    def values(self, params: Mapping[str, Any]) -> list[Any]:
        """The same in order, but as they were given: for a driver that converts them itself."""
        known = {**self.fixed, **params} if self.fixed else params
        return [known[name] for name, _ in self.parameters]

    def rows(self, raw: Iterable[Sequence[Any]]) -> list[Any]:
        """Named rows, with converted columns."""
        make = self.row._make
        if not self.converters:
            return [make(r) for r in raw]
        return [make(self._converted(r)) for r in raw]

    def _converted(self, raw: Sequence[Any]) -> list[Any]:
        values = list(raw)
        for index, convert in self.converters:
            values[index] = convert(values[index])
        return values


def _to_driver(kind: sa.types.TypeEngine[Any]) -> _Processor | None:
    """The function that converts our value to the driver's; None where no conversion is needed."""
    return _TO_DRIVER.get(type(kind))


def _from_driver(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> _Processor | None:
    """The reverse conversion. PostgreSQL returns a boolean, SQLite a number."""
    if isinstance(kind, sa.Boolean):
        return kind.dialect_impl(dialect).result_processor(dialect, None)
    return _FROM_DRIVER.get(type(kind))


def _row_type(names: list[str]) -> Any:
    """A named tuple of these columns. They are known only when the statement is compiled."""
    return namedtuple("Row", names, rename=True)  # noqa: PYI024 - NamedTuple needs them earlier


def _result_columns(clause: sa.ClauseElement) -> list[Any]:
    """What the statement answers with: a SELECT's columns, or those after RETURNING."""
    return list(clause.exported_columns) if isinstance(clause, sa.SelectBase | sa.UpdateBase) else []


class Statement:
    """A statement built once at import and compiled once a dialect. `columns` names what an INSERT fills.

    An INSERT that names neither values nor columns fills every column: leaving one out is a decision, so it is
    spelled as None. SQLAlchemy compiles it so by itself where it is told no column keys.
    """

    def __init__(self, clause: sa.ClauseElement, columns: Iterable[str] | None = None) -> None:
        self.clause = clause
        self._columns = list(columns) if columns is not None else None
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, dialect: sa.Dialect) -> Compiled:
        """This statement in that dialect."""
        try:
            return self._compiled[dialect.name]
        except KeyError:
            return self._compiled.setdefault(dialect.name, Compiled(self.clause, dialect, self._columns))


class Redemption:
    """What is spent once, and what it buys: the rule of docs/decisions/0003-redemption.md as a type.

    `spend` is an UPDATE whose WHERE holds every condition of being spendable; `buys` are tables that each get one
    row, only when exactly one row was spent. PostgreSQL gets one statement (a CTE), SQLite one short transaction.
    """

    def __init__(self, spend: sa.Update, *buys: sa.TableClause) -> None:
        self.spend = Statement(spend)
        self.buys = tuple(Statement(_bought(table, "")) for table in buys)
        self.together = Statement(_one_statement(spend, buys))
        self._places: tuple[tuple[int, str], ...] = ()

    def values(self, dialect: sa.Dialect, spend: Mapping[str, Any], buys: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The values of `together` in order, as they were given: each taken straight from the row it comes in."""
        if not self._places:
            self._places = tuple(_place(name) for name, _ in self.together.compiled(dialect).parameters)
        given = ({**self.together.compiled(dialect).fixed, **spend}, *buys)
        return [given[row][name] for row, name in self._places]


def _place(name: str) -> tuple[int, str]:
    """Which of the given rows holds a parameter, and under which name."""
    bought = _BOUGHT.fullmatch(name)
    return (0, name) if bought is None else (int(bought[1]) + 1, bought[2])


def _bought(table: sa.TableClause, prefix: str, spent: sa.CTE | None = None) -> sa.Insert:
    values = sa.select(*(sa.cast(sa.bindparam(prefix + c.key, type_=c.type), c.type) for c in table.columns))
    return sa.insert(table).from_select(
        [c.key for c in table.columns], values if spent is None else values.select_from(spent)
    )


def _one_statement(spend: sa.Update, buys: Sequence[sa.TableClause]) -> sa.Select[Any]:
    spent = spend.returning(sa.literal(1).label("spent")).cte("redeemed")
    bought = [_bought(table, f"buy{i}_", spent).cte(f"bought_{i}") for i, table in enumerate(buys)]
    return sa.select(spent.c.spent).add_cte(*bought)
