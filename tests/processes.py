"""Servers that a test starts as processes of their own: ports nobody listens at, and waiting until one answers."""

import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import requests

ROOT = Path(__file__).parents[1]
PATIENCE = 60  # seconds until a server answers, on a busy machine


def free_ports(count: int) -> list[int]:
    """So many ports, all different, that nobody listened at a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class running:  # noqa: N801 - reads as a verb where it is used
    """Inside, the command runs and its address answers; outside it is gone. AssertionError with its log otherwise."""

    def __init__(self, command: list[str], log: Path, url: str, environment: dict[str, str]) -> None:
        self.log, self.url = log, url
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + PATIENCE
        try:
            while not self._answers():
                assert self.process.poll() is None, self.log.read_text(errors="replace")
                assert time.monotonic() < deadline, self.log.read_text(errors="replace")
                time.sleep(0.1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)

    def _answers(self) -> bool:
        with requests.Session() as http:
            http.trust_env = False
            try:
                http.get(self.url, timeout=2, allow_redirects=False).close()
            except requests.ConnectionError:
                return False
            return True
