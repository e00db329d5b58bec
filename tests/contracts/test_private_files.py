"""Our processes make private files whatever the umask: each process runs with umask 000, and its files are checked."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from accounts import private_files
from accounts.database import Database
from accounts.database.sqlite import make_private
from idp import migrations
from idp.cli import main
from migration_tools.planning.staging import Staging
from tests.contracts.conftest import SMALL
from tests.demo.test_run import Run
from tests.fixtures.processes import PATIENCE, ROOT, free_ports, running

LEGACY = ROOT / "demo" / "legacy"
YITONG = [sys.executable, "-m", "idp.cli"]


@pytest.fixture
def anything_goes() -> Iterator[None]:
    """Without our code this process would create files open to everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


def too_open(directory: Path) -> list[str]:
    """Every path below the directory that another account may read, write or enter."""
    found = [path for path in directory.rglob("*") if path.lstat().st_mode & private_files.OTHERS]
    return [
        f"{path.relative_to(directory)} {path.lstat().st_mode & 0o777:o}" for path in found if not path.is_symlink()
    ]


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*")}


@contextmanager
def open_umask(home: Path) -> Iterator[dict[str, str]]:
    """The environment of a deployment in that directory, which does not exist yet."""
    port = free_ports(1)[0]
    yield {
        **os.environ,
        **SMALL,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "YITONG_DATABASE_URL": f"sqlite:///{home / 'yitong.db'}",
        "YITONG_ISSUER": f"http://127.0.0.1:{port}",
    }


def yitong(environment: dict[str, str], *arguments: object) -> str:
    command = [*YITONG, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, umask=0, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode in (0, 5), done.stdout + done.stderr  # 5: some accounts wait for their owners
    return done.stdout


def test_every_process_of_a_deployment_makes_private_files(tmp_path):
    """Schema, a merge planned, applied and undone, server and worker leave no file or directory open to others."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with open_umask(home) as environment:
        yitong(environment, "db", "upgrade")
        plans = home / "kept" / "plans"
        yitong(environment, "merge", "plan", LEGACY / "forum.toml", "--out", plans)
        (plan,) = plans.iterdir()
        yitong(environment, "merge", "apply", plan, "--yes")
        run = yitong(environment, "merge", "status", "--json").split('"run": "')[1][:32]
        yitong(environment, "merge", "undo", "--run", run, "--yes")
        worker = subprocess.Popen([*YITONG, "worker"], cwd=ROOT, env=environment, umask=0)
        port = environment["YITONG_ISSUER"].rpartition(":")[2]
        serve = [
            sys.executable,
            "-c",
            f"import os; os.umask(0); os.execv({sys.executable!r}, {[*YITONG, 'serve', '--port', port]!r})",
        ]
        with running(serve, tmp_path / "serve.log", f"{environment['YITONG_ISSUER']}/jwks", environment):
            requests.get(f"{environment['YITONG_ISSUER']}/authorize?client_id=x", timeout=PATIENCE)
            assert {"yitong.db", "yitong.db-wal", "yitong.db-shm", "refused.csv", "manifest.json"} <= names(home)
            assert too_open(home) == []
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0
    assert too_open(home) == []


def test_the_demonstration_keeps_its_city_to_itself(tmp_path, anything_goes):
    """Settings with keys, database, personas and every log are private, while it runs and after."""
    run = Run(tmp_path / "deeper" / "var")
    run.start()
    try:
        run.up()
        expected = {"demo.env", "demo.db", "demo.db-wal", "personas.json", "provider.log", "worker.log"}
        assert expected <= names(run.directory)
        assert too_open(tmp_path) == []
    finally:
        run.interrupt()
    assert too_open(tmp_path) == []


def test_the_working_table_of_a_plan_is_private(tmp_path, anything_goes):
    """It holds a key of every account: a killed planner must not leave it readable for others."""
    with closing(Staging(tmp_path / "work.db")) as staging:
        staging.compare()
        assert {"work.db", "work.db-wal"} <= names(tmp_path)
        assert too_open(tmp_path) == []


def test_a_database_is_private_from_its_first_byte(tmp_path, anything_goes):
    """Both when the driver opens it first and when SQLAlchemy's engine does for migrations."""
    for name, act in (("driver.db", Database.connection), ("engine.db", migrations.upgrade)):
        made = Database(f"sqlite:///{tmp_path / name}")
        act(made)
        assert too_open(tmp_path) == []
        made.close()


def test_what_an_earlier_release_left_open_is_closed(tmp_path, anything_goes):
    """A database with its write-ahead log and shared memory, and a file that is written again."""
    old = tmp_path / "yitong.db"
    with closing(sqlite3.connect(old)) as before:
        before.execute("PRAGMA journal_mode=WAL")
        before.execute("CREATE TABLE t (x)")
        (tmp_path / "old.log").write_text("open to everybody")
        assert len(too_open(tmp_path)) == 4
        with closing(Database(f"sqlite:///{old}")) as made:
            made.connection()
        with private_files.opened(tmp_path / "old.log", "w", encoding="utf-8") as log:
            log.write("private")
        assert too_open(tmp_path) == []


def test_locks_survive_a_second_connection(tmp_path):
    """Closing a descriptor of a file drops this process's locks on it, so an existing database is never opened twice.

    Without the locks another process would write into the middle of this one's transaction.
    """
    url = f"sqlite:///{tmp_path / 'yitong.db'}"
    with closing(Database(url)) as held, held.transaction():
        make_private(held.url)
        program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
        other = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "yitong.db")], capture_output=True, text=True, check=False
        )
        assert "database is locked" in other.stderr


def test_a_directory_in_the_databases_place_keeps_its_mode(tmp_path):
    """A mistake in YITONG_DATABASE_URL must not change the mode of an existing directory."""
    place = tmp_path / "shared"
    place.mkdir()
    place.chmod(0o755)
    make_private(Database(f"sqlite:///{place}").url)
    assert place.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("culprit", ["settings", "directory"])
def test_check_names_what_it_cannot_close(tmp_path, monkeypatch, culprit):
    """Readable settings with keys, and a directory where anybody may replace the database, are reported."""
    home, settings = tmp_path / "home", tmp_path / "yitong.env"
    home.mkdir(mode=0o700)
    settings.write_text("")
    settings.chmod(0o600)
    for name, value in {**SMALL, "YITONG_DATABASE_URL": f"sqlite:///{home / 'yitong.db'}"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("YITONG_ENV_FILE", str(settings))
    assert CliRunner().invoke(main, ["db", "upgrade"]).exit_code == 0
    assert "✓ files" in CliRunner().invoke(main, ["check"]).output
    (settings if culprit == "settings" else home).chmod(0o777)
    answer = CliRunner().invoke(main, ["check"])
    assert (answer.exit_code, "✗ files" in answer.output, "chmod" in answer.output) == (1, True, True)
