"""Comma- or tab-separated exports with a header line (RFC 4180), in UTF-8 or GB18030."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from migration_tools.errors import SourceRefused
from migration_tools.mapping import Mapping
from migration_tools.readers.decoding import opened
from migration_tools.readers.legacy_account import RefusedRow
from migration_tools.readers.rows import SourceRow

FORMAT = "csv"
KEYLESS = "Every account needs its own key in its system."
_BESIDE = "Quote fields that hold a line break, or take the line that has no delimiter out."
_Row = tuple[int, list[str]]


def read(path: Path, mapping: Mapping) -> Iterator[SourceRow | RefusedRow]:
    """Every row after the header. Raises SourceRefused for a wrong encoding, a missing column, a doubtful border."""
    with opened(path, mapping.source.encoding, newline="") as file:
        found = _rows(path, csv.reader(file, delimiter=mapping.source.delimiter, strict=True))
        line, header = next(found, (1, None))
        if header is None:
            raise SourceRefused(path, line, "the file is empty", "Export again, with a header line.")
        places = _places(path, line, header, mapping)
        mapped = {place for _, place in places}
        for before, (line, values), after in _with_neighbours(found):
            _check_borders(path, line, values, header, mapping.source.delimiter)
            if cut := _cut(len(header), before, values, after, mapped):
                yield RefusedRow(line, *cut)
            else:
                yield SourceRow(line, {field: values[place] for field, place in places})


def _with_neighbours(rows: Iterator[_Row]) -> Iterator[tuple[int, _Row, int]]:
    """Each row between the field counts of the rows before and after it; 0 where there is none."""
    before, row = 0, next(rows, None)
    while row is not None:
        following = next(rows, None)
        yield before, row, len(following[1]) if following else 0
        before, row = len(row[1]), following


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
    if not wanted & set(names):  # it may be a person's row: repeat nothing of it
        cure = "Export again with a header line, or correct the mapping and its delimiter."
        raise SourceRefused(path, line, "the first line has none of the mapped columns", cure)
    if missing := sorted(wanted - set(names)):
        cause = f"no column {', '.join(missing)}"
        raise SourceRefused(path, line, cause, f"Correct the mapping; the header has: {', '.join(names)}.")
    if len(set(names)) != len(names):
        raise SourceRefused(path, line, "a column name occurs twice", "Rename one of them in the export.")
    return tuple((field, names.index(column)) for field, column in mapping.columns())


def _check_borders(path: Path, line: int, values: Sequence[str], header: Sequence[str], delimiter: str) -> None:
    """The row is one row: it is not the header again, and it contains no other row.

    A quote that is never closed swallows the rows up to the next quote. If the count of fields is then right by chance,
    one of them contains at least a row's delimiters. If not, the row spans several lines and has a wrong count.
    """
    if list(values) == list(header):
        raise SourceRefused(path, line, "the header again", "Two exports were joined here: merge each by itself.")
    broken = [value for value in values if "\n" in value or "\r" in value]
    if broken and len(values) != len(header):
        cause = f"{_counted(values, len(header))}, over several lines"
        raise SourceRefused(path, line, cause, "Look for an unclosed quote in or before this line.")
    if any(value.count(delimiter) >= len(header) - 1 for value in broken):
        cure = "Look for an unclosed quote; a text of many lines can be left out of the export."
        raise SourceRefused(path, line, "a field that holds a whole row", cure)
    if len(values) >= 2 * len(header) - 1 > 1:
        cause = f"{_counted(values, len(header))}: enough for two rows"
        raise SourceRefused(path, line, cause, "Look for a line end that was lost, or for unquoted delimiters.")


def _counted(values: Sequence[str], width: int) -> str:
    return f"{len(values)} field{'s' if len(values) > 1 else ''} where the header has {width}"


def _cut(width: int, before: int, values: Sequence[str], after: int, mapped: set[int]) -> tuple[str, str] | None:
    """Cause and cure of an incomplete row.

    A line without a delimiter may be the end of the last field of the row before it, cut off by a line break, or the
    beginning of the first field of the row after it. Where these fields are mapped, half a value must not pass for a
    whole one.
    """
    if len(values) != width:
        return _counted(values, width), "Look for an unquoted delimiter, or for a text that a line break has split."
    if after == 1 < width and width - 1 in mapped:
        return "the next line has no delimiter: it may be the rest of this row", _BESIDE
    if before == 1 < width and 0 in mapped:
        return "the line before has no delimiter: it may be the beginning of this row", _BESIDE
    return None
