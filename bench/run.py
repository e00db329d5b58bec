"""`make bench`: Yitong and node-oidc-provider in turn on this machine, the same work, every answer checked.

Prints requests a second, p50, p99 and server CPU per unit for each path, and the ratio of the two inside each round;
with several rounds, medians. `--persons N` loads N persons first, to see that cost stays the same.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import load
import servers
import units
import yitong
from rich.console import Console
from rich.table import Table
from units import Target

CONSOLE = Console(width=140)
LANES = 16
LOGIN_LANES = 4
PORTION = 2400  # codes for a second, so that the first sixteen, which arrive at once, are not the 99th percentile
LOGIN_SURCHARGE = 15  # per cent over the Argon2 check
WORKER_MIB = 100
START_SECONDS = 1.0
AIMS = {
    "discovery": 5.0, "jwks": None, "client credentials": 1.3, "code exchange": 2.5, "code exchange, silent": None,
    "refresh": 2.5, "introspection": 2.0, "userinfo": 2.0, "silent re-login": 2.5, "whole login": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """One path on one server in one round."""

    rate: float
    p50: float
    p99: float
    cpu_us: float
    check_ms: float = 0.0  # CPU of the password check in one unit, if the path has one
    alone_ms: float = 0.0  # CPU of the same check when nothing else runs


class Subject:
    """A running server, and the sessions and tokens prepared for it."""

    def __init__(self, target: Target, pid: int, seconds: float) -> None:
        self.target = target
        self.pid = pid
        self.seconds = seconds
        self.address = ("127.0.0.1", target.port)
        self.jars: list[dict[str, str]] = [{} for _ in range(LANES)]
        self.token = ""

    def prepare(self) -> None:
        """Sign every lane's person in, for both clients, and keep one user access token."""
        for jar, person in zip(self.jars, servers.PERSONS, strict=True):
            self.do(units.signed_in(self.target, jar, person))
            self.do(_signed_tokens(self.target, jar, person, units.SCOPE + " offline_access"))
        held = self.do(units.tokens_for(self.target, self.jars[0], client=None, scope=units.SCOPE))
        self.token = held["access_token"]

    def warm_up(self) -> None:
        """Run every path once, unmeasured: statements are prepared, code is compiled, caches are filled."""
        measured, self.seconds = self.seconds, 0.3
        for act in self.paths().values():
            act()
        self.seconds = measured

    def do(self, unit: units.Unit) -> dict[str, str]:
        """Run one unit to its end and return what it returns."""
        results: list[dict[str, str]] = []

        def kept() -> units.Unit:
            results.append((yield from unit))  # type: ignore[arg-type]

        load.run(self.address, [kept], seconds=0.0)
        return results[0]

    def measure(
        self,
        make: Callable[[int], Iterator[units.Unit]],
        lanes: int,
        seconds: float,
        count: int = 10**9,
        rate: float | None = None,
    ) -> Figure:
        """One timed run over that many connections, at that rate or as fast as possible."""
        sources = [make(i) for i in range(lanes)]
        before = servers.cpu_seconds(self.pid)
        takes = [source.__next__ for source in sources]
        seen = load.run(self.address, takes, seconds=seconds, units=count, rate=rate)
        spent = servers.cpu_seconds(self.pid) - before
        return Figure(seen.rate, seen.percentile(50), seen.percentile(99), spent / seen.units * 1e6)

    def paths(self) -> dict[str, Callable[[], Figure]]:
        """Every measured path by name, in the order of printing."""
        t, s = self.target, self.seconds
        return {
            "discovery": lambda: self.measure(lambda _: units.get(t, "/.well-known/openid-configuration"), LANES, s),
            "jwks": lambda: self.measure(lambda _: units.get(t, t.jwks), LANES, s),
            "client credentials": self.client_credentials,
            "code exchange": self.exchange,
            "code exchange, silent": self.exchange_silent,
            "refresh": self.refresh,
            "introspection": lambda: self.measure(lambda _: units.introspect(t, self.token), LANES, s),
            "userinfo": lambda: self.measure(lambda _: units.userinfo(t, self.token), LANES, s),
            "silent re-login": lambda: self.measure(lambda i: units.silent(t, self.jars[i]), LANES, s),
            "whole login": self.login,
        }

    def at_rates(self, rates: dict[str, float]) -> dict[str, Figure]:
        """The token endpoint's paths, each at its rate: the latency for a client outside a crowd."""
        paths = {"client credentials": self.client_credentials, "code exchange": self.exchange, "refresh": self.refresh}
        return {name: act(rates[name]) for name, act in paths.items()}

    def client_credentials(self, rate: float | None = None) -> Figure:
        """A token for a machine, repeatedly."""
        return self.measure(lambda _: units.client_credentials(self.target), LANES, self.seconds, rate=rate)

    def login(self) -> Figure:
        """The whole login. The check is measured on its own thread, and alone, because a busy machine slows both."""
        before, begin = servers.stepped_back_seconds(self.pid), time.perf_counter()
        seen = self.measure(lambda i: units.login(self.target, servers.PERSONS[i]), LOGIN_LANES, max(self.seconds, 3))
        done = seen.rate * (time.perf_counter() - begin)
        spent = servers.stepped_back_seconds(self.pid) - before
        return replace(seen, check_ms=spent / done * 1000, alone_ms=yitong.check_cpu_ms())

    def exchange(self, rate: float | None = None) -> Figure:
        """A code that was issued after a page, as at a first login: its request is stored."""
        return self._exchange(lambda i: units.agreed(self.target, self.jars[i], servers.PERSONS[i]), rate)

    def exchange_silent(self) -> Figure:
        """A code that was issued without a page. Yitong's exchange then writes what its silent answer did not."""
        return self._exchange(lambda i: units.authorized(self.target, self.jars[i]), None)

    def _exchange(self, asking: Callable[[int], units.Unit], rate: float | None) -> Figure:
        """Exchange codes that are prepared outside the measured time, in portions that do not expire."""
        parts = []
        for _ in range(max(1, round(self.seconds / 2))):
            codes: list[tuple[str, str]] = []
            self._collect(codes, PORTION, asking)
            supply = units.exchange(self.target, iter(codes))
            parts.append(self.measure(lambda _, supply=supply: supply, LANES, 60, len(codes), rate))
        return _median(parts)

    def _collect(self, codes: list[tuple[str, str]], count: int, asking: Callable[[int], units.Unit]) -> None:
        def collecting(i: int) -> Iterator[units.Unit]:
            def unit() -> units.Unit:
                codes.append((yield from asking(i)))  # type: ignore[arg-type]

            return (unit() for _ in itertools.count())

        sources = [collecting(i) for i in range(LANES)]
        load.run(self.address, [s.__next__ for s in sources], seconds=30, units=count)

    def refresh(self, rate: float | None = None) -> Figure:
        """Refresh. Each lane starts with its own refresh token of the public client."""
        scope = units.SCOPE + " offline_access"
        tokens = [
            self.do(_signed_tokens(self.target, jar, person, scope))["refresh_token"]
            for jar, person in zip(self.jars, servers.PERSONS, strict=True)
        ]
        return self.measure(lambda i: units.refresh(self.target, tokens[i]), LANES, self.seconds, rate=rate)


