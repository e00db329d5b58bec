"""`column IN (…)` for many values, as a statement that is still compiled once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from accounts.database import Connection, Statement

_CHUNK = 200


class BulkSelect:
    """`column IN (…)` of a fixed number of parameters, read in chunks of them."""

    def __init__(self, select: sa.Select[Any], column: sa.ColumnElement[Any]) -> None:
        self._names = tuple(f"in_{i}" for i in range(_CHUNK))
        terms = [sa.bindparam(name, type_=column.type) for name in self._names]
        self._statement = Statement(select.where(column.in_(terms)))

    def rows(self, c: Connection, values: Iterable[Any], **others: Any) -> Iterator[Any]:
        """Every row whose column is one of the values."""
        wanted = list(dict.fromkeys(values))
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            filled = chunk + chunk[-1:] * (_CHUNK - len(chunk))
            yield from c.rows(self._statement, **dict(zip(self._names, filled, strict=True)), **others)
