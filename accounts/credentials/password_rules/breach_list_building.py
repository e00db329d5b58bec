"""Building the breach list from lists of words and of hashes, in bounded memory and in one atomic step.

The records are sorted in pieces, the pieces are written one after the other into an unnamed file beside the result, and
then merged. A source that is sorted already (the public list ordered by hash) makes one long piece, which is only
copied. The result appears under its name when it is whole; an interrupted build leaves the old list as it was.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from accounts import private_files
from accounts.credentials.password_rules.breach_list import HEADER, WIDTH, header
from accounts.errors import AccountsError

PIECE = 2_000_000  # records sorted at a time: about 100 MB
_BUFFER = 6_553 * WIDTH  # bytes read or written at a time
_HASHED = re.compile(rb"[0-9A-Fa-f]{40}(?::\d+)?", re.ASCII)
_NTLM = re.compile(rb"[0-9A-Fa-f]{32}:\d+", re.ASCII)
_TOLD_EVERY = 10_000_000


class SourceNotReadable(AccountsError):
    """A source holds something from which no list can be built. `detail` names the place."""

    code = "breach_source_refused"
    cure = "Use plain words, one a line, or the SHA-1 edition of Pwned Passwords (40 hexadecimal digits, colon, count)."


@dataclass(frozen=True, slots=True)
class BuiltList:
    """What was built: how many lines were read, and how many different records the list has."""

    lines: int
    records: int


def build(
    sources: Iterable[Iterable[bytes]],
    to: Path,
    *,
    now: datetime,
    piece: int = PIECE,
    progress: Callable[[int], object] | None = None,
) -> BuiltList:
    """The list of all these lines is at `to`, instead of one that was there, or nothing has changed.

    `piece` is how many records are sorted in memory at a time. `progress` is called with the number of lines read.
    Raises SourceNotReadable and OSError. It needs free space for the result twice.
    """
    with _scratch_beside(to) as scratch:
        pieces = _Pieces(scratch)
        lines = pieces.fill(_records(sources, progress), piece)
        with _replacing(to) as file:
            records = _write(file, pieces.merged(), now)
    return BuiltList(lines, records)


def record_of(line: bytes) -> bytes | None:
    """The record of one line, or None for an empty one. Raises SourceNotReadable for an NTLM hash."""
    line = line.rstrip(b"\r\n")
    if _HASHED.fullmatch(line):
        return bytes.fromhex(line[: 2 * WIDTH].decode())
    if _NTLM.fullmatch(line):
        raise SourceNotReadable(detail="this is a list of NTLM hashes, which say nothing about SHA-1")
    return hashlib.sha1(_word(line), usedforsecurity=False).digest()[:WIDTH] if line else None


def _word(line: bytes) -> bytes:
    """The NFKC form of a word, as `breach_list.digest` takes it. Bytes that are no UTF-8 stay as they are."""
    with suppress(UnicodeDecodeError):
        return unicodedata.normalize("NFKC", line.decode()).encode()
    return line


def _records(sources: Iterable[Iterable[bytes]], progress: Callable[[int], object] | None) -> Iterator[bytes]:
    read = 0
    for source in sources:
        for line in source:
            record = record_of(line)
            if record is not None:
                yield record
            read += 1
            if progress is not None and read % _TOLD_EVERY == 0:
                progress(read)


class _Pieces:
    """Sorted pieces, one after the other in one file. A piece that continues the one before it is joined to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._bounds: list[int] = [0]  # where each piece begins, and where the last one ends
        self._last = b""

    def fill(self, records: Iterator[bytes], size: int) -> int:
        """All records are in pieces. Returns how many there were."""
        total, held = 0, list[bytes]()
        for record in records:
            held.append(record)
            if len(held) >= size:
                total += self._add(held)
                held = []
        total += self._add(held) if held else 0
        self._file.flush()
        return total

    def _add(self, held: list[bytes]) -> int:
        held.sort()
        self._file.write(b"".join(held))
        end = self._bounds[-1] + len(held) * WIDTH
        if len(self._bounds) > 1 and held[0] >= self._last:
            self._bounds[-1] = end
        else:
            self._bounds.append(end)
        self._last = held[-1]
        return len(held)

    def merged(self) -> Iterator[bytes]:
        """Every record, ascending; equal ones follow each other."""
        bounds = zip(self._bounds, self._bounds[1:], strict=False)
        return heapq.merge(*(self._piece(start, end) for start, end in bounds))

    def _piece(self, start: int, end: int) -> Iterator[bytes]:
        descriptor = self._file.fileno()
        for at in range(start, end, _BUFFER):
            block = os.pread(descriptor, min(_BUFFER, end - at), at)
            for offset in range(0, len(block), WIDTH):
                yield block[offset : offset + WIDTH]


@contextmanager
def _scratch_beside(path: Path) -> Iterator[IO[bytes]]:
    """A file without a name: however the build ends, its room is free again."""
    name = path.with_name(f".{path.name}.{os.getpid()}.pieces")
    with private_files.opened(name, "w+b") as file:
        name.unlink()
        yield file


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the path's place, on the disk, when the block ends well; otherwise it is gone."""
    name = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with private_files.opened(name, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        name.replace(path)
    except BaseException:
        name.unlink(missing_ok=True)
        raise


def _write(file: IO[bytes], ascending: Iterator[bytes], now: datetime) -> int:
    """The header and each record once are in the file. Returns how many records."""
    file.write(bytes(HEADER))
    count, last = 0, b""
    block = bytearray()
    for record in ascending:
        if record == last:
            continue
        block += record
        count, last = count + 1, record
        if len(block) >= _BUFFER:
            file.write(block)
            block.clear()
    file.write(block)
    file.seek(0)
    file.write(header(count, now))
    return count
