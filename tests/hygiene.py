"""The scan of the whole run: no fixture's ID number or phone in any log, URL, page or dump.

A pytest plugin. It listens to every logger at DEBUG, looks at the rows of every database a test used before the test
lets go of it, and at whatever tests hand it (addresses visited, pages shown, log files of servers they started). One
hit fails the run, whatever the tests said.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from accounts.db import Database, metadata

# Fixtures' numbers are in area 519999 or born in the 1890s (three residence permits, foreigners' cards and retired
# areas among them); fixtures' phones are 139 0000 00xx.
NUMBERS = re.compile(
    rb"(?<![0-9A-Za-z])(?:519999(?:18|19|20)\d{2}[01]\d[0-3]\d{4}[\dXx]|[1-9]\d{5}189\d[01]\d[0-3]\d{4}[\dXx]|519999\d{9})(?![0-9A-Za-z])"
)
PHONES = re.compile(rb"(?<![0-9A-Za-z])(?:(?:\+|%2B)?86)?139000000\d\d(?![0-9A-Za-z])")


@dataclass
class Hygiene:
    """What was looked at and what was found there. A hit is told by its place, never by the number itself."""

    looked: dict[str, int] = field(default_factory=dict)
    hits: list[str] = field(default_factory=list)

    def look(self, kind: str, where: str, data: bytes | str) -> None:
        """`data` was seen at `where`; kinds are `log`, `url`, `page`, `dump`."""
        raw = data.encode(errors="replace") if isinstance(data, str) else data
        self.looked[kind] = self.looked.get(kind, 0) + len(raw)
        for what, pattern in (("an ID number", NUMBERS), ("a phone", PHONES)):
            if pattern.search(raw):
                self.hits.append(f"{what} in a {kind}: {where}")

    def look_at_files(self, kind: str, files: Iterable[Path]) -> None:
        """Every file's bytes."""
        for file in files:
            if file.is_file():
                self.look(kind, file.name, file.read_bytes())

    def look_at_database(self, where: str, database: Database) -> None:
        """Every row of every table, as a dump would show it."""
        engine = database.engine()
        known = set(sa.inspect(engine).get_table_names())
        with engine.connect() as connection:
            for table in metadata.sorted_tables:
                if table.name in known:
                    rows = connection.exec_driver_sql(f'SELECT * FROM "{table.name}"')
                    for row in rows:
                        self.look("dump", f"{where}: {table.name}", _dumped(tuple(row)))
        engine.dispose()


def _dumped(row: tuple[object, ...]) -> bytes:
    return b" ".join(bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode() for value in row)


class _Listener(logging.Handler):
    def __init__(self, seen: Hygiene) -> None:
        super().__init__(logging.DEBUG)
        self._seen = seen

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f" {record.exc_info[1]!r}"
        self._seen.look("log", record.name, text)


HYGIENE = pytest.StashKey[Hygiene]()
_RUNNING: list[Hygiene] = []


def pytest_configure(config: pytest.Config) -> None:
    seen = config.stash[HYGIENE] = Hygiene()
    _RUNNING[:] = [seen]
    root = logging.getLogger()
    root.addHandler(_Listener(seen))
    root.setLevel(logging.DEBUG)


@pytest.fixture(scope="session")
def hygiene(pytestconfig: pytest.Config) -> Hygiene:
    """Where tests hand in what they saw."""
    return pytestconfig.stash[HYGIENE]


@pytest.fixture(autouse=True)
def _dump_is_clean(request: pytest.FixtureRequest, hygiene: Hygiene) -> Iterator[None]:
    """Looks at the test's database, whoever opened it, before the next test empties it."""
    url = request.getfixturevalue("database_url") if "database_url" in request.fixturenames else None
    yield
    if url is not None:
        hygiene.look_at_database(request.node.nodeid, Database(url))


def saw(url: str, page: str = "", *, where: str = "in process") -> None:
    """What a test's browser was sent to and shown is looked at. A page may hold a person's name, never a number."""
    for seen in _RUNNING:
        seen.look("url", where, url)
        seen.look("page", f"{where}: {url.partition('?')[0]}", page)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.stash[HYGIENE].hits:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    seen = config.stash[HYGIENE]
    told = ", ".join(f"{kind} {size / 1024:.0f} KiB" for kind, size in sorted(seen.looked.items()))
    terminalreporter.write_line(f"hygiene: looked at {told or 'nothing'}: {len(seen.hits)} hits")
    for hit in sorted(set(seen.hits))[:50]:
        terminalreporter.write_line(f"  {hit}", red=True)
