"""Readers: one module for each format of an export, each an iterator of rows. READERS lists them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from migration_tools.mapping import Mapping
from migration_tools.readers import csv_export, ldif, rows
from migration_tools.readers.legacy_account import LegacyAccount, RefusedRow
from migration_tools.readers.rows import SourceRow


class Reader(Protocol):
    """A module that reads one format. It returns every row or refuses the file; it never repairs or skips.

    A fault inside a row whose borders are certain makes a RefusedRow. A fault that makes the border to the next row
    doubtful refuses the file, because a row might be lost after it, or two rows read as one.
    """

    FORMAT: str
    KEYLESS: str  # the cure for a row without a key

    def read(self, path: Path, mapping: Mapping) -> Iterator[SourceRow | RefusedRow]:
        """Every row of the file, streamed. Raises SourceRefused with line, cause and cure for a fault of the file."""
        ...


READERS: tuple[Reader, ...] = (
    csv_export,
    ldif,
)
FORMATS = tuple(reader.FORMAT for reader in READERS)  # what a mapping may name


def read(path: Path, mapping: Mapping) -> Iterator[LegacyAccount | RefusedRow]:
    """Every row of the source, by the reader that the mapping names: an account, or a RefusedRow with the reason."""
    reader = next(r for r in READERS if mapping.source.format == r.FORMAT)
    for row, found in enumerate(reader.read(path, mapping), 1):
        yield found if isinstance(found, RefusedRow) else rows.account(mapping.system.id, row, found, reader.KEYLESS)
