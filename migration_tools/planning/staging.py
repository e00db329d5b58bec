"""The working table of one plan: each row as keyed digests, so that questions about the whole export are SQL.

It is in the plan's directory while the plan is made, holds no name and no number, and is deleted at the end. Rows are
streamed, so memory does not grow with the export.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from accounts.database import Database, Statement
from migration_tools.planning.screening import MOST_ALIKE

_tables = sa.MetaData()
staged = sa.Table(
    "staged",
    _tables,
    sa.Column("row", sa.Integer, primary_key=True),
    sa.Column("uid", sa.Text, nullable=False, index=True),
    sa.Column("number_key", sa.LargeBinary),
    sa.Column("name_key", sa.LargeBinary),
    sa.Column("number_problem", sa.Text),
    sa.Column("number_was_old", sa.Boolean, nullable=False),
    sa.Column("birth", sa.Text, nullable=False),
    sa.Column("sex", sa.Text, nullable=False),
    sa.Column("key_is_personal", sa.Boolean, nullable=False),
    sa.Column("linked", sa.Boolean, nullable=False),
    sa.Column("holder", sa.Text),
    sa.Column("holder_active", sa.Boolean, nullable=False),
    sa.Column("holder_name_agrees", sa.Boolean, nullable=False),
    sa.Column("separated", sa.Boolean, nullable=False),
    sa.Column("contested", sa.Boolean, nullable=False),
    sa.Column("password", sa.Text, nullable=False),
    sa.Column("hash_key", sa.LargeBinary),
)
numbers = sa.Table(
    "numbers",
    _tables,
    sa.Column("number_key", sa.LargeBinary, primary_key=True),
    sa.Column("names", sa.Integer, nullable=False),
    sa.Column("full", sa.Integer, nullable=False),
    sa.Column("first_row", sa.Integer, nullable=False),
)
repeated = sa.Table(
    "repeated", _tables, sa.Column("uid", sa.Text, primary_key=True), sa.Column("times", sa.Integer, nullable=False)
)
frequent = sa.Table("frequent", _tables, sa.Column("hash_key", sa.LargeBinary, primary_key=True))

_s = staged.c
_INSERT = Statement(sa.insert(staged), columns=[c.key for c in staged.columns])
_count = sa.func.count()
_NUMBERS = Statement(
    sa.insert(numbers).from_select(
        ["number_key", "names", "full", "first_row"],
        sa.select(
            _s.number_key,
            sa.func.count(_s.name_key.distinct()),
            sa.func.max(sa.case((_s.number_was_old, 0), else_=1)),
            sa.func.min(_s.row),
        )
        .where(_s.number_key.is_not(None), _s.name_key.is_not(None))
        .group_by(_s.number_key),
    )
)
_REPEATED = Statement(
    sa.insert(repeated).from_select(
        ["uid", "times"], sa.select(_s.uid, _count).group_by(_s.uid).having(_count > sa.literal_column("1"))
    )
)
_FREQUENT = Statement(
    sa.insert(frequent).from_select(
        ["hash_key"],
        sa.select(_s.hash_key)
        .where(_s.hash_key.is_not(None))
        .group_by(_s.hash_key)
        .having(_count > sa.literal_column(str(MOST_ALIKE))),
    )
)
_READ = Statement(
    sa.select(
        staged,
        sa.func.coalesce(repeated.c.times, 1).label("key_occurs"),
        numbers.c.names,
        numbers.c.full,
        numbers.c.first_row,
        frequent.c.hash_key.label("frequent_hash"),
    )
    .select_from(
        staged.outerjoin(numbers, numbers.c.number_key == _s.number_key)
        .outerjoin(repeated, repeated.c.uid == _s.uid)
        .outerjoin(frequent, frequent.c.hash_key == _s.hash_key)
    )
    .where(_s.row > sa.bindparam("after", type_=sa.Integer))
    .order_by(_s.row)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_PAGE = 5000


@dataclass(frozen=True, slots=True)
class StagedRow:
    """One row as the working table has it."""

    row: int
    uid: str
    number_key: bytes | None
    name_key: bytes | None
    number_problem: str | None
    number_was_old: bool
    birth: str
    sex: str
    key_is_personal: bool
    linked: bool
    holder: str | None
    holder_active: bool
    holder_name_agrees: bool
    separated: bool
    contested: bool
    password: str
    hash_key: bytes | None


class Staging:
    """The working table in a file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = Database(f"sqlite:///{path}")
        engine = self._database.engine()
        _tables.create_all(engine)
        engine.dispose()

    def add(self, rows: Sequence[StagedRow]) -> None:
        """These rows are staged."""
        self._database.connection().execute_many(_INSERT, [asdict(row) for row in rows])

    def compare(self) -> None:
        """Find what only the whole export can show: names on a number, repeated keys, default passwords."""
        with self._database.transaction() as c:
            for statement in (_NUMBERS, _REPEATED, _FREQUENT):
                c.execute(statement)

    def rows(self) -> Iterator[Any]:
        """Every staged row, in the export's order, with what `compare` found."""
        after = 0
        while page := self._database.connection().rows(_READ, after=after, most=_PAGE):
            yield from page
            after = page[-1].row

    def close(self) -> None:
        """The file is gone."""
        self._database.close()
        for name in (self._path, *(self._path.with_name(self._path.name + end) for end in ("-wal", "-shm"))):
            with suppress(FileNotFoundError):
                name.unlink()
