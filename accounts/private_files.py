"""Files that only the account of this process may read: 0600, in directories of 0700, whatever the umask.

Databases, plans and logs contain personal data. A process starts with the umask of its service manager or shell, so the
mode is set where a file is made. `privately` covers what libraries make (docs/decisions/0049-private-files.md).
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
    """While active, nothing that this process or its children make is open to other accounts. For whole commands."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def opened(path: Path, mode: str, *, encoding: str | None = None, newline: str | None = None) -> IO[Any]:
    """The file, open for writing and private, even if it existed with a wider mode. Raises OSError."""
    return open(path, mode, encoding=encoding, newline=newline, opener=_opener)


def make_directory(path: Path) -> None:
    """The directory and its missing parents exist. New ones are private. Raises OSError."""
    for missing in reversed([each for each in (path, *path.parents) if not each.exists()]):
        missing.mkdir(mode=DIRECTORY, exist_ok=True)


def prepare(path: Path) -> None:
    """The file exists (new ones are empty) and is private, so that SQLite's files beside it are, too. Raises OSError.

    An existing file is not opened: closing a second descriptor would drop every lock that SQLite holds on it in this
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
    """SQLite's files beside a database. SQLite gives them the mode of the database."""
    return tuple(database.with_name(database.name + end) for end in ("-wal", "-shm", "-journal"))


def tighten(path: Path) -> None:
    """Remove other accounts' access to a file of ours. `yitong check` names a file of another account."""
    with suppress(FileNotFoundError, PermissionError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)


def grants(path: Path, bits: int) -> bool:
    """True if the path exists and its mode has any of these bits."""
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
