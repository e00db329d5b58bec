"""A real process, killed with SIGKILL at any moment, and then the same command again."""

import os
import signal
import subprocess
import sys
import time

import pytest

from accounts import merging
from accounts.database import Database
from accounts.vault import Vault
from migration_tools.errors import LOCKED
from migration_tools.planning.plan import load
from tests.migration.bench import ROOT, Bench, number, row

KEY = b"k" * 32
PROGRAM = """
import sys, itertools
from datetime import UTC, datetime
from pathlib import Path
from accounts.database import Database
from accounts.merging import RunTaken
from accounts.vault import Vault
from migration_tools.errors import LOCKED
from migration_tools.apply import apply_plan
from migration_tools.planning.plan import load
url, directory = sys.argv[1:]
plan = load(Path(directory))
print("ready", flush=True)
sys.stdin.readline()
try:
    apply_plan(
        Database(url), Vault.from_keys([("k", b"k" * 32)]), plan, Path(plan.manifest["source"]["path"]),
        now=lambda: datetime.now(UTC), advance=lambda rows: None, stop=lambda: False, batch=3,
    )
except RunTaken:
    sys.exit(LOCKED)
"""


def started(database_url, plan):
    """A process that is ready to apply the plan and waits for input."""
    command = [sys.executable, "-c", PROGRAM, database_url, str(plan.path)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def go(process):
    process.stdin.write(b"\n")
    process.stdin.flush()


@pytest.mark.race
def test_killed_again_and_again_the_run_ends_as_planned(database_url, clock, tmp_path):
    """No kill loses, doubles or halves a row, on either database."""
    database = Database(database_url)
    bench = Bench(database, Vault.from_keys([("k", KEY)]), clock, tmp_path)
    plan = bench.plan(*(row(i, "李明", number(i)) for i in range(100, 700)))
    kills = 0
    for delay in (0.01, 0.02, 0.03, 0.05, 0.08, 0.12):
        with started(database_url, plan) as process:
            go(process)
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


@pytest.mark.race
def test_two_processes_at_once_do_the_work_of_one(database_url, clock, tmp_path):
    """Of two started together, one finishes the run; the other learns that it is taken, or finds it done."""
    database = Database(database_url)
    bench = Bench(database, Vault.from_keys([("k", KEY)]), clock, tmp_path)
    plan = bench.plan(*(row(i, "李明", number(i)) for i in range(100, 400)))
    processes = [started(database_url, plan) for _ in range(3)]
    for process in processes:
        go(process)
    ends = sorted(process.wait(timeout=60) for process in processes)
    for process in processes:
        process.stdin.close()
        process.stdout.close()
    assert ends[0] == 0
    assert set(ends) <= {0, LOCKED}
    run = merging.run_of_plan(database.connection(), plan.digest)
    assert (run.state, run.persons, run.links, run.skipped) == ("applied", 300, 300, 0)
    assert [len(part) for part in bench.meaning()] == [300, 300, 300]
    database.close()