def _signed_tokens(target: Target, jar: dict[str, str], person: units.Person, scope: str) -> units.Unit:
    code, verifier = yield from units.signed_in(target, jar, person, client=target.public, scope=scope)
    answer = yield units._code_request(target, code, verifier, client=target.public)  # noqa: SLF001
    return units._tokens(answer)  # type: ignore[return-value]  # noqa: SLF001


def _median(figures: list[Figure]) -> Figure:
    return Figure(*(statistics.median(getattr(f, name) for f in figures) for name in ("rate", "p50", "p99", "cpu_us")))


def _print_login(figures: list[Figure]) -> None:
    """Print what a whole login costs beyond the password check, which it needs in any case."""
    surcharges = sorted((f.cpu_us / 1000 / f.check_ms - 1) * 100 for f in figures)
    login, check, alone = (
        statistics.median(values)
        for values in zip(*((f.cpu_us / 1000, f.check_ms, f.alone_ms) for f in figures), strict=True)
    )
    CONSOLE.print(
        f"whole login: {login:.1f} ms server CPU, of it its Argon2 check {check:.1f} ms ({yitong.build()}): "
        f"{statistics.median(surcharges):.0f} % on top ({surcharges[0]:.0f}–{surcharges[-1]:.0f}), "
        f"aim {LOGIN_SURCHARGE} % at most; the check with nothing beside it takes {alone:.1f} ms"
    )


def _print_at_half(subjects: list[Subject], rounds: list[list[dict[str, Figure]]]) -> None:
    """Print the latency without long queues: each server at half of the rate that it has just reached."""
    for i, subject in enumerate(subjects):
        rates = {path: _median([r[i][path] for r in rounds]).rate / 2 for path in rounds[0][i]}
        seen = subject.at_rates(rates)
        told = (f"{path} {f.rate:.0f}/s p50 {f.p50:.1f}, p99 {f.p99:.1f} ms" for path, f in seen.items())
        CONSOLE.print(f"{subject.target.name} at half of its rate: {'; '.join(told)}")


