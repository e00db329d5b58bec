"""Starting and stopping the measured servers: PostgreSQL, Yitong and the peer, each pinned to its core."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey
from load_persons import citizen_number
from units import Person, Target

HERE = Path(__file__).parent
ROOT = HERE.parent
SERVER_CORE = "0"
OTHER_CORE = "1"
_TICK = os.sysconf("SC_CLK_TCK")

FIRST = 9_000_000  # numbers from here on belong to no loaded person, in a city of up to that many
PERSONS = [Person(citizen_number(FIRST + i), f"correct horse {i} battery") for i in range(16)]
REDIRECT_URI = "https://rp.example/callback"


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def machine() -> str:
    """The processor, its usable cores, kernel and Python. Without them a figure means nothing."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        told = ""
    model = re.search(r"^model name\s*: (.+)$", told, re.MULTILINE)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()})"
    system = f"{platform.system()} {platform.release()}"
    return f"{model[1] if model else platform.machine()}, {cores} cores, {system}, {python}"


def pinned(core: str, command: list[str]) -> list[str]:
    """The command, pinned to one core if the system has `taskset`."""
    return ["taskset", "-c", core, *command] if shutil.which("taskset") else command


def leave_the_servers_core() -> None:
    """From now on this process makes its load on the database's core, if the system can pin it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(OTHER_CORE)})


def cpu_seconds(root_pid: int) -> float:
    """User and system time of a process and its descendants, so far, in seconds."""
    parents: dict[int, list[int]] = {}
    spent: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(entry.name))
        spent[int(entry.name)] = (int(fields[11]) + int(fields[12])) / _TICK
    return _sum(root_pid, parents, spent)


def stepped_back_seconds(root_pid: int) -> float:
    """User and system time so far, in seconds, of the low-priority threads below a process: the password checks."""
    found = 0.0
    for stat in Path("/proc").glob("[0-9]*/task/[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == root_pid and int(fields[16]) > os.getpriority(os.PRIO_PROCESS, root_pid):
            found += (int(fields[11]) + int(fields[12])) / _TICK
    return found


def _sum(pid: int, parents: Mapping[int, list[int]], spent: Mapping[int, float]) -> float:
    return spent.get(pid, 0.0) + sum(_sum(child, parents, spent) for child in parents.get(pid, []))


def resident_mib(root_pid: int) -> float:
    """Resident memory in MiB of the larger of a process and its largest child, the worker."""
    sizes = [0.0]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "status").read_text()
            except OSError:
                continue
            if f"PPid:\t{root_pid}\n" in status or entry.name == str(root_pid):
                sizes += [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")]
    return max(sizes)


@contextmanager
def running(
    command: list[str], port: int, environment: Mapping[str, str], log: Path, *, answers: str = ""
) -> Iterator[tuple[int, float]]:
    """Run the server until it answers GET `answers`, or only connects. Yields its pid and the seconds until then."""
    begin = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        started = _wait_for(port, process, begin, log, answers)
        yield process.pid, started
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _wait_for(port: int, process: subprocess.Popen[bytes], begin: float, log: Path, answers: str) -> float:
    while time.perf_counter() - begin < 60:
        if process.poll() is not None:
            sys.exit(f"the server stopped while starting; its log:\n{log.read_text()[-3000:]}")
        try:
            _ask(port, answers)
        except OSError:
            time.sleep(0.01)
            continue
        return time.perf_counter() - begin
    sys.exit(f"the server did not start within 60 s; its log: {log}")


def _ask(port: int, path: str) -> None:
    """Raises OSError until the server answers. A socket may listen long before anything behind it answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        if path:
            connection.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n".encode())
            if not connection.recv(12).endswith(b"200"):
                raise OSError("not there yet")


@contextmanager
def peer(database_url: str, folder: Path) -> Iterator[tuple[Target, int, float]]:
    """Run node-oidc-provider on its core."""
    port = free_port()
    target = Target(
        name="node-oidc-provider", port=port, authorize="/auth", token="/token", userinfo="/me",
        introspect="/token/introspection", jwks="/jwks", redirect_uri=REDIRECT_URI,
        confidential=("confidential", "confidential-secret-of-the-bench"), public="public",
    )  # fmt: skip
    plan = {
        "port": port,
        "issuer": f"http://127.0.0.1:{port}",
        "clients": _peer_clients(target),
        "key": _signing_key(),
        "persons": [_peer_person(i, person) for i, person in enumerate(PERSONS)],
    }
    if not (HERE / "peer" / "node_modules").exists():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE / "peer", check=True)
    environment = {"PEER_DATABASE": database_url, "PEER_PLAN": json.dumps(plan), "NODE_ENV": "production"}
    command = pinned(SERVER_CORE, ["node", str(HERE / "peer" / "server.js")])
    with running(command, port, environment, folder / "peer.log", answers=target.jwks) as (pid, started):
        yield target, pid, started


def _signing_key() -> dict[str, object]:
    key = ECKey.import_key(ec.generate_private_key(ec.SECP256R1()))
    return {**key.as_dict(private=True), "alg": "ES256", "use": "sig", "kid": "bench"}


def _peer_person(i: int, person: Person) -> dict[str, object]:
    claims = {"name": f"测试{i}", "birthdate": "1893-01-01", "gender": "female", "phone_number": f"+86139000000{i:02}"}
    return {"id": f"person{i}", "login": person.login, "password": person.password, "claims": claims}


def _peer_clients(target: Target) -> list[dict[str, object]]:
    shared = {"redirect_uris": [REDIRECT_URI], "id_token_signed_response_alg": "ES256"}
    return [
        {
            "client_id": target.confidential[0],
            "client_secret": target.confidential[1],
            "grant_types": ["authorization_code", "client_credentials", "refresh_token"],
            **shared,
        },
        {
            "client_id": target.public,
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "application_type": "web",
            **shared,
        },
    ]
