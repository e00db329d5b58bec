"""Notices to a person's verified phone about what happens to their account. Without a gateway nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from accounts.database import Connection
from accounts.identifiers import Mobile
from accounts.people import People
from accounts.ports import SmsGateway
from idp.delivery import outbox


class SandboxSetting(Protocol):
    """The setting that sends short messages to a page of ours."""

    @property
    def sandbox(self) -> bool:
        """Whether it does."""


class SystemsWithSms(Protocol):
    """The systems outside, of which this module knows one."""

    @property
    def sms(self) -> SmsGateway | None:
        """The gateway of short messages, if there is one."""


class NoticeContext(Protocol):
    """The parts of one process that a notice needs. `idp.services.Services` has them."""

    @property
    def people(self) -> People:
        """The register of persons."""

    @property
    def settings(self) -> SandboxSetting:
        """The settings."""

    @property
    def systems(self) -> SystemsWithSms:
        """The systems outside."""


def to_phone(
    context: NoticeContext, person_id: str, text: str, *, now: datetime, write: Callable[[], Connection]
) -> bool:
    """The message is on its way to the person's first verified phone. False without a gateway or such a phone.

    It is written through `write()`, the caller's transaction, which is opened only where there is something to write.
    """
    if context.systems.sms is None and not context.settings.sandbox:
        return False
    c = write()
    verified = [phone for phone in context.people.phones(c, person_id) if phone.verified_at is not None]
    if not verified:
        return False
    outbox.send_sms(c, context.people.vault, phone=Mobile.parse(verified[0].canonical), text=text, now=now)
    return True
