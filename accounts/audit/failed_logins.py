"""Failed logins about nobody we know: kept for less than an hour, and never in the audit.

The audit records what happened to people and who did it, and is kept for ever. A guess at an invented name is about
nobody, and anybody may send as many as they like. It is written all the same, in the same durable way: a failure that
wrote nothing would answer sooner, and reveal who exists.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime, metadata, new_id

failed_logins = sa.Table(
    "failed_logins",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),  # a network address
    sa.Index("ix_failed_logins_at_id", "at", "id"),
)
_INSERT = Statement(sa.insert(failed_logins))


def record(c: Connection, *, channel: str, source: str, now: datetime) -> None:
    """Store one failed login. Retention purges it."""
    c.execute(_INSERT, id=new_id(), at=now, channel=channel, source=source)
