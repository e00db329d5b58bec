"""Throttling of guesses, in the database, so that every node counts the same, also after a restart.

A guess from a browser where the person signed in before counts only there (`browser`): no stranger can use that up.
Every other guess, and those beyond the ceiling of a known browser, counts three times, over windows that start with
their first attempt. `pair` is this person from this network. `source` is this network over all persons, which stops one
password tried on many. The third is this person over networks of one kind: `familiar`, where they signed in lately;
`newcomer`, the first few guesses of a network that has not tried this person lately; `stranger`, all others.

So somebody who guesses from a few networks fills `stranger`, and a person with a new browser can still log in. From
familiar networks they always can, unless the guesses come from there. A network that goes on guessing gets fewer
guesses a window than one that begins. An IPv6 network is a /64, and its /48 counts beside it with higher ceilings.

One statement counts an attempt, in all its counters or in none, before the hash is computed. Each counter refuses to
pass its ceiling, so guesses that arrive together verify no more hashes than the ceiling.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_with_conflict

from accounts.credentials.network_address import networks
from accounts.database import Connection, Statement, UtcDateTime, metadata
from accounts.errors import Throttled

throttle_counters = sa.Table(
    "throttle_counters",
    metadata,
    sa.Column("counter", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),  # person id, or a keyed digest of the unknown name typed
    sa.Column("source", sa.Text, primary_key=True),  # a network, or the name of a known browser
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("ceiling", sa.Integer, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
    sa.Column("succeeded_at", UtcDateTime),
    sa.CheckConstraint("counter IN ('pair', 'source', 'stranger', 'newcomer', 'familiar', 'browser')", name="counter"),
)
_t = throttle_counters.c
_COLUMNS = ["counter", "subject", "source", "attempts", "ceiling", "expires_at"]
_ANYONE = ""
_PERSON_KEY = 32  # characters of a person's key
_RESIDENTS = "residents"  # subject for people who signed in at this network lately
_WINDOW = timedelta(minutes=15)
FAMILIAR_FOR = timedelta(days=180)
QUIET_FOR = timedelta(days=1)  # after that, a network that guessed counts as new again


@dataclass(frozen=True, slots=True)
class Limit:
    """The number of attempts allowed within a window that starts with the first of them."""

    attempts: int
    within: timedelta = _WINDOW


@dataclass(frozen=True, slots=True)
class Limits:
    """The ceilings. Beside known browsers, an account gets at most 100 guesses in any hour: 20 a window.

    `again` is what `pair` allows in later windows; `wide_…` are those of an IPv6 /48.
    """

    browser: Limit = Limit(10)
    pair: Limit = Limit(6)
    again: Limit = Limit(2)
    wide_pair: Limit = Limit(10)
    wide_again: Limit = Limit(4)
    source: Limit = Limit(100)
    wide_source: Limit = Limit(400)
    newcomer: Limit = Limit(9)
    stranger: Limit = Limit(6)
    familiar: Limit = Limit(5)
    first_guesses: int = 3  # of a network new to a person, counted as `newcomer`
    familiar_for: timedelta = FAMILIAR_FOR


@dataclass(frozen=True, slots=True)
class Counted:
    """A counted attempt and its counters. `succeeded` and `untried` take it back; after a failure it stays counted."""

    arguments: dict[str, Any]
    is_known: bool
    is_wide: bool
    is_suspicious: bool = False  # a counter of strangers or of this network is more than half full

    @property
    def is_familiar(self) -> bool:
        """True if the browser is known, or the person logged in from this network lately."""
        return self.is_known or self.arguments.get("whose") == "familiar"


def _text(name: str) -> Any:
    return sa.cast(sa.bindparam(name, type_=sa.Text), sa.Text)


def _number(name: str) -> Any:
    return sa.cast(sa.bindparam(name, type_=sa.Integer), sa.Integer)


def _moment(name: str) -> Any:
    return sa.cast(sa.bindparam(name, type_=UtcDateTime), UtcDateTime)


def _literal(text: str) -> Any:
    return sa.literal(text, sa.Text)


def _earlier(source: str, *conditions: str) -> sa.ColumnElement[bool]:
    """A condition that is true if the pair's counter at that network, our memory of both, meets one of these."""
    pair = throttle_counters.alias()
    description = {
        "succeeded": pair.c.succeeded_at > _moment("familiar_since"),
        "over": pair.c.expires_at <= _moment("now"),
        "lowered": pair.c.ceiling <= _number(f"{_wide(source)}again_ceiling"),
        "begun": pair.c.attempts >= _number("first_guesses"),
    }
    this = (pair.c.counter == "pair", pair.c.subject == _text("subject"), pair.c.source == _text(source))
    return sa.exists().where(*this, sa.or_(*(description[each] for each in conditions)))


