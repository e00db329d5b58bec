"""One rule of retention: a table, walked in the order of an index, and the rows of it that are due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from accounts.credentials import throttle
from accounts.database import Connection, Database, Statement, UtcDateTime

BATCH = 500
OFTEN, HOURLY, DAILY = timedelta(minutes=10), timedelta(hours=1), timedelta(days=1)
BEFORE: sa.BindParameter[datetime] = sa.bindparam("before", type_=UtcDateTime)
COLLECTED_BEFORE: sa.BindParameter[datetime] = sa.bindparam("collected_before", type_=UtcDateTime)
LOWEST: dict[type[Any], Any] = {sa.Text: "", sa.LargeBinary: b"", UtcDateTime: datetime(1970, 1, 1, tzinfo=UTC)}
_KNOWN_FOR = timedelta(days=1)  # how long a redeemed code is kept, whatever it was exchanged for


class RetentionRule:
    """One table: which rows are due, how long they stay past their use, and how often the table is checked."""

    def __init__(
        self,
        *walk: sa.Column[Any],
        due: sa.ColumnElement[bool],
        keeps: timedelta,
        every: timedelta,
        spare: sa.ColumnElement[bool] | None = None,
        first: sa.Column[Any] | None = None,
    ) -> None:
        """`walk`: the columns of an index, ending with the key.

        If `walk` begins with a time, `due` must be a bound of it, and only rows that are due are read; `spare` keeps
        some of them. Rows of another table that point here by `first` are deleted before, in the same transaction. The
        conditions may use `before` (now less `keeps`), `now`, `collected_before`,
        `familiar_since` and `quiet_since`.
        """
        self.table, self.walk, self.keeps, self.every = walk[0].table, walk, keeps, every
        start, end = _bounds("after", walk), _bounds("last", walk)
        page = sa.select(*walk).where(sa.tuple_(*walk) > start)
        if isinstance(walk[0].type, UtcDateTime):
            page = page.where(due)
        self._page = Statement(page.order_by(*walk).limit(sa.bindparam("most", type_=sa.Integer)))
        doomed = [sa.tuple_(*walk) > start, sa.tuple_(*walk) <= end, due, *(() if spare is None else (~spare,))]
        self._delete = Statement(sa.delete(self.table).where(*doomed))
        self._first = None if first is None else Statement(_pointing_here(first, walk[-1], doomed))

    @property
    def name(self) -> str:
        """The name of the table."""
        return self.table.name

    @property
    def goes_on(self) -> bool:
        """True if a walk may begin where the last one ended. Rows not due then are found by the daily walk."""
        return self.every < HOURLY

    def since(self, last: datetime) -> tuple[Any, ...]:
        """The key before everything that became due after a walk at that moment."""
        return (last - self.keeps, *(LOWEST[type(column.type)] for column in self.walk[1:]))

    def batch(
        self, database: Database, *, now: datetime, after: tuple[Any, ...] | None = None, most: int = BATCH
    ) -> PurgeResult:
        """Read the next `most` rows after that key, and delete those that are due."""
        times = _times(now, self.keeps)
        start = _named("after", after or tuple(LOWEST[type(column.type)] for column in self.walk))
        rows = database.connection().rows(self._page, most=most, **times, **start)
        if not rows:
            return PurgeResult(0, None)
        last = tuple(rows[-1])
        with database.transaction() as c:
            removed = self._remove(c, {**times, **start, **_named("last", last)})
        return PurgeResult(removed, last if len(rows) == most else None)

    def _remove(self, c: Connection, arguments: dict[str, Any]) -> int:
        if self._first is not None:
            c.execute(self._first, **arguments)
        return c.execute(self._delete, **arguments)


@dataclass(frozen=True, slots=True)
class PurgeResult:
    """The result of one batch. `after` is where the next one starts; None when the table has been walked."""

    rows: int
    after: tuple[Any, ...] | None


def _times(now: datetime, keeps: timedelta) -> dict[str, datetime]:
    return {
        "now": now,
        "before": now - keeps,
        "collected_before": now - _KNOWN_FOR,
        "familiar_since": now - throttle.FAMILIAR_FOR,
        "quiet_since": now - throttle.QUIET_FOR,
    }


def _bounds(name: str, walk: Sequence[sa.Column[Any]]) -> sa.Tuple:
    return sa.tuple_(*(sa.bindparam(f"{name}_{i}", type_=column.type) for i, column in enumerate(walk)))


def _named(name: str, values: Sequence[Any]) -> dict[str, Any]:
    return {f"{name}_{i}": value for i, value in enumerate(values)}


def _pointing_here(first: sa.Column[Any], key: sa.Column[Any], doomed: Sequence[sa.ColumnElement[bool]]) -> sa.Delete:
    return sa.delete(first.table).where(first.in_(sa.select(key).where(*doomed)))
