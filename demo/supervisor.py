"""Runs one command that ends with its supervisor: when standard input closes, the command and its children end.

A killed supervisor cannot tell its children to stop, but its end of the pipe closes in any case. So no process of the
demonstration outlives it and keeps a port. Start it as the leader of a session: its process group then has only this
command, and can be killed as a whole if the supervisor itself was killed.
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
    """Run the command until it ends, standard input closes, or SIGTERM comes. Then end its whole process group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor gets Ctrl-C and closes our input
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the same when its terminal ends
    woken = wake_on(signal.SIGTERM, signal.SIGCHLD)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    select.select([0, woken], [], [])
    end(process)


def wake_on(*signals: signal.Signals) -> int:
    """A descriptor that becomes readable after one of the signals. None of them ends this process."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for name in signals:
        signal.signal(name, lambda *_: None)
    return woken


def end(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM to the whole group and, after a while, SIGKILL: the command, its children and this process."""
    os.killpg(0, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
