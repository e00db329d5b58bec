"""Limits on what strangers can make us ask or send: calls of a registry, and text messages before an account exists.

Each call counts in every one of its counters or is refused. No counter can keep a person out for longer than WINDOW,
and none touches a login. The number alone has a high ceiling, and a low one for each network, so that somebody who
knows a number and calls from one place does not use up its holder's calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_with_conflict

from accounts.credentials.network_address import networks
from accounts.database import Connection, Statement, UtcDateTime, metadata
from accounts.errors import Throttled
from accounts.identifiers import Identifier
from accounts.vault import Vault

WINDOW = timedelta(minutes=45)  # what strangers leave is gone within the hour

call_counters = sa.Table(
    "call_counters",
    metadata,
    sa.Column("counter", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),  # a network, or a keyed digest of a number
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Index("ix_call_counters_expires_at_counter_subject", "expires_at", "counter", "subject"),
)
_t = call_counters.c
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)
_over = _t.expires_at <= _now
_insert = insert_with_conflict(call_counters).values(
    counter=sa.bindparam("of_counter"),
    subject=sa.bindparam("of_subject"),
    calls=1,
    expires_at=sa.bindparam("ends", type_=UtcDateTime),
)
_COUNT = Statement(
    _insert.on_conflict_do_update(
        index_elements=["counter", "subject"],
        set_={
            "calls": sa.case((_over, 1), else_=_t.calls + 1),
            "expires_at": sa.case((_over, _insert.excluded.expires_at), else_=_t.expires_at),
        },
        where=sa.or_(_over, _t.calls < sa.bindparam("ceiling", type_=sa.Integer)),
    ).returning(_t.calls)
)
_OPENS = Statement(
    sa.select(_t.expires_at).where(_t.counter == sa.bindparam("of_counter"), _t.subject == sa.bindparam("of_subject"))
)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The ceilings within WINDOW. A network is an IPv4 address or an IPv6 /48: a school or a carrier is behind one."""

    from_network: int = 200
    number_from_network: int = 5
    number: int = 40
    everywhere: int = 20_000


def count(
    c: Connection, vault: Vault, kind: str, about: Identifier, *, source: str, now: datetime, limits: CallLimits
) -> None:
    """The call is counted. Raises Throttled, with the time to wait, if one counter is full; then do not call.

    `kind` names what is called; each kind has counters of its own. The city's counter comes last, so that refused calls
    do not fill it. Call it where the count outlives the failure of what follows.
    """
    _, network = networks(source)
    number = vault.pepper(about.canonical.encode(), purpose=f"calls:{kind}").hex()
    _count_all(
        c,
        (
            (f"{kind}:network", network, limits.from_network),
            (f"{kind}:pair", f"{number}@{network}", limits.number_from_network),
            (f"{kind}:number", number, limits.number),
            (f"{kind}:city", "", limits.everywhere),
        ),
        now,
    )


def count_from(c: Connection, kind: str, *, source: str, now: datetime, limits: CallLimits) -> None:
    """The same for a call about nobody yet: it counts for its network and for the city."""
    _, network = networks(source)
    _count_all(c, ((f"{kind}:network", network, limits.from_network), (f"{kind}:city", "", limits.everywhere)), now)


def _count_all(c: Connection, counters: Iterable[tuple[str, str, int]], now: datetime) -> None:
    for counter, subject, ceiling in counters:
        key = {"of_counter": counter, "of_subject": subject}
        if not c.rows(_COUNT, **key, ceiling=ceiling, now=now, ends=now + WINDOW):
            row = c.one(_OPENS, **key)
            raise Throttled(max(row.expires_at - now, timedelta(seconds=1)) if row else WINDOW)


OVER = _t.expires_at <= sa.bindparam("before", type_=UtcDateTime)
