"""Readers: one module for each kind of export, each an iterator of LegacyAccount. READERS is the whole list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from migration_tools.legacy import LegacyAccount
from migration_tools.mapping import Mapping
from migration_tools.readers import csv_export, ldif


class Reader(Protocol):
    """A module that reads one format. It hands on every account or refuses the file; it never repairs or skips."""

    FORMAT: str

    def read(self, path: Path, mapping: Mapping) -> Iterator[LegacyAccount]:
        """Every account of the file, streamed, numbered from 1. Raises SourceRefused with line, cause and cure."""
        ...


READERS: tuple[Reader, ...] = (csv_export, ldif)


def read(path: Path, mapping: Mapping) -> Iterator[LegacyAccount]:
    """Every account of the source, by the reader that the mapping names."""
    reader = next(r for r in READERS if mapping.source.format == r.FORMAT)
    return reader.read(path, mapping)
