"""`yitong serve`: the settings are checked, and the server takes the place of this process.

It imports nothing that only other commands or the application need: a server should be there within a second.
"""

from __future__ import annotations

import os
import sys

import click

from idp import settings
from idp.cli.terminal import USAGE, CommandError

THREADS = "YITONG_SERVE_THREADS"  # idp.web.rsgi reads it; importing that here would import the application
_IDLE = 600  # seconds, the longest there is: a thread takes its database connection and prepared statements with it


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The port to listen at.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1), help="Requests at a time per worker.")
def serve(host: str, port: int, workers: int, threads: int) -> None:
    """Serve logins. Put nginx in front: a naked port is not for the internet."""
    chosen = settings.load()
    if workers > 1 and chosen.database_url.get_secret_value().startswith("sqlite"):
        raise CommandError(
            "one_worker_with_sqlite", "SQLite serves one process.", "Use --workers 1, or PostgreSQL.", USAGE
        )
    os.environ[THREADS] = str(threads)
    command = [sys.executable, "-m", "granian", f"--host={host}", f"--port={port}", f"--workers={workers}"]
    os.execv(sys.executable, [*command, *_interface(chosen, threads)])  # noqa: S606 - our own command


def _interface(chosen: settings.Settings, threads: int) -> tuple[str, ...]:
    """RSGI where a header with a hyphen is believed, for WSGI cannot tell it from a client's with an underscore.

    WSGI, which costs less, where no header is believed or one of a single word.
    """
    if chosen.proxies() and "-" in chosen.proxy_header:
        return "--interface=rsgi", "--factory", "--no-ws", "idp.web.rsgi:served"
    return (
        "--interface=wsgi",
        f"--blocking-threads={threads}",
        f"--blocking-threads-idle-timeout={_IDLE}",
        "wsgi:application",
    )
