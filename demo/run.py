"""`make demo`: one city on this machine, until Ctrl-C. It can be repeated, also after it was killed.

Environment: RESET=1 starts over. YITONG_DEMO_DIR (default `var`) is the directory of all its files. YITONG_DEMO_PORTS
(default `8000,8001,8002,8003,8004`) are the ports of the five sites. YITONG_ISSUER is the public origin behind TLS. If
the demonstration cannot start, it says why and what to do, in Chinese and in English.
"""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from accounts import private_files  # noqa: E402 - the repository is not installed
from accounts.errors import DatabaseUnavailable, SealBroken, VaultKeyMismatch  # noqa: E402 - the repository is not installed
from demo import banner, platforms, preflight  # noqa: E402
from demo.preflight import CannotStart, free_port  # noqa: E402
from demo.seed import read, seed  # noqa: E402
from demo.services import Ports  # noqa: E402
from idp import migrations, settings  # noqa: E402
from idp.services import build_services  # noqa: E402

PATIENCE = 60.0
_DIRECT = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")  # a proxy cannot reach this machine
_OF_THE_DEMO = ("YITONG_DEMO_DIR", "YITONG_DEMO_PORTS", "YITONG_ISSUER")


@dataclass(frozen=True, slots=True)
class Home:
    """The files of the demonstration."""

    directory: Path
    ports: Ports
    platforms_port: int = field(default_factory=free_port)  # no person types it, so any free one will do

    @property
    def env_file(self) -> Path:
        """The settings, with keys that are made once."""
        return self.directory / "demo.env"

    @property
    def database(self) -> Path:
        """The database of the city."""
        return self.directory / "demo.db"

    @property
    def log(self) -> Path:
        """The output of each process, in one file each."""
        return self.directory / "log"

    @property
    def personas(self) -> Path:
        """Who can log in, for scripts: beside the code for the default directory, otherwise inside the directory."""
        usual = self.directory == ROOT / "var"
        return (ROOT / "demo" if usual else self.directory) / "personas.json"

    @property
    def issuer(self) -> str:
        """The public origin."""
        return os.environ.get("YITONG_ISSUER", self.ports.origin_of("provider"))


def main() -> int:
    """Returns 0 after Ctrl-C, 1 when it could not start or a process stopped by itself."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Chinese shows question marks beside the English
            stream.reconfigure(errors="replace")
    # Shells start background jobs with SIGINT ignored. SIGHUP (the terminal was closed) is ignored only under `nohup`.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if name != signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:
            signal.signal(name, signal.default_int_handler)
    try:
        ports = preflight.read_ports(os.environ.get("YITONG_DEMO_PORTS"))
        home = Home(Path(os.environ.get("YITONG_DEMO_DIR") or ROOT / "var").resolve(), ports)
        with private_files.privately(), preflight.the_only_run(home.directory) as lock:
            return run(home, lock)
    except CannotStart as reason:
        print(f"\n✗ {reason}\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n已停止。 Stopped.")
        return 0


def run(home: Home, lock: int) -> int:
    """Load the city and serve it until it is stopped."""
    with preflight.unwritable_explained(home.directory):
        prepare(home)
        told = load_city(home)
    with running(home, told, lock) as processes:
        banner.print_banner(told, home.ports, home.personas, home.env_file)
        return watch(processes, home)


def prepare(home: Home) -> None:
    """Check the ports and write the settings. With RESET=1 the files of an earlier city are deleted."""
    for port in fields(Ports):
        preflight.require_free(getattr(home.ports, port.name))
    if os.environ.get("RESET") == "1":
        shutil.rmtree(home.log, ignore_errors=True)
        for old in (*home.directory.glob("demo.*"), home.personas):
            old.unlink(missing_ok=True)
    private_files.make_directory(home.log)
    private_files.tighten(home.log)  # an earlier release made it readable for everybody
    if home.database.exists() and not os.access(home.database, os.W_OK):
        raise preflight.unwritable(home.database, os.strerror(errno.EACCES))
    if not home.env_file.exists():
        if home.database.exists():
            raise preflight.damaged(home.database)  # its keys were in the missing file
        _write_whole(home.env_file, _settings(home))


def load_city(home: Home) -> dict[str, Any]:
    """Migrate and load the database. Returns the new content of personas.json. Raises CannotStart."""
    _forget_other_settings()
    os.environ |= {"YITONG_ENV_FILE": str(home.env_file), "YITONG_ISSUER": home.issuer}
    os.environ["YITONG_IDENTITY_PROVIDERS"] = str(platforms.configure(home.directory, home.platforms_port))
    known = read(home.personas)
    try:
        told = _loaded(home, known)
    except (DatabaseUnavailable, sqlite3.Error) as error:
        raise _refusal(home, error) from error
    except (sa.exc.DatabaseError, SealBroken, VaultKeyMismatch) as error:
        raise preflight.damaged(home.database) from error
    if known and known["clients"][0]["redirect_uris"] != told["clients"][0]["redirect_uris"]:
        raise preflight.other_ports(home.ports)
    _write_whole(home.personas, json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    return told


def _loaded(home: Home, known: dict[str, Any]) -> dict[str, Any]:
    services = build_services(settings.load())
    with closing(services.database):
        migrations.upgrade(services.database)
        with services.database.transaction() as c:
            services.keys.ensure(c, services.clock())
        return seed(services, home.ports, known)


def _refusal(home: Home, error: Exception) -> CannotStart:
    """SQLite has one error class for a full disk, no permission, a lock and a broken file; its text tells which."""
    said = str(error)
    if "full" in said:
        return preflight.full(home.directory)
    if "readonly" in said or "unable to open" in said:
        return preflight.unwritable(home.database, said)
    return preflight.in_use(home.database) if "locked" in said else preflight.damaged(home.database)


def _forget_other_settings() -> None:
    """Drop the variables of other deployments in this shell, so that the demonstration never uses their database."""
    for name in [name for name in os.environ if name.startswith("YITONG_") and name not in _OF_THE_DEMO]:
        del os.environ[name]


@contextmanager
def running(home: Home, told: dict[str, Any], lock: int) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Every process of the demonstration runs inside the block, and none afterwards."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command, extra in commands(home, told):
            processes[name] = _start(home, name, command, extra, lock)
        _wait_until_up(home, processes)
        yield processes
    finally:
        for process in processes.values():
            assert process.stdin is not None
            process.stdin.close()
        for process in processes.values():
            process.wait()
            _sweep(process.pid)


def _sweep(group: int) -> None:
    """Kill the rest of that process group, because a supervisor that was killed could not end its command."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def commands(home: Home, told: dict[str, Any]) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Each process: its name, its command, and what is added to its environment."""
    yitong = [sys.executable, "-m", "idp.cli"]
    yield "provider", [*yitong, "serve", "--port", str(home.ports.provider)], {}
    yield "worker", [*yitong, "worker"], {}
    served = [str(home.directory), str(home.platforms_port), home.issuer]
    yield "platforms", [sys.executable, "-m", "demo.platforms", *served], {}
    clients = {client["client_id"]: client for client in told["clients"]}
    for service in ("housing_fund", "social_security", "civic_forum", "enterprise_services"):
        client = clients[service.replace("_", "-")]
        serve = ["--app", str(ROOT / "examples" / service / "app.py") + ":create_app", "run", "--port"]
        yield (
            service,
            [sys.executable, "-m", "flask", *serve, str(getattr(home.ports, service))],
            {
                "ISSUER": home.issuer,
                "CLIENT_ID": client["client_id"],
                "CLIENT_SECRET": client["client_secret"],
                "SECRET_KEY": secrets.token_hex(32),
            },
        )


