"""A throwaway PostgreSQL cluster for one test session, or the server named by YITONG_TEST_POSTGRES."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import free_ports

MISSING = "PostgreSQL's initdb and pg_ctl were not found: run scripts/install-test-tools, or set YITONG_TEST_POSTGRES"
SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
    "listen_addresses=127.0.0.1",
)


@contextmanager
def server() -> Iterator[str]:
    """The address of a server's maintenance database; a server of our own stops when the block ends."""
    given = os.environ.get("YITONG_TEST_POSTGRES")
    if given:
        yield given
        return
    # Not below pytest's own folder: a second run would close that to the account `postgres` again.
    with tempfile.TemporaryDirectory(prefix="yitong-postgres-", ignore_cleanup_errors=True) as directory:
        yield from _own_server(Path(directory))


def _own_server(directory: Path) -> Iterator[str]:
    data, (port,) = directory / "data", free_ports(1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a run that is told to end stops its server too
    _open_to_postgres(directory)
    _run("initdb", "-D", data, "-U", "yitong", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    options = " ".join(
        f"-c {setting}" for setting in (*SETTINGS, f"port={port}", f"unix_socket_directories={directory}")
    )
    _run("pg_ctl", "-D", data, "-w", "-l", directory / "log", "-o", options, "start")
    try:
        yield f"postgresql://yitong@127.0.0.1:{port}/postgres"
    finally:
        _run("pg_ctl", "-D", data, "-m", "immediate", "stop")


def _open_to_postgres(directory: Path) -> None:
    """PostgreSQL refuses to run as root, so root hands the directory to the account `postgres`."""
    if os.geteuid() != 0:
        return
    shutil.chown(directory, "postgres")


def _run(program: str, *arguments: object) -> None:
    found = _find(program)
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    command = [*as_postgres, found, *map(str, arguments)]
    done = subprocess.run(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        pytest.fail(f"{program} failed: {done.stderr.decode(errors='replace')[-2000:]}")


def _find(program: str) -> str:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda p: float(p.parts[4]))
    found = shutil.which(program) or (str(debian[-1]) if debian else None)
    if found is None:
        pytest.fail(MISSING)
    return found
