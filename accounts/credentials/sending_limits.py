"""How many codes are sent: by person, phone, source network, day, and in the whole city. Counted in the database.

Two kinds of limits. What a network or the city has used up refuses everybody alike (SendingPaused). What one person or
phone has used up is quiet: nothing is sent, and the answer stays the same, because a refusal would say that the phone
is known. A request about nobody counts at its network, and in rows that all such requests share, so that it writes as
much as any other and leaves nothing that grows.

A browser where the person signed in before has counters of its own, so nobody who knows a person's phone and number
can use up the codes of that browser. One statement counts in all counters or in none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_with_conflict

from accounts.credentials.network_address import networks
from accounts.database import Connection, Statement, UtcDateTime, metadata
from accounts.errors import SendingPaused

_HOUR, _DAY = timedelta(minutes=45), timedelta(days=1)  # three quarters: what strangers leave is gone within the hour
_BUSIEST = 6  # a sixth of a day's budget in any hour
_CITY, _NOBODY = "city", "nobody"
_ENDLESS = 2**31 - 1

sending_counters = sa.Table(
    "sending_counters",
    metadata,
    sa.Column("counter", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),  # a network, a person, a keyed digest of a phone, or the city
    sa.Column("sent", sa.Integer, nullable=False),
    sa.Column("ceiling", sa.Integer, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Index("ix_sending_counters_expires_at_counter_subject", "expires_at", "counter", "subject"),
)
_t = sending_counters.c
_now = sa.cast(sa.bindparam("now", type_=UtcDateTime), UtcDateTime)
OVER = _t.expires_at < sa.bindparam("before", type_=UtcDateTime)


@dataclass(frozen=True, slots=True)
class SendingCeilings:
    """Codes within a window that starts with its first one: three quarters of an hour, or a day."""

    source_hour: int = 100
    site_hour: int = 400
    phone_hour: int = 5
    phone_day: int = 10
    person_hour: int = 5
    person_day: int = 10


_HARD = ("source_hour", "site_hour")
_CITYS = ("city_hour", "city_day")
_QUIET = ("phone_hour", "phone_day", "person_hour", "person_day", *_CITYS)


def _given(name: str, kind: Any) -> Any:
    return sa.cast(sa.bindparam(name, type_=kind), kind)


def _is_full(name: str, subject: Any, ceiling: Any) -> Any:
    other = sending_counters.alias()
    this = (other.c.counter == name, other.c.subject == subject)
    return sa.exists().where(*this, other.c.sent >= ceiling, other.c.expires_at > _now)


def _is_full_here(name: str) -> Any:
    """A condition that is true if this counter is full for who asks."""
    return _is_full(name, _given(f"{name}_subject", sa.Text), _given(f"{name}_ceiling", sa.Integer))


def _state() -> sa.CTE:
    """Read once for all rows. `is_open`: neither this network nor the city is full, which is asked for nobody, too.

    `is_free`: nothing of this person and phone is full.
    """
    citys = [_is_full(name, sa.literal(_CITY, sa.Text), _given(f"{name}_budget", sa.Integer)) for name in _CITYS]
    is_open = ~sa.or_(*map(_is_full_here, _HARD), *citys)
    is_free = ~sa.or_(*map(_is_full_here, _QUIET))
    return sa.select(is_open.label("is_open"), is_free.label("is_free")).cte("state")


def _row(name: str, state: sa.CTE) -> sa.Select[Any]:
    return (
        sa.select(
            sa.literal(name, sa.Text).label("counter"),
            _given(f"{name}_subject", sa.Text).label("subject"),
            sa.literal(1, sa.Integer).label("sent"),
            _given(f"{name}_ceiling", sa.Integer).label("ceiling"),
            _given(f"{name}_ends", UtcDateTime).label("expires_at"),
        )
        .select_from(state)
        .where(state.c.is_open, *((state.c.is_free,) if name in _QUIET else ()))
    )


def _count() -> sa.sql.dml.ReturningInsert[Any]:
    """The counters are locked in one order, so that concurrent requests wait and never deadlock."""
    state = _state()
    rows = sa.union_all(*(_row(name, state) for name in (*_HARD, *_QUIET))).subquery("wanted")
    insert = insert_with_conflict(sending_counters).from_select(
        ["counter", "subject", "sent", "ceiling", "expires_at"], sa.select(rows).where(sa.true())
    )
    over = _t.expires_at <= _now
    return insert.on_conflict_do_update(
        index_elements=["counter", "subject"],
        set_={
            "sent": sa.case((over, 1), else_=_t.sent + 1),
            "ceiling": insert.excluded.ceiling,
            "expires_at": sa.case((over, insert.excluded.expires_at), else_=_t.expires_at),
        },
        where=sa.or_(over, _t.sent < insert.excluded.ceiling),
    ).returning(_t.counter)


_COUNT = Statement(_count())


@dataclass(frozen=True, slots=True)
class SendingRequest:
    """Who asks for a code. `person_id` is None for nobody; `browser` names a known browser (KnownBrowsers)."""

    source: str
    person_id: str | None = None
    phone: str = ""
    browser: str | None = None


class SendingLimits:
    """Counts the codes that are sent. Holds no connection and no state of its own."""

    def __init__(self, *, daily_budget: int, ceilings: SendingCeilings | None = None) -> None:
        self._budget = daily_budget
        self._ceilings = ceilings or SendingCeilings()

    def count(self, c: Connection, request: SendingRequest, now: datetime) -> bool:
        """Whether a code may be sent: False for nobody, and where the person or the phone has had its number.

        One statement. Raises SendingPaused. Call it outside a transaction: a count must outlive a rollback.
        """
        if self._budget == 0:
            raise SendingPaused
        counted = {row.counter for row in c.rows(_COUNT, **self._arguments(request, now))}
        if not counted.issuperset(_HARD):
            raise SendingPaused
        return request.person_id is not None and counted.issuperset(_QUIET)

    def _arguments(self, request: SendingRequest, now: datetime) -> dict[str, Any]:
        is_nobody = request.person_id is None
        arguments: dict[str, Any] = {"now": now}
        budgets = {"city_hour": max(1, self._budget // _BUSIEST), "city_day": self._budget}
        for name, subject in _subjects(request).items():
            is_quiet = name in _QUIET
            ceiling = budgets[name] if name in budgets else getattr(self._ceilings, name)
            arguments[f"{name}_subject"] = subject
            arguments[f"{name}_ceiling"] = _ENDLESS if is_nobody and is_quiet else ceiling
            arguments[f"{name}_ends"] = now + (_DAY if name.endswith("day") and not is_nobody else _HOUR)
        return arguments | {f"{name}_budget": budget for name, budget in budgets.items()}


def _subjects(request: SendingRequest) -> dict[str, str]:
    """Whose counters are asked for. All requests about nobody share theirs, which are never full."""
    network, site = networks(request.source)
    own = f"@{request.browser}" if request.browser else ""
    by_network = {"source_hour": own or network, "site_hour": own or site}
    if request.person_id is None:
        return by_network | dict.fromkeys(_QUIET, _NOBODY)
    phone, person = request.phone + own, request.person_id + own
    theirs = {"phone_hour": phone, "phone_day": phone, "person_hour": person, "person_day": person}
    return by_network | theirs | dict.fromkeys(_CITYS, _CITY)
