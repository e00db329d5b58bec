"""`make demo` where it cannot start, and after it was killed: it gives the reason, and the next run works."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from demo import run as demo
from demo.services import Ports
from tests.fixtures.processes import free_ports

ROOT = Path(__file__).parents[2]
PATIENCE = 60


class Run:
    """One demonstration in its own directory, started and stopped as by a person."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = free_ports(5)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> subprocess.Popen[bytes]:
        ports = ",".join(str(port) for port in self.ports)
        ours = {"YITONG_DEMO_DIR": str(self.directory), "YITONG_DEMO_PORTS": ports, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "demo" / "run.py")],
            env={**os.environ, **ours, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self.process

    def kill(self) -> None:
        """As `kill -9` of the terminal's whole process group."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def interrupt(self) -> None:
        """Sends Ctrl-C; afterwards nothing listens."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE) == 0
        self.process.stdout.close()
        self.down()

    def said(self, **more: str) -> tuple[int, str]:
        """Exit code and output of a run that ends by itself."""
        process = self.start(**more)
        output, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, output.decode()

    def up(self) -> None:
        """Waits until the provider and the services answer."""
        deadline = time.monotonic() + PATIENCE
        while not all(_answers(port) for port in self.ports):
            assert self.process is not None
            assert self.process.poll() is None, self.process.stdout.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def down(self) -> None:
        """Waits until nothing listens any more."""
        deadline = time.monotonic() + PATIENCE
        while any(_listens(port) for port in self.ports):
            assert time.monotonic() < deadline, "something of the demonstration outlived it"
            time.sleep(0.2)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path / "var")
    yield made
    if made.process is not None:
        made.process.terminate()
        made.process.wait(PATIENCE)
        made.process.stdout.close()


def test_a_taken_port_is_named(run):
    """The error names the port and what to set, in both languages, and no city was made."""
    with socket.create_server(("127.0.0.1", run.ports[2])):
        code, said = run.said()
    assert code == 1
    assert f"端口 {run.ports[2]} 已被占用" in said
    assert "YITONG_DEMO_PORTS" in said
    assert "Traceback" not in said
    assert [path.name for path in run.directory.iterdir()] == ["demo-run.lock"]


@pytest.mark.parametrize("place", ["a file", "/proc/nothing-can-be-made-here"])
def test_a_place_that_cannot_be_written_is_named(run, place):
    """If the directory cannot be made, the error says so in both languages and names the cure."""
    if place == "a file":
        run.directory.write_text("a file where the directory should be")
    else:
        run.directory = Path(place)
    code, said = run.said()
    assert code == 1
    assert f"无法写入 {run.directory}" in said
    assert f"Cannot write to {run.directory}" in said
    assert "YITONG_DEMO_DIR" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "text", ["80", "a,b,c,d", "1,2,3,4", "1,2,3,4,5,6", "99999,8001,8002,8003,8004", "9000,9000,9001,9002,9003"]
)
def test_bad_ports_are_explained(run, text):
    """An invalid list of ports is refused with an example."""
    code, said = run.said(YITONG_DEMO_PORTS=text)
    assert code == 1
    assert "8000,8001,8002,8003,8004" in said


def test_stopped_killed_and_started_again(run):
    """After Ctrl-C or a kill of the whole group everything has stopped; the next run starts at once and finds its city.

    Keys, people and secrets are the same each time: a second run makes no second city.
    """
    run.start()
    time.sleep(0.8)
    run.kill()
    run.start()
    run.up()
    first = json.loads((run.directory / "personas.json").read_text())
    run.kill()
    run.start()
    run.up()
    run.interrupt()
    assert json.loads((run.directory / "personas.json").read_text()) == first


def test_other_ports_than_last_time_are_explained(run):
    """A city stores its addresses: other ports are refused with the command that starts over, which works."""
    run.start()
    run.up()
    run.interrupt()
    run.ports = free_ports(5)
    code, said = run.said()
    assert code == 1
    assert "端口与上次不同" in said
    assert f"YITONG_DEMO_PORTS={','.join(map(str, run.ports))} make demo RESET=1" in said
    run.start(RESET="1")
    run.up()
    run.interrupt()


