"""The outbox: every delivery to somebody outside is written here, in the transaction of the event that it announces.

`idp.delivery.worker` delivers it. Nothing is dropped: what nobody accepts stays visible.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from accounts.database import Connection, Json, Statement, UtcDateTime, metadata, microseconds, new_id
from accounts.identifiers import Mobile
from accounts.ports import ShortMessage
from accounts.vault import Vault

SEALED_MESSAGE = "outbox.sealed"

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("destination", sa.Text, nullable=False),  # a URI, or the name of a gateway; never a phone number
    sa.Column("client_id", sa.Text),
    sa.Column("payload", Json, nullable=False),  # what an operator may read
    sa.Column("sealed", sa.LargeBinary),  # what an operator may not read: phone and content of a message
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("next_attempt_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("delivered_at", UtcDateTime),
    sa.Column("failed_at", UtcDateTime),
    sa.Column("last_error", sa.Text),
    sa.CheckConstraint("kind IN ('backchannel_logout', 'sms')", name="kind"),
    sa.CheckConstraint("delivered_at IS NULL OR failed_at IS NULL", name="one_end"),
)
OPEN = outbox.c.delivered_at.is_(None) & outbox.c.failed_at.is_(None)
sa.Index(
    "ix_outbox_due",
    outbox.c.destination,
    outbox.c.next_attempt_at,
    sqlite_where=OPEN,
    postgresql_where=OPEN,
)
sa.Index("ix_outbox_client_id", outbox.c.client_id, outbox.c.created_at)

_INSERT = Statement(sa.insert(outbox))
_INSERT_IF = Statement(
    sa.insert(outbox).from_select(
        [column.key for column in outbox.columns],
        sa.select(*(sa.cast(sa.bindparam(each.key, type_=each.type), each.type) for each in outbox.columns)).where(
            sa.bindparam("really", type_=sa.Boolean)
        ),
    )
)
_BY_VOICE = "voice"  # a destination of its own: a provider of calls that hangs does not delay texts
_STATE = sa.select(
    outbox.c.id,
    outbox.c.kind,
    outbox.c.destination,
    outbox.c.client_id,
    outbox.c.created_at,
    outbox.c.next_attempt_at,
    outbox.c.attempts,
    outbox.c.delivered_at,
    outbox.c.failed_at,
    outbox.c.last_error,
)
_UNDELIVERED = Statement(
    _STATE.where(outbox.c.delivered_at.is_(None))
    .order_by(outbox.c.created_at)
    .limit(sa.bindparam("most", type_=sa.Integer))
)


def announce_logout(c: Connection, *, client_id: str, uri: str, sub: str | None, sid: str | None, now: datetime) -> str:
    """Queue a logout notice to `uri`, in the caller's transaction. Returns the id of the delivery."""
    return _enqueue(c, "backchannel_logout", uri, {"sub": sub, "sid": sid}, now=now, client_id=client_id)


def send_sms(
    c: Connection,
    vault: Vault,
    *,
    phone: Mobile,
    message: ShortMessage,
    now: datetime,
    until: datetime | None = None,
    by_voice: bool = False,
    really: bool = True,
) -> str:
    """Queue a message, in the caller's transaction. Phone and message are stored sealed; the template's name is not.

    After `until` it is of no use and is not sent. With `really` False nothing is queued, at the same cost: whoever asks
    for a code must not learn from the time whether one is sent.
    """
    content = {
        "phone": phone.canonical,
        "template": message.template,
        "language": message.language,
        "variables": message.variables,
        "text": message.text,
    }
    row_id, by = new_id(), "voice" if by_voice else "text"
    row = _row(row_id, "sms", _BY_VOICE if by_voice else "sms", {"by": by, "template": message.template}, now=now)
    row["payload"]["until"] = microseconds(until)
    row["sealed"] = vault.seal(orjson.dumps(content).decode(), place=SEALED_MESSAGE)
    c.execute(_INSERT_IF, really=really, **row)
    return row_id


def undelivered(c: Connection, most: int = 100) -> list[Any]:
    """Rows not delivered yet, oldest first, with those that failed (`failed_at`). Contains no personal data."""
    return c.rows(_UNDELIVERED, most=most)


def _enqueue(
    c: Connection,
    kind: str,
    destination: str,
    payload: Mapping[str, Any],
    *,
    now: datetime,
    client_id: str | None = None,
) -> str:
    row_id = new_id()
    c.execute(_INSERT, **_row(row_id, kind, destination, payload, now=now, client_id=client_id))
    return row_id


def _row(
    row_id: str,
    kind: str,
    destination: str,
    payload: Mapping[str, Any],
    *,
    now: datetime,
    client_id: str | None = None,
) -> dict[str, Any]:
    return {
        "id": row_id,
        "kind": kind,
        "destination": destination,
        "client_id": client_id,
        "payload": dict(payload),
        "sealed": None,
        "created_at": now,
        "next_attempt_at": now,
        "attempts": 0,
        "delivered_at": None,
        "failed_at": None,
        "last_error": None,
    }
