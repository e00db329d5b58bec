"""A real process, really killed: SIGKILL at any moment, and the same command again."""

import os
import signal
import subprocess
import sys
import time

import pytest

from accounts import merging
from accounts.db import Database
from accounts.vault import Vault
from migration_tools.plan import load
from tests.migration.bench import ROOT, Bench, number, row

KEY = b"k" * 32
PROGRAM = """
import sys, itertools
from datetime import UTC, datetime
from pathlib import Path
from accounts.db import Database
from accounts.vault import Vault
from migration_tools.apply import apply_plan
from migration_tools.plan import load
url, directory = sys.argv[1:]
plan = load(Path(directory))
print("ready", flush=True)
apply_plan(
    Database(url), Vault.from_keys([("k", b"k" * 32)]), plan, Path(plan.manifest["source"]["path"]),
    now=lambda: datetime.now(UTC), advance=lambda rows: None, stop=lambda: False, batch=3,
)
"""


@pytest.mark.race
def test_killed_again_and_again_the_run_ends_as_planned(database_url, clock, tmp_path):
    """No kill loses, doubles or halves a row, on either database."""
    database = Database(database_url)
    bench = Bench(database, Vault.from_keys([("k", KEY)]), clock, tmp_path)
    plan = bench.plan(*(row(i, "李明", number(i)) for i in range(100, 700)))
    kills = 0
    for delay in (0.01, 0.02, 0.03, 0.05, 0.08, 0.12):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, database_url, str(plan.path)], cwd=ROOT, stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            time.sleep(delay)
            kills += process.poll() is None
            os.kill(process.pid, signal.SIGKILL)
        run = merging.run_of_plan(database.connection(), plan.digest)
        if run is not None:
            persons, numbers, links = bench.meaning()
            assert len(persons) == len(numbers) == len(links) == run.position == run.links
    assert kills > 0
    run = bench.apply(load(plan.path))
    assert (run.state, run.persons, run.links, run.skipped) == ("applied", 600, 600, 0)
    planned = {(line.uid, line.person) for line in plan.lines()}
    assert {(x[1], x[2]) for x in bench.meaning()[2]} == planned
    database.close()
