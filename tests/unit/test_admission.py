"""Places for each class of requests: who waits, who goes first, and who is sent away at once."""

import threading
from datetime import timedelta
from io import BytesIO

import pytest

from accounts.errors import Busy
from idp.web.admission import BodyReaders, Lane, aside

SHORTLY = timedelta(milliseconds=20)
LONG = timedelta(seconds=20)


def until(is_so):
    """Waits for it; AssertionError after five seconds."""
    for _ in range(500):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError


def test_who_finds_no_place_waits_and_is_told():
    """A place that does not come free in time is answered with Busy, and is free again for the next."""
    lane = Lane(1, patience=SHORTLY)
    lane.enter()
    with pytest.raises(Busy):
        lane.enter()
    lane.leave()
    lane.enter()


def test_too_many_are_sent_away_at_once_and_the_others_come_in_order():
    """Nobody overtakes: what a browser sends to look known can be forged before the login verifies it."""
    lane, came = Lane(1, waiting=2, patience=LONG), []

    def visit(name):
        lane.enter()
        came.append(name)
        lane.leave()

    lane.enter()
    visitors = []
    for place, name in enumerate(("first", "second"), 1):
        visitors.append(threading.Thread(target=visit, args=(name,)))
        visitors[-1].start()
        until(lambda place=place: len(lane._places._others) == place)
    with pytest.raises(Busy):
        lane.enter()
    lane.leave()
    for visitor in visitors:
        visitor.join(10)
    assert came == ["first", "second"]


def test_aside_holds_no_place_and_comes_back():
    """While one steps aside another may work; what is left with the place is left before the other has it."""
    left = []
    lane = Lane(1, patience=SHORTLY, leaving=lambda: left.append(threading.get_ident()))
    lane.enter()
    with aside():
        assert left == [threading.get_ident()]
        lane.enter()
        lane.leave()
    with pytest.raises(Busy):
        lane.enter()
    lane.leave()
    with aside():
        lane.enter()
        lane.leave()


def test_so_many_bodies_are_read_at_a_time():
    """A body too many is refused at once; one that was read, or broke off, makes room."""
    readers, started, go_on = BodyReaders(1), threading.Event(), threading.Event()

    class Stalled:
        def read(self, _):
            started.set()
            go_on.wait(10)
            raise ConnectionResetError

    def read():
        with pytest.raises(ConnectionResetError):
            readers.read(Stalled(), 1)

    stalled = threading.Thread(target=read)
    stalled.start()
    started.wait(10)
    with pytest.raises(Busy):
        readers.read(BytesIO(b"abc"), 3)
    go_on.set()
    stalled.join(10)
    assert readers.read(BytesIO(b"abc"), 3) == b"abc"
