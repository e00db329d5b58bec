"""The refused rows of a plan: a table of line, cause and cure, without a value, for the author of the export.

It is written while the source is read, so a file in which every row is broken needs no memory, and every row is named.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from accounts import private_files
from migration_tools.readers.legacy_account import RefusedRow

NAME = "refused.csv"
_ENCODING = "utf-8-sig"  # with the mark: spreadsheets of departments read names of columns as GB18030 without it
_HEADER = ("line", "cause", "cure")


class Refusals:
    """The table of one plan, open for writing. It counts its rows and their causes."""

    def __init__(self, path: Path) -> None:
        self._file = private_files.opened(path, "w", encoding=_ENCODING, newline="")
        self._table = csv.writer(self._file)
        self._table.writerow(_HEADER)
        self.causes: Counter[str] = Counter()

    @property
    def rows(self) -> int:
        """How many rows are refused."""
        return self.causes.total()

    def add(self, rows: Iterable[RefusedRow]) -> None:
        """These rows are in the table."""
        for row in rows:
            self.causes[row.cause] += 1
            self._table.writerow((row.line, row.cause, row.cure))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read(directory: Path) -> Iterator[RefusedRow]:
    """Every refused row of the plan in that directory, in the order of its source."""
    with (directory / NAME).open(encoding=_ENCODING, newline="") as file:
        table = csv.reader(file)
        next(table)
        for line, cause, cure in table:
            yield RefusedRow(int(line), cause, cure)