def _print_machine() -> None:
    """Print this machine, to which the rates and, on slow cores, the ratios belong."""
    CONSOLE.print(f"{servers.machine()}; {yitong.build()}", highlight=False)


def _print_footprint(pid: int, start: float, persons: int) -> None:
    """Print the worker's memory and start time beside their aims."""
    memory = servers.resident_mib(pid)
    CONSOLE.print(
        f"started in {start:.2f} s (aim {START_SECONDS:.0f} at most), one worker {memory:.0f} MiB "
        f"(aim {WORKER_MIB} at most), {persons} persons"
    )


def tail_under_logins(subject: Subject) -> Figure:
    """Client credentials on two connections while six connections log in."""
    stop = threading.Event()

    def saturate() -> None:
        sources = [units.login(subject.target, servers.PERSONS[i]) for i in range(6)]
        while not stop.is_set():
            load.run(subject.address, [s.__next__ for s in sources], seconds=1.0)

    flood = threading.Thread(target=saturate)
    flood.start()
    try:
        return subject.measure(lambda _: units.client_credentials(subject.target), 2, max(subject.seconds, 3))
    finally:
        stop.set()
        flood.join()


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    _print_machine()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yitong-bench-")))
        cluster = stack.enter_context(yitong.cluster(folder))
        ours, our_pid, our_start = stack.enter_context(yitong.server(cluster, folder, persons=arguments.persons))
        subjects = [Subject(ours, our_pid, arguments.seconds)]
        if not arguments.alone:
            theirs, their_pid, _ = stack.enter_context(servers.peer(cluster.database("peer"), folder))
            subjects.append(Subject(theirs, their_pid, arguments.seconds))
        servers.leave_the_servers_core()
        for subject in subjects:
            subject.prepare()
            subject.warm_up()
        rounds = _rounds(subjects, arguments.rounds)
        under = tail_under_logins(subjects[0])
        _print(subjects, rounds)
        _print_at_half(subjects, rounds)
        _print_login([r[0]["whole login"] for r in rounds])
        CONSOLE.print(
            f"client credentials while logins fill the password lane: p50 {under.p50:.1f}, p99 {under.p99:.1f} ms"
        )
        _print_footprint(our_pid, our_start, arguments.persons)
    yitong.print_in_process()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--persons", type=int, default=10_000)
    parser.add_argument("--alone", action="store_true", help="without the peer")
    return parser.parse_args()


def _rounds(subjects: list[Subject], count: int) -> list[list[dict[str, Figure]]]:
    """Rounds × subjects × path. The subjects take turns on each path, so that noise affects both."""
    rounds = []
    for n in range(count):
        results: list[dict[str, Figure]] = [{} for _ in subjects]
        for path in subjects[0].paths():
            for subject, result in zip(subjects, results, strict=True):
                result[path] = subject.paths()[path]()
            CONSOLE.print(f"round {n + 1}: {path}: " + " | ".join(f"{r[path].rate:.0f}/s" for r in results))
        rounds.append(results)
    return rounds


def _print(subjects: list[Subject], rounds: list[list[dict[str, Figure]]]) -> None:
    table = Table(title=f"medians of {len(rounds)} rounds, PostgreSQL at default durability, server on one core")
    for heading in ("path", "server", "units/s", "p50 ms", "p99 ms", "server CPU µs", "ratio", "range", "aim", "met"):
        table.add_column(heading, justify="left" if heading in ("path", "server") else "right")
    for path in rounds[0][0]:
        for i, subject in enumerate(subjects):
            figure = _median([r[i][path] for r in rounds])
            ratios = sorted(r[0][path].rate / r[-1][path].rate for r in rounds)
            told = [f"{statistics.median(ratios):.2f}", f"{ratios[0]:.2f}–{ratios[-1]:.2f}", *_beside_aim(path, ratios)]
            table.add_row(
                path, subject.target.name, f"{figure.rate:.0f}", f"{figure.p50:.2f}", f"{figure.p99:.1f}",
                f"{figure.cpu_us:.0f}", *(told if i == 0 and len(subjects) > 1 else [""] * 4),
            )  # fmt: skip
    CONSOLE.print(table)


def _beside_aim(path: str, ratios: list[float]) -> tuple[str, str]:
    aim = AIMS[path]
    return ("", "") if aim is None else (str(aim), "yes" if statistics.median(ratios) >= aim else "no")


if __name__ == "__main__":
    main()
