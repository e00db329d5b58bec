"""A stream in batches of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_batches(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` things, in order; the last may be shorter."""
    stream = iter(things)
    while piece := list(islice(stream, size)):
        yield piece