def _wide(source: str) -> str:
    return "wide_" if source == "site" else ""


def _is_familiar() -> sa.ColumnElement[bool]:
    return _earlier("source", "succeeded")


def _person(sources: tuple[str, ...]) -> tuple[Any, Any, Any, Any, Any]:
    """The counter of this person over networks of one kind."""
    is_not_new = sa.or_(*(_earlier(each, "over", "lowered", "begun") for each in sources))

    def chosen(of: Any) -> Any:
        return sa.case((_is_familiar(), of("familiar")), (is_not_new, of("stranger")), else_=of("newcomer"))

    return (
        chosen(_literal),
        _text("subject"),
        _literal(_ANYONE),
        chosen(lambda kind: _number(f"{kind}_ceiling")),
        chosen(lambda kind: _moment(f"{kind}_ends")),
    )


def _source(source: str) -> tuple[Any, Any, Any, Any, Any]:
    wide = _wide(source)
    whose = sa.case((_is_familiar(), _literal(_RESIDENTS)), else_=_literal(_ANYONE))
    return _literal("source"), whose, _text(source), _number(f"{wide}source_ceiling"), _moment(f"{wide}source_ends")


def _pair(source: str) -> tuple[Any, Any, Any, Any, Any]:
    wide = _wide(source)
    is_lower = sa.and_(~_is_familiar(), _earlier(source, "over", "lowered"))
    ceiling = sa.case((is_lower, _number(f"{wide}again_ceiling")), else_=_number(f"{wide}pair_ceiling"))
    ends = sa.case((is_lower, _moment(f"{wide}again_ends")), else_=_moment(f"{wide}pair_ends"))
    return _literal("pair"), _text("subject"), _text(source), ceiling, ends


_BROWSER = (
    _literal("browser"),
    _text("subject"),
    _text("browser"),
    _number("browser_ceiling"),
    _moment("browser_ends"),
)


def _wanted(*, is_wide: bool) -> list[tuple[Any, Any, Any, Any, Any]]:
    """The counters of an attempt, always in this order, so that concurrent attempts wait and never deadlock."""
    sources = ("site", "source") if is_wide else ("source",)
    return [_person(sources), *map(_source, sources), *map(_pair, sources)]


def _full(wanted: list[tuple[Any, Any, Any, Any, Any]]) -> sa.Select[Any]:
    """The full counters of this attempt: when the last of them opens."""
    this_one = sa.or_(
        *(
            sa.and_(_t.counter == counter, _t.subject == subject, _t.source == source)
            for counter, subject, source, _, _ in wanted
        )
    )
    return sa.select(sa.func.max(_t.expires_at, type_=UtcDateTime).label("opens_at")).where(
        this_one, _t.attempts >= _t.ceiling, _t.expires_at > _moment("now")
    )


