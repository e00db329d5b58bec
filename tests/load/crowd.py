"""Attackers of a server: guessers who never know the password, and senders whose requests never end.

`python -m tests.load.crowd PORT GUESSERS` guesses until its standard input ends. It is a separate process because it
must not share an interpreter with the process that measures.
"""

import re
import socket
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlencode

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
FORM = "application/x-www-form-urlencoded"


@dataclass
class Visitor:
    """A browser without script, at one address of this machine; it keeps cookies and follows no redirects."""

    port: int
    address: str
    cookies: dict[str, str] = field(default_factory=dict)
    status: int = 0
    location: str = ""
    _http: HTTPConnection | None = None

    def get(self, path: str) -> str:
        return self._ask("GET", path, None)

    def post(self, path: str, **fields: str) -> str:
        return self._ask("POST", path, urlencode(fields))

    def log_in(self, number: str, password: str) -> bool:
        """Logs in as a person does. Returns whether the account page was reached."""
        self.cookies.pop("yitong", None)
        found = _TOKEN.search(self.get("/login"))
        if not found:
            return False
        self.post("/login", csrf_token=found[1], identifier=number, password=password, next="/account")
        return self.status == 303 and "yitong" in self.cookies

    def close(self) -> None:
        if self._http is not None:
            self._http.close()

    def _ask(self, method: str, path: str, body: str | None) -> str:
        if self._http is None:
            self._http = HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(self.address, 0))
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers |= {"Content-Type": FORM, "Sec-Fetch-Site": "same-origin"}
        try:
            self._http.request(method, path, body, headers)
            answer = self._http.getresponse()
            text = answer.read().decode()
        except (OSError, HTTPException):
            self._http.close()
            self._http, self.status = None, 0
            return ""
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self.cookies.update([value.partition(";")[0].split("=", 1)])
        self.status, self.location = answer.status, answer.getheader("Location") or ""
        return text


class Guesser:
    """Guesses passwords of invented people from its own address, as fast as responses come."""

    def __init__(self, port: int, serial: int) -> None:
        self._visitor = Visitor(port, f"127.1.0.{serial + 1}")
        self._serial = serial
        self._tried = 0

    def guess(self) -> int:
        """The status of the response; 0 without a response."""
        found = _TOKEN.search(self._visitor.get("/login")) if not self._tried else None
        if found:
            self._token = found[1]
        if not hasattr(self, "_token"):
            return self._visitor.status
        self._tried += 1
        name = f"nobody-{self._serial}-{self._tried}"
        self._visitor.post("/login", csrf_token=self._token, identifier=name, password="guess guess guess", next="")
        return self._visitor.status


def stalled(port: int, count: int, path: str, *, head: bytes | None = None) -> list[socket.socket]:
    """That many requests that never end: a body that stops after three bytes, or only `head`."""
    started = head or (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\nContent-Length: 100\r\n\r\na=b".encode()
    )
    found = []
    for _ in range(count):
        found.append(socket.create_connection(("127.0.0.1", port), timeout=30))
        found[-1].sendall(started)
    return found


def main(port: int, guessers: int) -> None:
    """Prints the responses after its standard input ended."""
    over, seen = threading.Event(), Counter[int]()

    def work(serial: int) -> None:
        one = Guesser(port, serial)
        while not over.is_set():
            seen[one.guess()] += 1

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(guessers)]
    for thread in threads:
        thread.start()
    print("guessing", flush=True)  # noqa: T201 - to whoever started us
    sys.stdin.read()
    over.set()
    print(dict(seen), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
