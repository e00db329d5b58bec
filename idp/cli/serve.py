"""`yitong serve`: checks the settings, then replaces this process with the server.

It imports nothing that only other commands or the application need, so that a server starts within a second. Requests
wait for their places on threads of the server (`idp.web.admission`), so it has many more threads than places.
"""

from __future__ import annotations

import os
import sys

import click

from idp import settings
from idp.cli.terminal import USAGE, CommandError
from idp.settings import SERVER_THREADS

_IDLE = 30  # seconds: threads start with a crowd and end after it, and hold no database connection
_HEADS = 10_000  # milliseconds within which the head of a request must arrive


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The port to listen at.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Requests worked on at a time per worker, of each class; by default YITONG_CONCURRENT_REQUESTS.",
)
def serve(host: str, port: int, workers: int, threads: int | None) -> None:
    """Serve logins. Put nginx in front: a naked port is not for the internet."""
    chosen = settings.load()
    if workers > 1 and chosen.database_url.get_secret_value().startswith("sqlite"):
        raise CommandError(
            "one_worker_with_sqlite", "SQLite serves one process.", "Use --workers 1, or PostgreSQL.", USAGE
        )
    if threads is not None:
        os.environ["YITONG_CONCURRENT_REQUESTS"] = str(threads)
    options = {
        "host": host,
        "port": port,
        "workers": workers,
        "http": "1",  # one request at a time on a connection: with HTTP/2 a slow sender would hold up many streams
        "http1-header-read-timeout": _HEADS,
    }
    command = [sys.executable, "-m", "granian", *(f"--{name}={value}" for name, value in options.items())]
    os.execv(sys.executable, [*command, *_interface(chosen)])  # noqa: S606 - our own command


def _interface(chosen: settings.Settings) -> tuple[str, ...]:
    """RSGI if a trusted proxy sends a header with a hyphen, else WSGI.

    WSGI cannot tell that header from a client's header with an underscore. It costs less than RSGI, and it is safe
    where no header is trusted or the trusted one has no hyphen.
    """
    if chosen.proxies() and "-" in chosen.proxy_header:
        return "--interface=rsgi", "--factory", "--no-ws", "idp.web.rsgi:served"
    return (
        "--interface=wsgi",
        f"--blocking-threads={SERVER_THREADS}",
        f"--blocking-threads-idle-timeout={_IDLE}",
        "wsgi:application",
    )