def _count(wanted: list[tuple[Any, Any, Any, Any, Any]]) -> sa.sql.dml.ReturningInsert[Any]:
    rows = [
        sa.select(
            counter.label("counter"),
            subject.label("subject"),
            source.label("source"),
            sa.literal(1, sa.Integer).label("attempts"),
            ceiling.label("ceiling"),
            ends.label("expires_at"),
        )
        for counter, subject, source, ceiling, ends in wanted
    ]
    attempt = sa.union_all(*rows).subquery("attempt")
    full = _full(wanted).subquery("full_ones")
    free = ~sa.exists().where(full.c.opens_at.is_not(None))
    insert = insert_with_conflict(throttle_counters).from_select(_COLUMNS, sa.select(attempt).where(free))
    over = _t.expires_at <= _moment("now")
    return insert.on_conflict_do_update(
        index_elements=["counter", "subject", "source"],
        set_={
            "attempts": sa.case((over, 1), else_=_t.attempts + 1),
            "ceiling": insert.excluded.ceiling,
            "expires_at": sa.case((over, insert.excluded.expires_at), else_=_t.expires_at),
        },
        where=sa.or_(over, _t.attempts < insert.excluded.ceiling),
    ).returning(_t.counter, _t.subject, _t.source, _t.attempts, _t.ceiling)


def _counted(*, is_known: bool, is_wide: bool) -> list[tuple[Any, Any, Any]]:
    """The keys of the counters that an attempt was counted in, in the order in which it locked them."""
    if is_known:
        return [(_literal("browser"), _text("subject"), _text("browser"))]
    sources = ("site", "source") if is_wide else ("source",)
    return [
        (_text("whose"), _text("subject"), _literal(_ANYONE)),
        *((_literal("source"), _text("whom"), _text(each)) for each in sources),
        *((_literal("pair"), _text("subject"), _text(each)) for each in sources),
    ]


def _take_back(*, is_known: bool, is_wide: bool, succeeded: bool) -> sa.Insert:
    """One attempt less in each counter. After a success the pair of person and network remembers it.

    The rows are locked in the same order as by the attempt, so two people in one network never deadlock.
    """
    pair = (_literal("pair"), _text("subject"), _text("source"))
    keys = _counted(is_known=is_known, is_wide=is_wide) + ([pair] if is_known and succeeded else [])
    remembers = [succeeded and at == len(keys) - 1 for at in range(len(keys))]
    done = sa.union_all(*(_nothing(*key, remembers=each) for key, each in zip(keys, remembers, strict=True)))
    insert = insert_with_conflict(throttle_counters).from_select(
        [*_COLUMNS, "succeeded_at"], sa.select(done.subquery("done")).where(sa.true())
    )
    fewer = sa.case((_t.attempts > 0, _t.attempts - 1), else_=0)
    return insert.on_conflict_do_update(
        index_elements=["counter", "subject", "source"],
        set_={
            "attempts": sa.case((_t.counter == "pair", _t.attempts), else_=fewer) if is_known else fewer,
            "succeeded_at": sa.func.coalesce(insert.excluded.succeeded_at, _t.succeeded_at),
        },
    )


def _nothing(counter: Any, subject: Any, source: Any, *, remembers: bool) -> sa.Select[Any]:
    """The row for a missing counter: it has counted nothing, and its window is over."""
    return sa.select(
        counter.label("counter"),
        subject.label("subject"),
        source.label("source"),
        sa.literal(0, sa.Integer).label("attempts"),
        sa.literal(0, sa.Integer).label("ceiling"),
        _moment("now").label("expires_at"),
        (_moment("now") if remembers else sa.cast(sa.null(), UtcDateTime)).label("succeeded_at"),
    )


