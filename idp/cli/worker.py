"""The worker beside the server: it delivers, seals and purges in the background."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import click

from accounts import audit
from accounts.errors import Conflict, Unavailable
from accounts.ports import SmsGateway
from idp import logs
from idp.adapters.systems.sandbox import SandboxSms
from idp.adapters.systems.sms_gateway import gateway_of
from idp.cli.context import CommandContext, command_context
from idp.delivery.fetcher import EVERYWHERE, Fetcher
from idp.delivery.messages import MESSAGE_TEMPLATES
from idp.delivery.worker import DeliveryChannels, LogoutNotice, Worker
from idp.jobs import closures, retention
from idp.services import Services, require_own_keys

_SEAL_EVERY = 10.0


@click.command()
@click.option("--poll", default=0.2, show_default=True, type=click.FloatRange(0.01, 60), help="Seconds between looks.")
@command_context
def worker(context: CommandContext, poll: float) -> None:
    """Deliver logout notices and messages, chain the audit, close accounts, remove what has served its time."""
    logs.to_standard_error()
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    services = context.services
    require_own_keys(services)
    outlets = delivery_channels(services)  # before the threads: a gateway's file that cannot be used ends the start
    beside = (
        threading.Thread(target=_seal_until, args=(services, stop), name="audit"),
        threading.Thread(target=retention.run, args=(services.database, services.clock, stop), name="retention"),
        threading.Thread(
            target=closures.run, args=(services.database, services.people, services.clock, stop), name="closures"
        ),
    )
    for thread in beside:
        thread.start()
    with closing(services.database), closing(Worker(services.database, outlets)) as deliverer:
        deliverer.run(services.clock, stop, poll=timedelta(seconds=poll))
    for thread in beside:
        thread.join()


def delivery_channels(services: Services) -> DeliveryChannels:
    """Everything through which this process delivers. Raises SandboxInProduction and GatewayMisconfigured."""
    return DeliveryChannels(
        fetcher=Fetcher(allowed_private=EVERYWHERE if services.settings.allow_private_destinations else ()),
        vault=services.vault,
        sms=_sms_gateway(services),
        logout_token=_logout_token(services),
    )


def _sms_gateway(services: Services) -> SmsGateway | None:
    """The sandbox of a demonstration, the gateway of the operator's file, or None."""
    chosen = services.settings
    if chosen.sandbox:
        return SandboxSms(services.database, services.vault, services.clock, environment=chosen.environment)
    if not chosen.sms_gateway:
        return None
    return gateway_of(
        Path(chosen.sms_gateway),
        lambda origins: Fetcher(allowed_private=origins),
        services.clock,
        texts=[template.name for template in MESSAGE_TEMPLATES],
        spoken=[template.name for template in MESSAGE_TEMPLATES if template.spoken and chosen.sms_voice],
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
