"""The bulkhead of costly checks: one thread for each check that may run at a time, and nothing else runs on it.

docs/decisions/0031-password-checks-have-their-own-threads.md has the reason. A thread that always does the same work
reuses the memory of its last check instead of asking the system for 19 MiB of new pages, and it can have a lower
priority than the threads that answer other requests.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from queue import SimpleQueue
from typing import TypeVar, cast

from accounts.errors import Busy

_Result = TypeVar("_Result")
_NICENESS = 10  # about a tenth of a busy core, all of an idle one
_LOWEST_PRIORITY = 19
MOST_WAITING = 96
KNOWN_WAIT = timedelta(seconds=10)
Aside = Callable[[], AbstractContextManager[None]]


def _stranger() -> bool:
    return False


class Bulkhead:
    """Runs `concurrent` checks at a time. Threads may share it, and it works in a process forked from this one."""

    def __init__(self, concurrent: int, wait: timedelta, *, named: str, aside: Aside = nullcontext) -> None:
        """A call waits up to `wait` for its turn, then raises Busy. `named` is its purpose, for errors.

        The calling thread waits for its turn and for the result inside `aside()`, where it gives up what others need.
        """
        self._turns = TurnQueue(concurrent)
        self._wait = wait
        self._aside = aside
        self._named = named
        self._process = os.getpid()
        self._idle: list[_Worker] = []

    def is_crowded(self) -> bool:
        """True if a stranger's call would be refused at once."""
        return self._turns.is_crowded()

    def run(self, work: Callable[[], _Result], *, priority: Callable[[], bool] = _stranger) -> _Result:
        """The result of `work`, run on one of our threads. Raises what `work` raises, or Busy.

        If no turn is free, `priority` is asked. A call with priority goes before those without, and waits longer. It is
        asked before this thread steps aside.
        """
        at_once = self._turns.take()
        first = not at_once and priority()
        with self._aside():
            if not at_once and not self._turns.wait(max(self._wait, KNOWN_WAIT) if first else self._wait, first=first):
                raise Busy(detail=self._named)
            return self._run(work)

    def _run(self, work: Callable[[], _Result]) -> _Result:
        """The same for a call that has its turn."""
        try:
            hand = self._hand()
            hand.take(work)
            result = hand.finished()
            self._idle.append(hand)  # not reached when the wait is interrupted: a busy worker is not reused
        finally:
            self._turns.give_back()
        if isinstance(result, _Raised):
            raise result.error
        return cast("_Result", result)

    def _hand(self) -> _Worker:
        """The worker that was busy last, because its memory is the warmest. At a peak a new worker is started."""
        if self._process != os.getpid():  # a forked process inherits the list, but no thread
            self._process, self._idle = os.getpid(), []
        with suppress(IndexError):
            return self._idle.pop()
        return _Worker(self._named)


class TurnQueue:
    """Who may run: a fixed number at a time. The others wait in order, those with priority before all others."""

    def __init__(self, concurrent: int, *, most_waiting: int = MOST_WAITING) -> None:
        """At most `most_waiting` may wait with priority, and as many without."""
        self._lock = threading.Lock()
        self._free = concurrent
        self._first: deque[threading.Lock] = deque()
        self._others: deque[threading.Lock] = deque()
        self._most = most_waiting

    def take(self) -> bool:
        """True if a turn was free, and the caller has it. A turn is free only when nobody waits."""
        with self._lock:
            taken = self._free > 0
            self._free -= taken
        return taken

    def wait(self, timeout: timedelta, *, first: bool, most: int | None = None) -> bool:
        """True if the caller got a turn in time. False at once if too many (or `most`) wait already."""
        queue, mine = self._first if first else self._others, threading.Lock()
        mine.acquire()
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return True
            if len(queue) >= (self._most if most is None else most):
                return False
            queue.append(mine)
        if mine.acquire(timeout=timeout.total_seconds()):
            return True
        with self._lock:
            if mine not in queue:
                return True  # the turn came at this moment
            queue.remove(mine)
        return False

    def give_back(self) -> None:
        """Give the turn to the next who waits, or free it."""
        with self._lock:
            queue = self._first or self._others
            if queue:
                queue.popleft().release()
            else:
                self._free += 1

    def is_crowded(self) -> bool:
        """True if nobody more may wait, except with priority."""
        return len(self._others) >= self._most


class _Raised:
    """An exception on its way from the worker to the thread that gave it the work."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Worker:
    """One thread, and the pieces of work it is given, one by one."""

    def __init__(self, named: str) -> None:
        self._given: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._done: SimpleQueue[object] = SimpleQueue()
        threading.Thread(target=self._work, name=named, daemon=True).start()

    def take(self, work: Callable[[], object]) -> None:
        """Start the work on the thread."""
        self._given.put(work)

    def finished(self) -> object:
        """Wait for the work and return its result, or a _Raised."""
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
