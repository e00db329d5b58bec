"""How many codes are sent: by person, phone, source network, day, and in the whole city. Counted in the database.

Two kinds of limits. What a network or the city has used up refuses everybody alike (SendingPaused). What one person or
phone has used up is quiet: nothing is sent, and the answer stays the same, because a refusal would say that the phone
is known. A request about nobody counts only at its network; it leaves no other row.

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
_CITY = "city"

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
_QUIET = ("phone_hour", "phone_day", "person_hour", "person_day", "city_hour", "city_day")
_CITYS = ("city_hour", "city_day")


def _given(name: str, kind: Any) -> Any:
    return sa.cast(sa.bindparam(name, type_=kind), kind)


def _full(counters: tuple[str, ...]) -> Any:
    """A condition that is true if one of these counters is full."""
    other = sending_counters.alias()
    these = (
        sa.and_(
            other.c.counter == name,
            other.c.subject == _given(f"{name}_subject", sa.Text),
            other.c.sent >= _given(f"{name}_ceiling", sa.Integer),
        )
        for name in counters
    )
    return sa.exists().where(sa.or_(*these), other.c.expires_at > _now)


def _row(name: str) -> sa.Select[Any]:
    open_to_all = ~_full((*_HARD, *_CITYS))
    counted = [open_to_all]
    if name in _QUIET:
        counted += [_given("really", sa.Boolean), ~_full(_QUIET)]
    return sa.select(
        sa.literal(name, sa.Text).label("counter"),
        _given(f"{name}_subject", sa.Text).label("subject"),
        sa.literal(1, sa.Integer).label("sent"),
        _given(f"{name}_ceiling", sa.Integer).label("ceiling"),
        _given(f"{name}_ends", UtcDateTime).label("expires_at"),
    ).where(*counted)


def _count() -> sa.sql.dml.ReturningInsert[Any]:
    """The counters are locked in one order, so that concurrent requests wait and never deadlock."""
    rows = sa.union_all(*map(_row, (*_HARD, *_QUIET))).subquery("wanted")
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
        return counted.issuperset(_QUIET)

    def _arguments(self, request: SendingRequest, now: datetime) -> dict[str, Any]:
        network, site = networks(request.source)
        own = f"@{request.browser}" if request.browser else ""
        subjects = {
            "source_hour": own or network,
            "site_hour": own or site,
            "phone_hour": request.phone + own,
            "phone_day": request.phone + own,
            "person_hour": f"{request.person_id}{own}",
            "person_day": f"{request.person_id}{own}",
            **dict.fromkeys(_CITYS, _CITY),
        }
        city = {"city_hour": max(1, self._budget // _BUSIEST), "city_day": self._budget}
        arguments: dict[str, Any] = {"now": now, "really": request.person_id is not None}
        for name, subject in subjects.items():
            arguments[f"{name}_subject"] = subject
            arguments[f"{name}_ceiling"] = city[name] if name in city else getattr(self._ceilings, name)
            arguments[f"{name}_ends"] = now + (_DAY if name.endswith("day") else _HOUR)
        return arguments
