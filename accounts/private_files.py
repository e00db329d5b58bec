"""Files that only the account of this process reads: 0600, in directories of 0700, whatever the umask.

A database, a plan and a log name people. A process starts with the umask its service manager or shell left it, so the
mode is given where a file is made; `privately` covers what libraries make (docs/decisions/0049-private-files.md).
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

FILE, DIRECTORY = 0o600, 0o700
OTHERS, OTHERS_WRITE, EVERYBODY_READS = 0o077, 0o022, 0o004
_CREATING = threading.Lock()


@contextmanager
def privately() -> Iterator[None]:
    """Inside, nothing this process or its children make is open to another account; for a whole command."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def opened(path: Path, mode: str, *, encoding: str | None = None, newline: str | None = None) -> IO[Any]:
    """The file, open for writing and private, also where it was there with a wider mode. Raises OSError."""
    return open(path, mode, encoding=encoding, newline=newline, opener=_opener)


def make_directory(path: Path) -> None:
    """The directory and each missing one above it exist; those made now are private. Raises OSError."""
    for missing in reversed([each for each in (path, *path.parents) if not each.exists()]):
        missing.mkdir(mode=DIRECTORY, exist_ok=True)


def prepare(path: Path) -> None:
    """A file is there, empty if it was not, and private, so that what SQLite puts beside it is, too. Raises OSError.

    A file that exists is not opened: closing a second descriptor would drop every lock that SQLite holds on it in this
    process (sqlite.org/howtocorrupt.html §2.2). For the same reason one thread at a time makes it.
    """
    with _CREATING:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))
            return
        for each in (path, *beside(path)):
            if each.is_file():
                tighten(each)


def beside(database: Path) -> tuple[Path, ...]:
    """What SQLite keeps beside a database: it gives them the database's own mode."""
    return tuple(database.with_name(database.name + end) for end in ("-wal", "-shm", "-journal"))


def tighten(path: Path) -> None:
    """What is there and ours is closed to other accounts; another account's file stays for `yitong check` to name."""
    with suppress(FileNotFoundError, PermissionError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)


def grants(path: Path, bits: int) -> bool:
    """Whether the path exists and its mode has any of these bits."""
    try:
        return bool(path.stat().st_mode & bits)
    except FileNotFoundError:
        return False


def _opener(name: str, flags: int) -> int:
    descriptor = os.open(name, flags, FILE)
    with suppress(PermissionError):
        found = os.fstat(descriptor).st_mode
        if stat.S_ISREG(found) and found & OTHERS:
            os.fchmod(descriptor, FILE)
    return descriptor
