"""`make demo`: one city on this machine, until Ctrl-C. Safe to repeat, also after it was killed in the middle.

Environment: RESET=1 starts over; YITONG_DEMO_DIR (default `var`) is where everything is kept; YITONG_DEMO_PORTS
(default `8000,8001,8002,8003`) is where the four sites listen; YITONG_ISSUER is the public origin when TLS stands in
front. Where the demonstration cannot start, it says why and what to do, in Chinese and in English.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from demo import welcome  # noqa: E402 - the repository is not installed, so its root must be found first
from demo.seed import read, seed  # noqa: E402
from demo.services import Ports  # noqa: E402
from idp import migrations, settings  # noqa: E402
from idp.services import build_services  # noqa: E402

PATIENCE = 60.0


class CannotStart(Exception):
    """Why, and what to do: in Chinese, then in English."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where the demonstration keeps what it makes."""

    directory: Path
    ports: Ports

    @property
    def env_file(self) -> Path:
        """The settings, with keys made once."""
        return self.directory / "demo.env"

    @property
    def personas(self) -> Path:
        """Who can log in, for scripts: beside the code for the usual directory, else inside the other one."""
        usual = self.directory == ROOT / "var"
        return (ROOT / "demo" if usual else self.directory) / "personas.json"

    @property
    def issuer(self) -> str:
        """The public origin."""
        return os.environ.get("YITONG_ISSUER", self.ports.origin_of("provider"))


def main() -> int:
    """0 after Ctrl-C; 1 when it could not start or something stopped by itself."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        home = Home(Path(os.environ.get("YITONG_DEMO_DIR", ROOT / "var")).resolve(), _ports())
        prepare(home)
        told = load_city(home)
        with running(home, told) as processes:
            welcome.print_welcome(told, home.ports, home.personas, home.env_file)
            return watch(processes, home)
    except CannotStart as reason:
        print(f"\n✗ {reason}\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n已停止。 Stopped.")
        return 0


def prepare(home: Home) -> None:
    """The directory can be written, the ports are free and the settings are there."""
    for port in fields(Ports):
        _require_free(getattr(home.ports, port.name))
    try:
        if os.environ.get("RESET") == "1":
            shutil.rmtree(home.directory / "log", ignore_errors=True)
            for old in (*home.directory.glob("demo.*"), home.personas):
                old.unlink(missing_ok=True)
        (home.directory / "log").mkdir(parents=True, exist_ok=True)
        if not home.env_file.exists():
            _write_whole(home.env_file, _settings(home))
    except OSError as error:
        raise CannotStart(
            f"无法写入 {home.directory}（{error.strerror}）。请修改该目录的权限，或用 YITONG_DEMO_DIR 指定别的目录。\n"
            f"  Cannot write to {home.directory} ({error.strerror}). Change its permissions, or set YITONG_DEMO_DIR."
        ) from error


def load_city(home: Home) -> dict[str, Any]:
    """The database is migrated and loaded; returns what personas.json now holds."""
    os.environ |= {"YITONG_ENV_FILE": str(home.env_file), "YITONG_ISSUER": home.issuer}
    services = build_services(settings.load())
    with closing(services.database):
        migrations.upgrade(services.database)
        with services.database.transaction() as c:
            services.keys.ensure(c, services.clock())
        known = read(home.personas)
        told = seed(services, home.ports, known)
    if known and known["clients"][0]["redirect_uris"] != told["clients"][0]["redirect_uris"]:
        raise CannotStart(
            "端口与上次不同，已登记的地址不再适用。请用 make demo RESET=1 重新开始。\n"
            "  The ports differ from last time, so registered addresses no longer fit. Run make demo RESET=1."
        )
    _write_whole(home.personas, json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    return told


@contextmanager
def running(home: Home, told: dict[str, Any]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Every process of the demonstration is up inside, and none is left outside."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command, extra in commands(home, told):
            processes[name] = _start(home, name, command, extra)
        _wait_until_up(home, processes)
        yield processes
    finally:
        for process in processes.values():
            assert process.stdin is not None
            process.stdin.close()
        for process in processes.values():
            process.wait()


def commands(home: Home, told: dict[str, Any]) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Each process: its name, its command, and what its environment adds."""
    yitong = [sys.executable, "-m", "idp.cli"]
    yield "provider", [*yitong, "serve", "--port", str(home.ports.provider)], {}
    yield "worker", [*yitong, "worker"], {}
    clients = {client["client_id"]: client for client in told["clients"]}
    for service in ("housing_fund", "social_security", "civic_forum"):
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
    """Until Ctrl-C; a process that stops by itself stops the demonstration, which says where to look."""
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise CannotStart(_stopped(home, name))
        time.sleep(0.5)


def _start(home: Home, name: str, command: list[str], extra: dict[str, str]) -> subprocess.Popen[bytes]:
    with (home.directory / "log" / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "demo" / "tether.py"), *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **extra},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _wait_until_up(home: Home, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + PATIENCE
    for name in (port.name for port in fields(Ports)):
        path = "/.well-known/openid-configuration" if name == "provider" else "/"
        while not _answers(home.ports.origin_of(name) + path):
            if processes[name].poll() is not None or time.monotonic() > deadline:
                raise CannotStart(_stopped(home, name))
            time.sleep(0.1)


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _stopped(home: Home, name: str) -> str:
    log = home.directory / "log" / f"{name}.log"
    tail = "\n".join("    " + line for line in log.read_text(errors="replace").splitlines()[-8:])
    return f"{name} 已停止，日志见 {log}。\n  {name} stopped; its log is {log}:\n{tail}"


def _ports() -> Ports:
    text = os.environ.get("YITONG_DEMO_PORTS")
    if not text:
        return Ports()
    try:
        provider, housing_fund, social_security, civic_forum = (int(port) for port in text.split(","))
    except ValueError:
        raise CannotStart(
            "YITONG_DEMO_PORTS 应为四个端口号，例如 8000,8001,8002,8003。\n"
            "  YITONG_DEMO_PORTS must be four ports, such as 8000,8001,8002,8003."
        ) from None
    return Ports(provider, housing_fund, social_security, civic_forum)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CannotStart(
                f"端口 {port} 已被占用。请先停止占用它的程序，或设置 YITONG_DEMO_PORTS。\n"
                f"  Port {port} is taken. Stop the program that uses it, or set YITONG_DEMO_PORTS."
            ) from None


def _settings(home: Home) -> str:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    lines = {
        "ENVIRONMENT": "demo",
        "DATABASE_URL": f"sqlite:///{home.directory / 'demo.db'}",
        "VAULT_KEYS": f"k1:{key}",
        "ALLOW_PRIVATE_DESTINATIONS": "true",
        "SANDBOX": "true",
    }
    return "".join(f"YITONG_{name}={value}\n" for name, value in lines.items())


def _write_whole(path: Path, text: str) -> None:
    """The file holds the whole text, or what it held before: also when we are killed now. It may hold secrets."""
    fresh = path.with_name(path.name + ".new")
    with open(fresh, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


if __name__ == "__main__":
    sys.exit(main())
