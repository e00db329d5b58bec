"""Throttling of guesses, in the database, so that every node and every restart counts the same.

Three counters, each over a window that starts with its first attempt:
`pair`     this person from this source;
`source`   this source over all persons, which stops one password tried on many;
`stranger` this person from all sources they never succeeded from, or `familiar` from those they did.
A flood from strangers fills `stranger` only. At a source they succeeded from, the person is counted as `familiar`:
nobody elsewhere can lock them out there. An attempt is counted before the hash is computed, all three counters or none
in one statement, and each counter refuses to pass its ceiling, so guesses that arrive together verify no more hashes
than the ceiling.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_with_conflict

from accounts.database import Connection, Statement, UtcDateTime, metadata
from accounts.errors import Throttled

throttle_counters = sa.Table(
    "throttle_counters",
    metadata,
    sa.Column("counter", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),  # person id, or a keyed digest of what an unknown one typed
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("ceiling", sa.Integer, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
    sa.Column("succeeded_at", UtcDateTime),
    sa.CheckConstraint("counter IN ('pair', 'source', 'stranger', 'familiar')", name="counter"),
)
_t = throttle_counters.c
_COUNTED = 3
_ANYONE = ""
FAMILIAR_FOR = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many attempts in so long, from the first of them."""

    attempts: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """The ceilings. An account can lose 100 guesses an hour at most over all strangers' and its own sources."""

    pair: Limit = Limit(6, timedelta(minutes=15))
    source: Limit = Limit(100, timedelta(minutes=15))
    stranger: Limit = Limit(30, timedelta(hours=1))
    familiar: Limit = Limit(60, timedelta(hours=1))
    familiar_for: timedelta = FAMILIAR_FOR


def _text(name: str) -> Any:
    return sa.cast(sa.bindparam(name, type_=sa.Text), sa.Text)


def _number(name: str) -> Any:
    return sa.cast(sa.bindparam(name, type_=sa.Integer), sa.Integer)


def _moment(name: str) -> Any:
    return sa.cast(sa.bindparam(name, type_=UtcDateTime), UtcDateTime)


def _known() -> sa.ColumnElement[bool]:
    """Whether the person succeeded from this source lately."""
    earlier = throttle_counters.alias()
    return sa.exists().where(
        earlier.c.counter == "pair",
        earlier.c.subject == _text("subject"),
        earlier.c.source == _text("source"),
        earlier.c.succeeded_at > _moment("familiar_since"),
    )


def _whose() -> Any:
    return sa.case((_known(), sa.literal("familiar", sa.Text)), else_=sa.literal("stranger", sa.Text))


def _wanted() -> list[tuple[Any, Any, Any, Any, Any]]:
    """The three counters of an attempt, always in this order: concurrent attempts then wait, never deadlock."""
    anyone = sa.literal(_ANYONE, sa.Text)
    third = (
        sa.case((_known(), _number("familiar_ceiling")), else_=_number("stranger_ceiling")),
        sa.case((_known(), _moment("familiar_ends")), else_=_moment("stranger_ends")),
    )
    return [
        (_whose(), _text("subject"), anyone, *third),
        (sa.literal("source", sa.Text), anyone, _text("source"), _number("source_ceiling"), _moment("source_ends")),
        (sa.literal("pair", sa.Text), _text("subject"), _text("source"), _number("pair_ceiling"), _moment("pair_ends")),
    ]


def _full() -> sa.Select[Any]:
    """The counters of this attempt that let nothing more through."""
    this_one = sa.or_(
        *(
            sa.and_(_t.counter == counter, _t.subject == subject, _t.source == source)
            for counter, subject, source, _, _ in _wanted()
        )
    )
    return sa.select(sa.func.max(_t.expires_at, type_=UtcDateTime).label("opens_at")).where(
        this_one, _t.attempts >= _t.ceiling, _t.expires_at > _moment("now")
    )


def _count() -> sa.Insert:
    rows = [
        sa.select(
            counter.label("counter"),
            subject.label("subject"),
            source.label("source"),
            sa.literal(1, sa.Integer).label("attempts"),
            ceiling.label("ceiling"),
            ends.label("expires_at"),
        )
        for counter, subject, source, ceiling, ends in _wanted()
    ]
    attempt = sa.union_all(*rows).subquery("attempt")
    full = _full().subquery("full_ones")
    free = ~sa.exists().where(full.c.opens_at.is_not(None))
    names = ["counter", "subject", "source", "attempts", "ceiling", "expires_at"]
    insert = insert_with_conflict(throttle_counters).from_select(names, sa.select(attempt).where(free))
    over = _t.expires_at <= _moment("now")
    return insert.on_conflict_do_update(
        index_elements=["counter", "subject", "source"],
        set_={
            "attempts": sa.case((over, 1), else_=_t.attempts + 1),
            "ceiling": insert.excluded.ceiling,
            "expires_at": sa.case((over, insert.excluded.expires_at), else_=_t.expires_at),
        },
        where=sa.or_(over, _t.attempts < insert.excluded.ceiling),
    )


