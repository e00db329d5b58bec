"""`make demo` where it cannot start, and where it was killed: it says so, and the next run works."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 60


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Run:
    """One demonstration in a directory of its own, started and stopped as a person does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = _free_ports(4)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> subprocess.Popen[bytes]:
        ports = ",".join(str(port) for port in self.ports)
        ours = {"YITONG_DEMO_DIR": str(self.directory), "YITONG_DEMO_PORTS": ports, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "demo" / "run.py")],
            env={**os.environ, **ours, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return self.process

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


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path / "var")
    yield made
    if made.process is not None:
        made.process.terminate()
        made.process.wait(PATIENCE)
        made.process.stdout.close()


def test_a_taken_port_is_named(run):
    """The refusal names the port and what to set, in both languages, and nothing was made."""
    with socket.create_server(("127.0.0.1", run.ports[2])):
        code, said = run.said()
    assert code == 1
    assert f"端口 {run.ports[2]} 已被占用" in said
    assert "YITONG_DEMO_PORTS" in said
    assert "Traceback" not in said
    assert not run.directory.exists()


def test_a_place_that_cannot_be_written_is_named(run):
    """Where the directory cannot be made, the refusal says so and names the way out."""
    run.directory.write_text("a file where the directory should be")
    code, said = run.said()
    assert code == 1
    assert "YITONG_DEMO_DIR" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("text", ["80", "a,b,c,d", "1,2,3,4,5"])
def test_bad_ports_are_explained(run, text):
    """A list of ports that is none is refused with an example."""
    code, said = run.said(YITONG_DEMO_PORTS=text)
    assert code == 1
    assert "8000,8001,8002,8003" in said


def test_stopped_killed_and_started_again(run):
    """Ctrl-C stops everything; so does a kill; a run killed while it prepares leaves nothing that breaks the next.

    Keys, people and secrets are the same each time: a second run is not a second city.
    """
    process = run.start()
    time.sleep(0.8)
    process.kill()
    process.communicate()
    run.start()
    run.up()
    first = json.loads((run.directory / "personas.json").read_text())
    run.process.kill()
    run.process.communicate()
    run.down()
    process = run.start()
    run.up()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    process.stdout.close()
    run.down()
    assert json.loads((run.directory / "personas.json").read_text()) == first
