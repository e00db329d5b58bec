"""Runs one command tied to whoever started it: when its standard input closes, the command and its children end.

A supervisor that is killed cannot tell its children to stop, but its end of the pipe closes all the same; so nothing
of the demonstration outlives it and keeps a port taken.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

PATIENCE = 5.0


def main(command: list[str]) -> int:
    """The exit code of the command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the supervisor, which closes our input
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # so does the end of its terminal
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: end(process))
    threading.Thread(target=watch, args=(process,), daemon=True).start()
    return process.wait()


def watch(process: subprocess.Popen[bytes]) -> None:
    """The command is ended once our input is at its end."""
    while os.read(0, 1024):
        continue
    end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """The command and all it started are told to stop, and after a while made to."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(PATIENCE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
