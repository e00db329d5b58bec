"""An SMS gateway for demonstrations: it keeps messages and calls for a page and sends none. Never in production."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import orjson
import sqlalchemy as sa

from accounts.database import Connection, Database, Statement, UtcDateTime, metadata, new_id
from accounts.errors import AccountsError
from accounts.identifiers import Mobile
from accounts.ports import ShortMessage
from accounts.vault import Vault

PLACE = "sandbox_messages.sealed"

sandbox_messages = sa.Table(
    "sandbox_messages",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # phone and text
    sa.Column("created_at", UtcDateTime, nullable=False, index=True),
)
_INSERT = Statement(sa.insert(sandbox_messages))
_NEWEST = Statement(
    sa.select(sandbox_messages)
    .order_by(sandbox_messages.c.created_at.desc())
    .limit(sa.bindparam("most", type_=sa.Integer))
)


class SandboxInProduction(AccountsError):
    """The sandbox was requested in production. It would show messages to visitors instead of sending them."""

    code = "sandbox_in_production"


@dataclass(frozen=True, slots=True)
class Message:
    """One message that would have been sent; the phone is masked."""

    phone: str
    text: str = field(repr=False)
    at: datetime
    is_call: bool = False


class SandboxSms:
    """An `accounts.ports.SmsGateway` that keeps messages. Raises SandboxInProduction when created in production."""

    def __init__(self, database: Database, vault: Vault, clock: Callable[[], datetime], *, environment: str) -> None:
        if environment == "production":
            raise SandboxInProduction
        self._database = database
        self._vault = vault
        self._clock = clock

    def send(self, phone: Mobile, message: ShortMessage) -> str:
        """The message is on the sandbox page. Returns its id."""
        return self._kept(phone, message, is_call=False)

    def call(self, phone: Mobile, message: ShortMessage) -> str:
        """The words of the call are on the sandbox page. Returns their id."""
        return self._kept(phone, message, is_call=True)

    def _kept(self, phone: Mobile, message: ShortMessage, *, is_call: bool) -> str:
        message_id = new_id()
        sealed = self._vault.seal(orjson.dumps([phone.masked, message.text, is_call]).decode(), place=PLACE)
        self._database.connection().execute(_INSERT, id=message_id, sealed=sealed, created_at=self._clock())
        return message_id


def newest(c: Connection, vault: Vault, most: int = 50) -> list[Message]:
    """The newest messages, newest first."""
    return [_opened(vault, row.sealed, row.created_at) for row in c.rows(_NEWEST, most=most)]


def _opened(vault: Vault, sealed: bytes, at: datetime) -> Message:
    phone, text, *rest = orjson.loads(vault.open(sealed, place=PLACE))  # an older row has no third part
    return Message(phone, text, at, is_call=bool(rest and rest[0]))
