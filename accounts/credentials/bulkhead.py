"""The bulkhead of costly checks: one thread for each check that may run at a time, and nothing else runs on it.

docs/decisions/0031-password-checks-have-their-own-threads.md has the reason. A thread that always does the same work
reuses the memory of its last check instead of asking the system for 19 MiB of new pages, and it can have a lower
priority than the threads that answer other requests.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from queue import SimpleQueue
from typing import TypeVar, cast

from accounts.errors import Busy

_Result = TypeVar("_Result")
_NICENESS = 10  # about a tenth of a busy core, all of an idle one
_LOWEST_PRIORITY = 19


class Bulkhead:
    """Runs `concurrent` checks at a time. Threads may share it, and it works in a process forked from this one."""

    def __init__(self, concurrent: int, wait: timedelta, *, named: str) -> None:
        """A call waits up to `wait` for its turn, then raises Busy. `named` says what it is for, in errors."""
        self._turns = threading.BoundedSemaphore(concurrent)
        self._wait = wait.total_seconds()
        self._named = named
        self._process = os.getpid()
        self._idle: list[_Worker] = []

    def run(self, work: Callable[[], _Result]) -> _Result:
        """What `work` returned, or the exception it raised, from a thread of ours. Raises Busy."""
        if not self._turns.acquire(timeout=self._wait):
            raise Busy(detail=self._named)
        try:
            hand = self._hand()
            hand.take(work)
            result = hand.finished()
            self._idle.append(hand)  # not reached when the wait is interrupted: a hand at work is in nobody's way
        finally:
            self._turns.release()
        if isinstance(result, _Raised):
            raise result.error
        return cast("_Result", result)

    def _hand(self) -> _Worker:
        """The hand that was busy last: its memory is the warmest, and rarer peaks leave the others without any."""
        if self._process != os.getpid():  # a fork inherits the list, but no thread
            self._process, self._idle = os.getpid(), []
        with suppress(IndexError):
            return self._idle.pop()
        return _Worker(self._named)


class _Raised:
    """An exception on its way from a hand to whoever gave it the work."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Worker:
    """One thread, and the work it is given, piece by piece."""

    def __init__(self, named: str) -> None:
        self._given: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._done: SimpleQueue[object] = SimpleQueue()
        threading.Thread(target=self._work, name=named, daemon=True).start()

    def take(self, work: Callable[[], object]) -> None:
        """The thread begins."""
        self._given.put(work)

    def finished(self) -> object:
        """What came of it, once it is done."""
        return self._done.get()

    def _work(self) -> None:
        _lower_priority()
        while True:
            self._done.put(_outcome(self._given.get()))


def _outcome(work: Callable[[], object]) -> object:
    try:
        return work()
    except BaseException as error:  # noqa: BLE001 - it is raised again where the work was asked for
        return _Raised(error)


def _lower_priority() -> None:
    """This thread runs when no other thread wants the core. Only Linux has a priority for each thread."""
    if sys.platform == "linux":
        with suppress(OSError):
            ours = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(ours + _NICENESS, _LOWEST_PRIORITY))
