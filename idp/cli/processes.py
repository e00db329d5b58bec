"""The processes of a deployment: the server, and the worker beside it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta

import click

from accounts import audit
from accounts.errors import Conflict, Unavailable
from idp import housekeeping
from idp.adapters.systems.sandbox import SandboxSms
from idp.cli.terminal import MISUSED, House, Told, house
from idp.fetcher import EVERYWHERE, Fetcher
from idp.outbox import LogoutNotice, Outlets, Worker
from idp.services import Services

_SEAL_EVERY = 10.0


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="The port to listen at.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1), help="Requests at a time per worker.")
@house
def serve(here: House, host: str, port: int, workers: int, threads: int) -> None:
    """Serve logins. Put nginx in front: a naked port is not for the internet."""
    if workers > 1 and here.services.database.dialect == "sqlite":
        raise Told("one_worker_with_sqlite", "SQLite serves one process.", "Use --workers 1, or PostgreSQL.", MISUSED)
    chosen = {"host": host, "port": port, "workers": workers, "blocking-threads": threads, "interface": "wsgi"}
    options = [f"--{name}={value}" for name, value in chosen.items()]
    # In place of this process: a server has no use for what only commands import, and each worker would carry it.
    command = [sys.executable, "-m", "granian", *options, "wsgi:application"]
    os.execv(sys.executable, command)  # noqa: S606 - our own command


@click.command()
@click.option("--poll", default=0.2, show_default=True, type=click.FloatRange(0.01, 60), help="Seconds between looks.")
@house
def worker(here: House, poll: float) -> None:
    """Deliver logout notices and messages, chain the audit trail and remove what has served its time, until stopped."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("idp").setLevel(logging.INFO)  # our own; libraries tell of trouble only
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    services = here.services
    beside = (
        threading.Thread(target=_seal_until, args=(services, stop), name="audit"),
        threading.Thread(target=housekeeping.run, args=(services.database, services.clock, stop), name="housekeeping"),
    )
    for thread in beside:
        thread.start()
    with closing(services.database), closing(Worker(services.database, outlets(services))) as deliverer:
        deliverer.run(services.clock, stop, poll=timedelta(seconds=poll))
    for thread in beside:
        thread.join()


def outlets(services: Services) -> Outlets:
    """Everything this process delivers through. Raises SandboxInProduction."""
    chosen = services.settings
    sandbox = (services.database, services.vault, services.clock)
    return Outlets(
        fetcher=Fetcher(allowed_private=EVERYWHERE if chosen.allow_private_destinations else ()),
        vault=services.vault,
        sms=SandboxSms(*sandbox, environment=chosen.environment) if chosen.sandbox else None,
        logout_token=_logout_token(services),
    )


def _logout_token(services: Services) -> Callable[[LogoutNotice, datetime], str]:
    def mint(notice: LogoutNotice, now: datetime) -> str:
        client = services.clients.get(notice.client_id)
        alg = client.id_token_signed_response_alg if client else "ES256"
        tokens = services.provider.tokens
        return tokens.logout_token(notice.client_id, now, alg=alg, jti=notice.jti, sub=notice.sub, sid=notice.sid)

    return mint


def _seal_until(services: Services, stop: threading.Event) -> None:
    with closing(services.database):
        while not stop.wait(_SEAL_EVERY):
            try:
                while _seal_batch(services):
                    continue
            except (Conflict, Unavailable) as later:
                logging.getLogger(__name__).warning("audit_not_sealed code=%s", later.code)


def _seal_batch(services: Services) -> int:
    with services.database.transaction() as c:
        return audit.seal(c, services.vault, now=services.clock())
