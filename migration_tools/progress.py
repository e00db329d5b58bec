"""The progress of a run: a bar on a terminal, a line now and then elsewhere, always on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[[int], None]
Shown = Callable[[str, int | None], AbstractContextManager[Advance]]  # a title and how much there is, if known
_EVERY = 100_000


@contextmanager
def shown(console: Console, title: str, total: int | None) -> Iterator[Advance]:
    """Yields a function. Its argument is how much was done since the last call."""
    if not console.is_terminal:
        yield _plain(console, title, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda rows: bar.update(task, advance=rows)


def _plain(console: Console, title: str, total: int | None) -> Advance:
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        before, done = done, done + rows
        if done // _EVERY > before // _EVERY:
            console.print(f"{title}: {done:,}" + (f" of {total:,}" if total else ""), highlight=False)

    return advance
