"""Notices to a person's verified phone about what happens to their account. Without a gateway nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from accounts.database import Connection
from accounts.identifiers import Mobile
from accounts.identifiers.names import masked_name
from accounts.people import People
from idp.delivery import outbox
from idp.delivery.messages import short_message
from idp.i18n.labels import HELP_LINE

SERVICE = "一通"


class NoticeContext(Protocol):
    """The parts of one process that a notice needs. `idp.services.Services` has them."""

    @property
    def people(self) -> People:
        """The register of persons."""

    @property
    def sends_messages(self) -> bool:
        """Whether this deployment delivers messages to phones."""


def to_phone(
    context: NoticeContext,
    person_id: str,
    template: str,
    *,
    now: datetime,
    write: Callable[[], Connection],
    **variables: str,
) -> bool:
    """The message of that template is on its way to the person's first verified phone.

    False without a gateway or such a phone.

    It is written through `write()`, the caller's transaction, which is opened only where there is something to write.
    """
    if not context.sends_messages:
        return False
    c = write()
    verified = [phone for phone in context.people.phones(c, person_id) if phone.verified_at is not None]
    if not verified:
        return False
    message = short_message(template, "zh-CN", **variables)
    outbox.send_sms(c, context.people.vault, phone=Mobile(verified[0].canonical), message=message, now=now)
    return True


def to_all_phones(
    context: NoticeContext, c: Connection, person_id: str, template: str, *, now: datetime, **variables: str
) -> int:
    """The message is on its way to every verified phone of the person, who is named in it, masked.

    Returns how many; 0 without a gateway. Written in the caller's transaction.
    """
    person = context.people.by_id(c, person_id) if context.sends_messages else None
    if person is None:
        return 0
    name = masked_name(context.people.attributes(person.attributes).name)
    message = short_message(template, "zh-CN", person=name, service=SERVICE, **variables)
    verified = [phone for phone in context.people.phones(c, person_id) if phone.verified_at is not None]
    for phone in verified:
        outbox.send_sms(c, context.people.vault, phone=Mobile(phone.canonical), message=message, now=now)
    return len(verified)


def sign_in_changed(context: NoticeContext, c: Connection, person_id: str, *, now: datetime) -> int:
    """The person is told that a way to sign in was added or removed: somebody else could have done it."""
    return to_all_phones(context, c, person_id, "sign_in_changed", now=now, help_line=HELP_LINE)


def phone_moved(context: NoticeContext, c: Connection, person_id: str, phone: Mobile, *, now: datetime) -> int:
    """The person who lost this phone to another one is told on every phone that is left. Returns how many."""
    return to_all_phones(context, c, person_id, "phone_removed", now=now, phone=phone.masked_own, help_line=HELP_LINE)
