"""Who is worked for at a time: each class of requests has places of its own, so that none can take another's.

A request waits for its place on a thread that does nothing else; threads are many and cheap, places are few, for each
may hold a database connection and all share one interpreter. Where too many wait already, a request is refused at once.
Bodies are read before a place is taken, and a login gives its place back while its password check waits or runs:
what a stranger can make slow holds no place. What is answered from memory asks for none.
docs/decisions/0042-places-for-each-class-of-requests.md says why, and what was measured.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Any

from accounts.credentials.bulkhead import Turns
from accounts.errors import Busy
from idp.settings import SERVER_THREADS

PATIENCE = timedelta(seconds=2)  # a place comes free within milliseconds, or something is wrong
OF_PAGES = timedelta(seconds=5)  # people come in crowds
_AS_LONG_AS_IT_TAKES = timedelta(minutes=1)
BODIES = 192  # being read at a time: more senders than that who stall keep other bodies out, and nothing else
WAITING = 64  # for a place in one lane; and as many more who are known here


class Lane:
    """The places of one class of requests. Safe to share by threads."""

    def __init__(
        self,
        places: int,
        *,
        waiting: int = WAITING,
        patience: timedelta = PATIENCE,
        leaving: Callable[[], object] = lambda: None,
    ) -> None:
        """So many at a time; `waiting` may wait for `patience`, and as many of those that are known, who go first.

        `leaving` is called in the thread that gives its place up, before somebody else has it.
        """
        self._places = Turns(places, most_waiting=waiting)
        self._patience = patience
        self._leaving = leaving

    def enter(self, is_known: Callable[[], bool] = lambda: False) -> None:
        """This thread has a place. Raises Busy when too many wait, or none comes free in time.

        `is_known` is asked only where it has to wait: whether it goes first.
        """
        if not self._places.take() and not self._places.wait(self._patience, first=is_known()):
            raise Busy(detail="no place came free")
        _mine.lane = self

    def leave(self) -> None:
        """Somebody else may have this thread's place."""
        _mine.lane = None
        self._leaving()
        self._places.give_back()

    def come_back(self) -> None:
        """This thread has a place again: nobody is sent away whose work is half done."""
        while not self._places.take() and not self._places.wait(_AS_LONG_AS_IT_TAKES, first=True, most=SERVER_THREADS):
            continue
        _mine.lane = self


_mine: Any = threading.local()


@contextmanager
def aside() -> Iterator[None]:
    """Inside, this thread holds no place, and no connection that it would give up with it; outside it does again.

    A connection in hand before is somebody else's afterwards: ask the database again.
    """
    lane: Lane | None = getattr(_mine, "lane", None)
    if lane is None:
        yield
        return
    lane.leave()
    try:
        yield
    finally:
        lane.come_back()


class Readers:
    """Bounds how many bodies are read at a time: one that never arrives holds its thread for as long as it likes."""

    def __init__(self, most: int = BODIES) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(most):
            self._free.put(None)

    def read(self, body: Any, size: int) -> bytes:
        """At most `size` bytes of the body. Raises Busy when too many are being read."""
        try:
            self._free.get_nowait()
        except Empty:
            raise Busy(detail="too many bodies are on their way") from None
        try:
            found: bytes = body.read(size)
            return found
        finally:
            self._free.put(None)
