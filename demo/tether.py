"""Runs one command tied to whoever started it: when its standard input closes, the command and its children end.

A supervisor that is killed cannot tell its children to stop, but its end of the pipe closes all the same; so nothing
of the demonstration outlives it and keeps a port taken. Start it as the leader of a session: its process group is
then this command's alone, and whoever finds the tether itself killed ends the rest by that group.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

PATIENCE = 5.0


def main(command: list[str]) -> None:
    """The command and all it started have ended: by themselves, by a kill, by the end of our input, or by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the supervisor, which closes our input
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # so does the end of its terminal
    woken = wake_on(signal.SIGTERM, signal.SIGCHLD)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    select.select([0, woken], [], [])
    end(process)


def wake_on(*signals: signal.Signals) -> int:
    """A descriptor that can be read once one of the signals came; none of them ends us."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for name in signals:
        signal.signal(name, lambda *_: None)
    return woken


def end(process: subprocess.Popen[bytes]) -> None:
    """The whole group is told to stop, and after a while made to: the command, whatever it left behind, and we."""
    os.killpg(0, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
