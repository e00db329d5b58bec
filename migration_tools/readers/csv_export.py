"""Comma- or tab-separated exports with a header line (RFC 4180), in UTF-8 or GB18030."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from migration_tools.errors import SourceRefused
from migration_tools.legacy import LegacyAccount
from migration_tools.mapping import Mapping
from migration_tools.readers import rows
from migration_tools.readers.decoding import opened

FORMAT = "csv"
_KEYLESS = "Every account needs its own key in its system."
_Row = tuple[int, list[str]]


def read(path: Path, mapping: Mapping) -> Iterator[LegacyAccount]:
    """Every row after the header. Raises SourceRefused for a missing column, a broken row or a wrong encoding."""
    with opened(path, mapping.source.encoding, newline="") as file:
        found = _rows(path, csv.reader(file, delimiter=mapping.source.delimiter, strict=True))
        line, header = next(found, (1, None))
        if header is None:
            raise SourceRefused(path, line, "the file is empty", "Export again, with a header line.")
        places = _places(path, line, header, mapping)
        for row, (line, values) in enumerate(found, 1):
            _check_shape(path, line, values, header, mapping.source.delimiter)
            fields = {field: values[place] for field, place in places}
            yield rows.account(path, line, row, fields, system=mapping.system.id, keyless=_KEYLESS)


def _rows(path: Path, reader: Iterator[list[str]]) -> Iterator[_Row]:
    """Every row that is not a blank line, with the number of the line it begins in."""
    line = 1
    try:
        for values in reader:
            if values:
                yield line, values
            line = getattr(reader, "line_num", line) + 1
    except csv.Error as error:  # its texts hold no value
        raise SourceRefused(path, line, str(error), "Look for an unclosed quote in or before this line.") from None


def _places(path: Path, line: int, header: Sequence[str], mapping: Mapping) -> tuple[tuple[str, int], ...]:
    names = [name.strip() for name in header]
    wanted = {column for _, column in mapping.columns()}
    if not wanted & set(names):  # perhaps somebody's row: nothing of it may be repeated
        cure = "Export again with a header line, or correct the mapping and its delimiter."
        raise SourceRefused(path, line, "the first line has none of the mapped columns", cure)
    if missing := sorted(wanted - set(names)):
        cause = f"no column {', '.join(missing)}"
        raise SourceRefused(path, line, cause, f"Correct the mapping; the header has: {', '.join(names)}.")
    if len(set(names)) != len(names):
        raise SourceRefused(path, line, "a column name occurs twice", "Rename one of them in the export.")
    return tuple((field, names.index(column)) for field, column in mapping.columns())


def _check_shape(path: Path, line: int, values: Sequence[str], header: Sequence[str], delimiter: str) -> None:
    """The row has the header's fields, is not the header, and none of its fields has swallowed another row."""
    if len(values) != len(header):
        cause = f"{len(values)} fields where the header has {len(header)}"
        raise SourceRefused(path, line, cause, "Look for an unquoted delimiter or a line break.")
    if list(values) == list(header):
        raise SourceRefused(path, line, "the header again", "Two exports were joined here: merge each by itself.")
    if any(("\n" in value or "\r" in value) and value.count(delimiter) >= len(header) - 1 for value in values):
        cure = "Look for an unclosed quote; a text of many lines can be left out of the export."
        raise SourceRefused(path, line, "a field that holds a whole row", cure)