def _success() -> sa.Insert:
    """The same three rows in the same order as the attempt took them: two people at one source never deadlock."""
    rows = [
        sa.select(
            counter.label("counter"),
            subject.label("subject"),
            source.label("source"),
            sa.literal(0, sa.Integer).label("attempts"),
            ceiling.label("ceiling"),
            ends.label("expires_at"),
            (_moment("now") if is_pair else sa.cast(sa.null(), UtcDateTime)).label("succeeded_at"),
        )
        for is_pair, (counter, subject, source, ceiling, ends) in zip((False, False, True), _wanted(), strict=True)
    ]
    done = sa.union_all(*rows).subquery("done")
    names = ["counter", "subject", "source", "attempts", "ceiling", "expires_at", "succeeded_at"]
    insert = insert_with_conflict(throttle_counters).from_select(names, sa.select(done).where(sa.true()))
    fewer = sa.case((_t.attempts > 0, _t.attempts - 1), else_=0)
    return insert.on_conflict_do_update(
        index_elements=["counter", "subject", "source"],
        set_={
            "attempts": sa.case((_t.counter == "pair", 0), else_=fewer),
            "succeeded_at": sa.func.coalesce(insert.excluded.succeeded_at, _t.succeeded_at),
        },
    )


_COUNT = Statement(_count())
_OPENS_AT = Statement(_full())
_GIVE_BACK_PERSON = Statement(
    sa.update(throttle_counters)
    .where(_t.counter == _whose(), _t.subject == _text("subject"), _t.source == _ANYONE, _t.attempts > 0)
    .values(attempts=_t.attempts - 1)
)
_GIVE_BACK_SOURCE = Statement(
    sa.update(throttle_counters)
    .where(_t.counter == "source", _t.subject == _ANYONE, _t.source == _text("source"), _t.attempts > 0)
    .values(attempts=_t.attempts - 1)
)
_this_pair = (_t.counter == "pair", _t.subject == _text("subject"), _t.source == _text("source"))
_GIVE_BACK_PAIR = Statement(
    sa.update(throttle_counters).where(*_this_pair, _t.attempts > 0).values(attempts=_t.attempts - 1)
)
_SUCCEED = Statement(_success())
# A counter whose window is over is of no use any more, except where it tells that the person is known.
OVER = _t.expires_at <= _moment("now")
TELLS_WHO_IS_KNOWN = sa.and_(_t.succeeded_at.is_not(None), _t.succeeded_at > _moment("familiar_since"))


class Throttle:
    """Counts attempts against `Limits`. Holds no connection and no state of its own."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()

    def check(self, c: Connection, *, person: str | None, source: str, now: datetime) -> None:
        """The attempt is counted and may go on. Raises Throttled, with the time to wait, when a counter is full.

        One statement, two when it refuses. Call it outside a transaction, before the costly check: an attempt that
        rolls back must stay counted. `person` of None counts all attempts that name nobody together.
        """
        arguments = self._arguments(person, source, now)
        if c.execute(_COUNT, **arguments) == _COUNTED:
            return
        row = c.one(_OPENS_AT, **arguments)
        wait = (row.opens_at - now) if row.opens_at is not None else timedelta(seconds=1)
        raise Throttled(wait)

    def failed(self, c: Connection, *, person: str | None, source: str, now: datetime) -> None:
        """The attempt stays counted, as `check` left it: nothing is written here, and nothing can be forgotten."""

    def succeeded(self, c: Connection, *, person: str | None, source: str, now: datetime) -> None:
        """The attempt no longer counts, and this source is one the person is known at. One statement."""
        c.execute(_SUCCEED, **self._arguments(person, source, now))

    def untried(self, c: Connection, *, person: str | None, source: str, now: datetime) -> None:
        """The attempt no longer counts, for nothing was tried: the process was too busy."""
        arguments = self._arguments(person, source, now)
        c.execute(_GIVE_BACK_PERSON, **arguments)
        c.execute(_GIVE_BACK_SOURCE, **arguments)
        c.execute(_GIVE_BACK_PAIR, **arguments)

    def _arguments(self, person: str | None, source: str, now: datetime) -> dict[str, Any]:
        limits = self.limits
        arguments: dict[str, Any] = {
            "subject": person or _ANYONE,
            "source": _network(source),
            "now": now,
            "familiar_since": now - limits.familiar_for,
        }
        for name in ("pair", "source", "stranger", "familiar"):
            limit: Limit = getattr(limits, name)
            arguments[f"{name}_ceiling"] = limit.attempts
            arguments[f"{name}_ends"] = now + limit.within
        return arguments


def _network(source: str) -> str:
    """An IPv6 customer holds a /64: one address more must not be one attempt more. Other names stand as they are."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if address.version == 4:  # noqa: PLR2004 - the protocol's name
        return str(address)
    return str(ipaddress.ip_network(f"{address}/64", strict=False))