@pytest.mark.parametrize("victim", ["the provider", "its supervisor"])
def test_one_process_killed_leaves_nothing_behind(run, victim):
    """When one process is killed, the run names it, ends the others, and can start again."""
    running = run.start()
    run.up()
    supervisor = next(pid for pid in _children(running.pid) if "serve" in _command(pid))
    os.kill(supervisor if victim == "its supervisor" else _children(supervisor)[0], signal.SIGKILL)
    said = running.communicate(timeout=PATIENCE)[0].decode()
    assert running.returncode == 1
    assert "provider 没有启动或已停止" in said
    assert "provider did not start, or stopped" in said
    assert not any(_listens(port) for port in run.ports)
    run.start()
    run.up()
    run.interrupt()


def test_a_terminal_without_chinese_is_no_obstacle(run):
    """Where the terminal lacks a character the rest is printed; an error is never a traceback."""
    code, said = run.said(YITONG_DEMO_PORTS="80", PYTHONIOENCODING="ascii")
    assert code == 1
    assert "must be five different ports" in said
    assert "Traceback" not in said


def test_what_is_to_be_typed_can_be_typed(run):
    """The printed commands work as they are, also if the directory's name has a space."""
    run.directory = run.directory.with_name("my city")
    process = run.start(COLUMNS="60")
    run.up()
    told = []
    while not told or "yitong merge plan" not in told[-1]:
        told.append(process.stdout.readline().decode())
    typed = "".join(line for line in told if line.startswith(("  export", "  yitong")))
    tried = f"{typed.replace('merge plan', 'merge plan --help #')}yitong check"
    done = subprocess.run(["sh", "-c", tried], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: yitong merge plan" in done.stdout
    assert "✓ database" in done.stdout
    run.interrupt()


def test_a_running_city_is_left_alone_and_a_damaged_one_is_made_anew(run):
    """A second run, even with RESET=1 and other ports, leaves the first alone; RESET=1 cures a broken file."""
    run.start()
    run.up()
    second = Run(run.directory)
    code, said = second.said(RESET="1")
    assert code == 1
    assert "演示正在运行" in said
    assert "A demonstration is running" in said
    assert all(_answers(port) for port in run.ports)
    assert (run.directory / "demo.db").exists()
    run.interrupt()
    for broken in (run.directory.glob("demo.db*"), run.directory.glob("demo.env")):
        for path in broken:
            path.write_bytes(b"no database " * 1000) if path.name == "demo.db" else path.unlink()
        code, said = run.said()
        assert code == 1
        assert "已损坏" in said
        assert "make demo RESET=1" in said
        assert "Traceback" not in said
    run.start(RESET="1")
    run.up()
    run.interrupt()


def test_a_full_disk_is_told_from_a_damaged_database(tmp_path):
    """When SQLite reports a full disk, the advice is to make room, not to delete the city."""
    with closing(sqlite3.connect(tmp_path / "small.db")) as database:
        database.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as full:
            database.executescript("CREATE TABLE a (b); CREATE TABLE c (d);")
    said = str(demo._refusal(demo.Home(tmp_path, Ports()), full.value))
    assert "磁盘已满" in said
    assert "The disk" in said


def test_without_network_nothing_is_half_installed(tmp_path):
    """In a new clone without an index: cause and cure in both languages, and no mark that says "installed"."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    offline = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PYTHON": sys.executable}
    done = subprocess.run(
        [tmp_path / "scripts" / "environment", "demo"], env=offline, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "没有网络?请联网或设置 PIP_INDEX_URL" in done.stderr
    assert "no network? connect, or set PIP_INDEX_URL" in done.stderr
    assert not list((tmp_path / ".venv").glob(".installed-*"))


def test_once_installed_no_network_is_asked():
    """The second `make demo` asks no index, because the lock file shows what is installed."""
    offline = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    done = subprocess.run(
        [ROOT / "scripts" / "environment", "development"], env=offline, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
