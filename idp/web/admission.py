"""Admission: how many requests of each class run at a time. No class can take the places of another.

A request waits for its place on a thread that does nothing else: threads are many and cheap. Places are few, because
each may hold a database connection and all share one interpreter. When too many requests wait already, the next one is
refused at once. A body is read before a place is taken, and a login gives its place back while its password check waits
or runs. So nothing that a stranger can make slow holds a place. What is answered from memory needs no place.
docs/decisions/0042-places-for-each-class-of-requests.md has the reasons and the measurements.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Any

from accounts.credentials.bulkhead import TurnQueue
from accounts.errors import Busy
from idp.settings import SERVER_THREADS

PATIENCE = timedelta(seconds=2)  # a place is free within milliseconds, or something is wrong
OF_PAGES = timedelta(seconds=5)  # many people come at the same time
_AS_LONG_AS_IT_TAKES = timedelta(minutes=1)
BODIES = 192  # read at a time; if as many senders stall, other bodies are refused, but nothing else
WAITING = 64  # for a place in one lane


class Lane:
    """The places of one class of requests. Threads may share it."""

    def __init__(
        self,
        places: int,
        *,
        waiting: int = WAITING,
        patience: timedelta = PATIENCE,
        leaving: Callable[[], object] = lambda: None,
    ) -> None:
        """`places` requests run at a time. `waiting` more may wait for `patience`.

        `leaving` is called in the thread that gives its place up, before another thread gets the place.
        """
        self._places = TurnQueue(places, most_waiting=waiting)
        self._patience = patience
        self._leaving = leaving

    def enter(self) -> None:
        """This thread has a place. Raises Busy when too many wait, or when no place is free in time.

        Nobody goes first but a thread that returns to half-done work: before the login reads it, anybody can forge what
        would show that a browser is known, and a flood of forged cookies would take every place.
        """
        if not self._places.take() and not self._places.wait(self._patience, first=False):
            raise Busy(detail="no place came free")
        _mine.lane = self

    def leave(self) -> None:
        """Another thread may have this thread's place."""
        _mine.lane = None
        self._leaving()
        self._places.give_back()

    def reenter(self) -> None:
        """This thread has a place again. It is never refused, because its work is half done."""
        while not self._places.take() and not self._places.wait(_AS_LONG_AS_IT_TAKES, first=True, most=SERVER_THREADS):
            continue
        _mine.lane = self


_mine: Any = threading.local()


@contextmanager
def aside() -> Iterator[None]:
    """Inside, this thread holds no place and no connection that belongs to its place. Afterwards it has a place again.

    A connection from before may then belong to another thread: ask the database for one again.
    """
    lane: Lane | None = getattr(_mine, "lane", None)
    if lane is None:
        yield
        return
    lane.leave()
    try:
        yield
    finally:
        lane.reenter()


class BodyReaders:
    """Limits how many bodies are read at a time. A body that never arrives holds its thread without limit."""

    def __init__(self, most: int = BODIES) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(most):
            self._free.put(None)

    def read(self, body: Any, size: int) -> bytes:
        """At most `size` bytes of the body. Raises Busy when too many bodies are being read."""
        try:
            self._free.get_nowait()
        except Empty:
            raise Busy(detail="too many bodies are on their way") from None
        try:
            found: bytes = body.read(size)
            return found
        finally:
            self._free.put(None)
