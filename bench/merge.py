"""The rates of a merge: plan, apply, again, undo, over an export of invented people.

`PYTHONPATH=. python bench/merge.py [URL] [ROWS]`: without a URL it uses a temporary SQLite file. A PostgreSQL database
must be empty. Rates are per second of wall time and of this process's CPU time, also for the first and the last tenth:
a table that fills must not slow the last.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from accounts.database import Connection, Database
from accounts.vault import Vault
from bench.load_persons import citizen_number
from idp import migrations
from migration_tools.apply import apply_plan
from migration_tools.mapping import load
from migration_tools.planning.planner import make_plan
from migration_tools.progress import Advance
from migration_tools.readers import FORMATS
from migration_tools.undo import undo_run

MAPPING = """
[system]
id = "forum"
[source]
format = "csv"
key = "id"
[fields]
id_no = "number"
name = "name"
login_name = "login"
[password]
column = "hash"
salt = "salt"
recipe = "hex(md5(p+s))"
tests = [{ password = "abc", salt = "d", hash = "e2fc714c4727ee9395f324cd2e7f331f" }]
"""
_MANY_TO_ONE = 10  # one account in ten is the second of its person


def main(url: str | None, rows: int) -> None:
    """Print one line for each step."""
    with tempfile.TemporaryDirectory(prefix="yitong-merge-") as made:
        folder = Path(made)
        database = Database(url or f"sqlite:///{folder / 'yitong.db'}")
        migrations.upgrade(database)
        measure(database, folder, export(folder, rows))
        database.close()


def export(folder: Path, rows: int) -> Path:
    """Write a CSV of that many accounts beside its mapping. Returns the path of the CSV."""
    (folder / "forum.toml").write_text(MAPPING)
    with (folder / "forum.csv").open("w") as file:
        file.write("id,login,name,number,hash,salt\n")
        for i in range(rows):
            person = i if i % _MANY_TO_ONE else i // _MANY_TO_ONE
            digest = hashlib.md5(f"word {i}s{i}".encode(), usedforsecurity=False).hexdigest()
            file.write(f"{i},user{i},李明,{citizen_number(person)},{digest},s{i}\n")
    return folder / "forum.csv"


def measure(database: Database, folder: Path, source: Path) -> None:
    """Run every step once, in the order of an operator."""
    vault, mapping = Vault.from_keys([("bench", b"b" * 32)]), load(folder / "forum.toml", FORMATS)
    plan = make_plan(database, vault, mapping, source, folder / "plans", now=_now(), shown=shown)
    for title in ("applying", "applying again"):
        with shown(title, plan.steps) as advance:
            run = apply_plan(database, vault, plan, source, now=_now, advance=advance, stop=lambda: False)
    with shown("undoing", run.journal_length) as advance:
        undo_run(database, run.id, on_persons_changed=_nobody, now=_now, advance=advance, stop=lambda: False)


@contextmanager
def shown(title: str, total: int | None) -> Iterator[Advance]:
    """Yields a function that counts what was done. Prints the rates at the end."""
    marks = [(0, time.perf_counter(), time.process_time())]

    def advance(count: int) -> None:
        marks.append((marks[-1][0] + count, time.perf_counter(), time.process_time()))

    yield advance
    tenths = (f"first tenth {_rate(marks, 0, 0.1)}, last {_rate(marks, 0.9, 1)}") if marks[-1][0] else ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{title:<20} {marks[-1][0]:>10,} of {total or marks[-1][0]:,}: {_rate(marks, 0, 1)}; {tenths}; {peak} MiB")


def _rate(marks: list[tuple[int, float, float]], start: float, end: float) -> str:
    most = marks[-1][0]
    first = next(mark for mark in marks if mark[0] >= most * start)
    last = next(mark for mark in marks if mark[0] >= most * end)
    wall, processor = ((last[0] - first[0]) / max(last[i] - first[i], 1e-9) for i in (1, 2))
    return f"{wall:,.0f}/s ({processor:,.0f} a second of processor)"


def _nobody(c: Connection, persons: Sequence[str], now: datetime) -> None:
    """Does nothing, because nobody is logged in here."""


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    named = [text for text in sys.argv[1:] if "://" in text]
    main(named[0] if named else None, int(next((t for t in sys.argv[1:] if t.isdigit()), 200_000)))
