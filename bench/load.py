"""The load generator: keep-alive connections on one thread, every answer checked, latencies kept.

A *unit* is a generator that yields raw HTTP requests and receives answers. It returns when one unit of work is done.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
Unit = Generator[bytes, "Answer", None]


class Unexpected(Exception):
    """The server's answer was not the expected one. The run stops: the speed of a wrong answer means nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: bytes
    body: bytes

    def header(self, name: bytes) -> str:
        """The header's first value, or an empty string."""
        found = re.search(rb"\r\n" + name + rb": ([^\r]*)", self.headers, re.IGNORECASE)
        return found[1].decode() if found else ""

    def cookies(self) -> list[tuple[str, str]]:
        """Every cookie that the answer sets, as name and value."""
        if b"ookie: " not in self.headers:
            return []
        lines = (line for line in self.headers.split(b"\r\n") if line.lower().startswith(b"set-cookie: "))
        pairs = (line[12:].split(b";", 1)[0].decode().split("=", 1) for line in lines)
        return [(name, value) for name, value in pairs]

    def expect(self, *statuses: int) -> Answer:
        """Returns this answer if it has one of these statuses. Raises Unexpected otherwise."""
        if self.status not in statuses:
            raise Unexpected(f"{self.status} instead of {statuses}: {self.body[:300]!r} {self.headers[:300]!r}")
        return self


def request(
    method: str, path: str, *, host: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """One HTTP/1.1 request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", *(f"{k}: {v}" for k, v in (headers or {}).items())]
    if body is not None:
        lines += ["content-type: application/x-www-form-urlencoded", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


@dataclass(slots=True)
class _Lane:
    """One connection and its current unit."""

    sock: socket.socket
    units: Callable[[], Unit]
    due: float = 0.0  # when its next unit should begin; with a rate, latency counts from then, even if it starts later
    unit: Unit | None = None
    started: float = 0.0
    received: bytes = b""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The result of one run: units done, seconds, latencies in milliseconds (sorted)."""

    units: int
    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Units per second."""
        return self.units / self.seconds

    def percentile(self, p: float) -> float:
        """The latency in milliseconds below which `p` per cent of the units stayed."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * p / 100))]


def run(
    address: tuple[str, int],
    lanes: list[Callable[[], Unit]],
    *,
    seconds: float,
    units: int = 10**9,
    rate: float | None = None,
) -> Measurement:
    """Drive one connection per lane until the time is over or that many units are done.

    Without a rate, each lane begins its next unit when the last is done. With a rate, that many units a second begin
    evenly over all lanes. If a unit has to wait for its lane, the wait is part of its latency.
    """
    selector = selectors.DefaultSelector()
    begin = time.perf_counter()
    pause = len(lanes) / rate if rate else 0.0
    idle = [_open(address, units_of, selector, begin + i * pause / len(lanes)) for i, units_of in enumerate(lanes)]
    busy, latencies = 0, list[float]()
    while idle or busy:
        now = time.perf_counter()
        waiting, idle = idle, []
        for lane in waiting:
            if lane.due > now:
                idle.append(lane)
            elif lane.unit and (now >= begin + seconds or len(latencies) + busy >= units):
                _close(lane, selector)
            else:  # every lane does at least one unit
                _next_unit(lane, lane.due if rate else now)
                busy += 1
        for lane in _answered(selector, min((lane.due - now for lane in idle), default=30.0)):
            now = time.perf_counter()
            latencies.append((now - lane.started) * 1000)
            lane.due += pause
            if lane.due <= now < begin + seconds and len(latencies) + busy <= units:
                _next_unit(lane, lane.due if rate else now)
            else:
                idle.append(lane)
                busy -= 1
    return Measurement(len(latencies), time.perf_counter() - begin, sorted(latencies))


def _answered(selector: selectors.BaseSelector, wait: float) -> Iterator[_Lane]:
    """Yields each lane whose unit is done. The other lanes read what has arrived and send their next request."""
    for key, _ in selector.select(timeout=wait) if selector.get_map() else ():
        answer = _receive(key.data)
        if answer is not None and not _advance(key.data, answer):
            yield key.data


def _open(address: tuple[str, int], units: Callable[[], Unit], selector: selectors.BaseSelector, due: float) -> _Lane:
    sock = socket.create_connection(address, timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lane = _Lane(sock, units, due)
    selector.register(sock, selectors.EVENT_READ, lane)
    return lane


def _close(lane: _Lane, selector: selectors.BaseSelector) -> None:
    selector.unregister(lane.sock)
    lane.sock.close()


def _next_unit(lane: _Lane, started: float) -> None:
    lane.unit = lane.units()
    lane.started = started
    lane.sock.sendall(next(lane.unit))


def _advance(lane: _Lane, answer: Answer) -> bool:
    """True if the unit sent another request, False if it is done."""
    assert lane.unit is not None
    try:
        lane.sock.sendall(lane.unit.send(answer))
    except StopIteration:
        return False
    return True


def _receive(lane: _Lane) -> Answer | None:
    """The answer when it is complete, else None."""
    piece = lane.sock.recv(65536)
    if not piece:
        raise Unexpected("the server closed a keep-alive connection")
    received = lane.received + piece if lane.received else piece
    head_end = received.find(b"\r\n\r\n")
    head = received[: head_end + 2]
    body = None if head_end < 0 else _body(head, received, head_end + 4)
    lane.received = received if body is None else b""
    return None if body is None else Answer(int(head[9:12]), head, body)


def _body(head: bytes, received: bytes, start: int) -> bytes | None:
    length = _LENGTH.search(head)
    if length is not None:
        end = start + int(length[1])
        return received[start:end] if len(received) >= end else None
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        return _dechunked(received[start:])
    return b""


def _dechunked(raw: bytes) -> bytes | None:
    out, at = b"", 0
    while True:
        line = raw.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(raw[at:line], 16)
        if len(raw) < line + 2 + size + 2:
            return None
        if size == 0:
            return out
        out += raw[line + 2 : line + 2 + size]
        at = line + 2 + size + 2