def watch(processes: dict[str, subprocess.Popen[bytes]], home: Home) -> int:
    """Run until Ctrl-C. Raises CannotStart, which names the log, when a process stops by itself."""
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise _stopped(home, name)
        time.sleep(0.5)


def _start(home: Home, name: str, command: list[str], extra: dict[str, str], lock: int) -> subprocess.Popen[bytes]:
    """The process gets its own session: a signal to the terminal's group must not end it before its command.

    The supervisor, its command and their children are one process group, by which `_sweep` finds them.
    """
    with private_files.opened(home.log / f"{name}.log", "wb") as log:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "demo" / "supervisor.py"), *command],
            cwd=ROOT,
            env={**os.environ, **_DIRECT, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **extra},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            start_new_session=True,
        )


def _wait_until_up(home: Home, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + PATIENCE
    for name in (port.name for port in fields(Ports)):
        path = "/.well-known/openid-configuration" if name == "provider" else "/"
        while not _answers(home.ports.origin_of(name) + path):
            if processes[name].poll() is not None or time.monotonic() > deadline:
                raise _stopped(home, name)
            time.sleep(0.1)


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _stopped(home: Home, name: str) -> CannotStart:
    log = home.log / f"{name}.log"
    tail = "\n".join("    " + line for line in log.read_text(errors="replace").splitlines()[-8:])
    return CannotStart(
        f"{name} 没有启动或已停止，原因见日志 {log}。可以再运行一次；还不行，用 make demo RESET=1。",
        f"{name} did not start, or stopped; its log says why: {log}. Run it again; if that fails, make demo RESET=1.\n"
        + tail,
    )


def _settings(home: Home) -> str:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    lines = {
        "ENVIRONMENT": "demo",
        "ISSUER": home.issuer,
        "DATABASE_URL": f"sqlite:///{home.database}",
        "VAULT_KEYS": f"k1:{key}",
        "ALLOW_PRIVATE_DESTINATIONS": "true",
        "SANDBOX": "true",
        "SMS_CODES": "true",
        "SMS_VOICE": "true",
    }
    return "".join(f"YITONG_{name}={value}\n" for name, value in lines.items())


def _write_whole(path: Path, text: str) -> None:
    """The file has the new text or, if we are killed, its old one. It is private, because it may contain secrets."""
    fresh = path.with_name(path.name + ".new")
    with private_files.opened(fresh, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


if __name__ == "__main__":
    sys.exit(main())
