"""Comma- or tab-separated exports with a header line (RFC 4180), in UTF-8 or GB18030."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from migration_tools.errors import SourceRefused
from migration_tools.legacy import LegacyAccount
from migration_tools.mapping import Mapping
from migration_tools.readers.decoding import encoding_of

FORMAT = "csv"


def read(path: Path, mapping: Mapping) -> Iterator[LegacyAccount]:
    """Every row after the header. Raises SourceRefused for a missing column, a broken row or a wrong encoding."""
    encoding = encoding_of(path, mapping.source.encoding)
    with path.open(encoding=encoding, newline="") as file:
        rows = csv.reader(file, delimiter=mapping.source.delimiter, strict=True)
        header = _next(rows, path)
        if header is None:
            raise SourceRefused(path, 1, "the file is empty", "Export again, with a header line.")
        places = _places(path, header, mapping)
        row = 0
        while (values := _next(rows, path)) is not None:
            if len(values) != len(header):
                cause = f"{len(values)} fields where the header has {len(header)}"
                raise SourceRefused(path, rows.line_num, cause, "Look for an unquoted comma or a line break.")
            row += 1
            yield _account(path, rows.line_num, row, values, places, mapping.system.id)


def _next(rows: Iterator[list[str]], path: Path) -> list[str] | None:
    """The next row that is not a blank line, or None at the end."""
    try:
        return next((values for values in rows if values), None)
    except csv.Error as error:
        line = getattr(rows, "line_num", None)
        raise SourceRefused(path, line, str(error), "Look for an unclosed quote in or before this line.") from None


def _places(path: Path, header: Sequence[str], mapping: Mapping) -> tuple[tuple[str, int], ...]:
    names = [name.strip() for name in header]
    missing = sorted({column for _, column in mapping.columns()} - set(names))
    if missing:
        cause = f"no column {', '.join(missing)}"
        raise SourceRefused(path, 1, cause, f"Correct the mapping; the header has: {', '.join(names)}.")
    if len(set(names)) != len(names):
        raise SourceRefused(path, 1, "a column name occurs twice", "Rename one of them in the export.")
    return tuple((field, names.index(column)) for field, column in mapping.columns())


def _account(
    path: Path, line: int, row: int, values: Sequence[str], places: Sequence[tuple[str, int]], system: str
) -> LegacyAccount:
    fields = {field: values[place].strip() for field, place in places}
    if not fields["uid"]:
        raise SourceRefused(path, line, "the key is empty", "Every account needs its own key in its system.")
    if any("\0" in value for value in fields.values()):
        raise SourceRefused(path, line, "a NUL character", "Export again as text; the file may be UTF-16.")
    fields.setdefault("login_name", fields["uid"])
    return LegacyAccount(system, row, **fields)
