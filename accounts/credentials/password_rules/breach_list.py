"""The list of breached passwords: a file of sorted digests, searched in halves through a memory map, offline.

The file has a header of 64 bytes and then `count` records of ten bytes, ascending and each once: the first ten bytes of
the SHA-1 of a password. SHA-1 is what the public collections publish ("Pwned Passwords"), and nothing here rests on its
strength: the list holds only passwords that everybody knows. Among a thousand million records, one new password in
10**15 is refused by chance.

Header, big-endian: 8 bytes `YTBREACH`, version (2), bytes of a record (2), reserved (4), count (8), time of building in
seconds (8), the first 32 bytes of the SHA-256 of all that. docs/reference/password-policies.md describes it.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import unicodedata
from collections.abc import Container
from datetime import UTC, datetime
from pathlib import Path

from accounts.credentials.password_rules.blocklist import common_passwords
from accounts.errors import AccountsError

MAGIC, VERSION, WIDTH, HEADER = b"YTBREACH", 1, 10, 64
_FIELDS = struct.Struct(">8sHHIQQ")


class BreachListRefused(AccountsError):
    """The file is no list of ours, or not a whole one. A process does not start with it: it would check nothing."""

    code = "breach_list_refused"
    cure = "Build the list again with `yitong passwords build-list`, or unset YITONG_BREACH_LIST."


def digest(password: str) -> bytes:
    """The record of a password: the first bytes of the SHA-1 of its NFKC form in UTF-8."""
    plain = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return hashlib.sha1(plain, usedforsecurity=False).digest()[:WIDTH]


def header(count: int, built_at: datetime) -> bytes:
    """The header of a list with so many records."""
    fields = _FIELDS.pack(MAGIC, VERSION, WIDTH, 0, count, int(built_at.timestamp()))
    return fields + hashlib.sha256(fields).digest()


class BreachList:
    """One file, mapped: its pages come and go with the system's cache, and the process holds none of it.

    Threads may share it, and so may processes forked from this one. A file that is replaced is read at the next start.
    """

    def __init__(self, path: Path) -> None:
        """Raises BreachListRefused for a missing, foreign, damaged or incomplete file."""
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file has no map
            raise BreachListRefused(detail=f"{path} cannot be read") from error
        self.count, self.built_at = self._read_header(path)

    def __contains__(self, password: object) -> bool:
        """Whether the list holds this password. About thirty pages are read for a thousand million records."""
        return isinstance(password, str) and self._holds(digest(password))

    def _holds(self, wanted: bytes) -> bool:
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            start = HEADER + middle * WIDTH
            record = self._map[start : start + WIDTH]
            if record == wanted:
                return True
            if record < wanted:
                low = middle + 1
            else:
                high = middle
        return False

    def _read_header(self, path: Path) -> tuple[int, datetime]:
        fields = self._map[: _FIELDS.size]
        if len(self._map) < HEADER or self._map[_FIELDS.size : HEADER] != hashlib.sha256(fields).digest():
            raise BreachListRefused(detail=f"{path} has no valid header")
        magic, version, width, _, count, built = _FIELDS.unpack(fields)
        if (magic, version, width) != (MAGIC, VERSION, WIDTH):
            raise BreachListRefused(detail=f"{path} is of version {version}; this release reads version {VERSION}")
        if len(self._map) != HEADER + count * WIDTH:
            raise BreachListRefused(detail=f"{path} is not whole: {count} records were announced")
        return count, datetime.fromtimestamp(built, UTC)


class CompromisedPasswords:
    """The passwords that are known to guessers: those of the built-in list, and those of the breach list if any."""

    def __init__(self, breached: Container[str] = ()) -> None:
        self.breached = breached

    def __contains__(self, password: object) -> bool:
        """Whether somebody who is led by such lists would try this password."""
        if not isinstance(password, str):
            return False
        return unicodedata.normalize("NFKC", password) in common_passwords() or password in self.breached