_COUNT = {is_wide: Statement(_count(_wanted(is_wide=is_wide))) for is_wide in (False, True)}
_OPENS_AT = {is_wide: Statement(_full(_wanted(is_wide=is_wide))) for is_wide in (False, True)}
_COUNT_BROWSER, _BROWSER_OPENS_AT = Statement(_count([_BROWSER])), Statement(_full([_BROWSER]))
_TAKE_BACK = {
    kind: Statement(_take_back(is_known=kind[0], is_wide=kind[1], succeeded=kind[2]))
    for kind in product((False, True), repeat=3)
}
_WANTED = {is_wide: len(_wanted(is_wide=is_wide)) for is_wide in (False, True)}
_OF_A_PERSON = ("familiar", "newcomer", "stranger")
_AT_ONCE = timedelta(seconds=1)
_LIMITS = [each.name for each in fields(Limits) if each.type == "Limit"]
# A counter whose window is over has no further use, except where it shows that the person is known.
OVER = _t.expires_at <= _moment("before")
TELLS_WHO_IS_KNOWN = sa.and_(_t.succeeded_at.is_not(None), _t.succeeded_at > _moment("familiar_since"))
# A network that guessed at a person is remembered for a day. One that guessed at an invented name is not: the subject
# is then a digest of 64 characters instead of a person's key, and strangers could fill the table with them.
TELLS_WHO_GUESSED = sa.and_(
    _t.counter == "pair", sa.func.length(_t.subject) == _PERSON_KEY, _t.expires_at > _moment("quiet_since")
)


class Throttle:
    """Counts attempts against `Limits`. Holds no connection and no state of its own."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()

    def check(
        self, c: Connection, *, person: str | None, source: str, now: datetime, browser: str | None = None
    ) -> Counted:
        """Count the attempt. Raises Throttled, with the time to wait, when a counter is full.

        One statement, two when it refuses. Call it outside a transaction, before the costly check: an attempt that
        rolls back must stay counted. With `person` None, all attempts that name nobody are counted together. `browser`
        is the result of KnownBrowsers.known_as. The attempt then counts only for that browser and, once that counter is
        full, like anybody's, so that a stolen cookie does not lock its owner out at home (two statements, four when it
        refuses).
        """
        network, site = networks(source)
        place = {"subject": person or _ANYONE, "source": network, "site": site, "browser": browser or ""}
        arguments, is_wide = self._arguments(now) | place, network != site
        if browser is not None and c.rows(_COUNT_BROWSER, **arguments):
            return Counted(arguments, is_known=True, is_wide=is_wide)
        rows = c.rows(_COUNT[is_wide], **arguments)
        if len(rows) == _WANTED[is_wide]:
            where = {row.counter: row.subject for row in rows}
            whose = next(kind for kind in _OF_A_PERSON if kind in where)
            told = arguments | {"whose": whose, "whom": where["source"]}
            suspicious = any(2 * row.attempts > row.ceiling for row in rows)
            return Counted(told, is_known=False, is_wide=is_wide, is_suspicious=suspicious)
        opens = [c.one(_OPENS_AT[is_wide], **arguments).opens_at]
        if browser is not None:
            opens.append(c.one(_BROWSER_OPENS_AT, **arguments).opens_at)
        raise Throttled(min(opens_at - now if opens_at is not None else _AT_ONCE for opens_at in opens))

    def succeeded(self, c: Connection, counted: Counted) -> None:
        """The attempt no longer counts, and the person is known at this network. One statement."""
        c.execute(_TAKE_BACK[counted.is_known, counted.is_wide, True], **counted.arguments)

    def untried(self, c: Connection, counted: Counted) -> None:
        """The attempt no longer counts, because the process was too busy to try anything. One statement."""
        c.execute(_TAKE_BACK[counted.is_known, counted.is_wide, False], **counted.arguments)

    def _arguments(self, now: datetime) -> dict[str, Any]:
        limits = self.limits
        arguments: dict[str, Any] = {
            "now": now,
            "familiar_since": now - limits.familiar_for,
            "first_guesses": limits.first_guesses,
        }
        for name in _LIMITS:
            limit: Limit = getattr(limits, name)
            arguments[f"{name}_ceiling"] = limit.attempts
            arguments[f"{name}_ends"] = now + limit.within
        return arguments
