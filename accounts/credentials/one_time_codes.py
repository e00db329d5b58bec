"""One-time codes that are sent to a phone: six digits, five minutes, three guesses, spent once.

A code belongs to one browser (the digest of a handle that only this browser holds), one purpose, and one client's
request or session. Only its keyed digest is stored; nobody who reads the table can try the million codes. The row for
a phone that belongs to nobody looks and behaves like any other, and no guess fits it.

One statement counts a guess and spends the code if the guess is right, so guesses that arrive together neither exceed
the ceiling nor succeed twice.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime, metadata
from accounts.vault import Vault

PLACE = "one_time_codes.sealed"
VALID_FOR = timedelta(minutes=5)
RENEWABLE_FOR = timedelta(minutes=15)  # after that, the person starts again with their phone
PAUSE = timedelta(seconds=60)  # before another code is sent to the same browser
MOST_GUESSES = 3
_DIGITS = 6
_PURPOSE = "one-time code"

one_time_codes = sa.Table(
    "one_time_codes",
    metadata,
    sa.Column("handle_digest", sa.Text, primary_key=True),  # keyed, hexadecimal
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("bound_to", sa.Text, nullable=False),  # a request or a session; empty for a page of ours before a login
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id")),  # None: nobody, and nothing was sent
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # what the caller needs again: phone, service, words
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("guesses", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("sent_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("spent_at", UtcDateTime),
    sa.CheckConstraint("purpose IN ('login', 'phone', 'recovery')", name="purpose"),
    sa.Index("ix_one_time_codes_expires_at_handle_digest", "expires_at", "handle_digest"),
)
_t = one_time_codes.c
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)
_code: sa.BindParameter[bytes] = sa.bindparam("of_code", type_=sa.LargeBinary)
_THIS = (
    _t.handle_digest == sa.bindparam("handle"),
    _t.purpose == sa.bindparam("for_purpose"),
    _t.bound_to == sa.bindparam("bound"),
    _t.spent_at.is_(None),
)
_INSERT = Statement(sa.insert(one_time_codes))
_READ = Statement(
    sa.select(_t.person_id, _t.sealed, _t.sent_at, _t.expires_at).where(
        *_THIS, _t.created_at > sa.bindparam("not_before", type_=UtcDateTime)
    )
)
_RENEW = Statement(
    sa.update(one_time_codes)
    .where(
        *_THIS,
        _t.sent_at <= sa.bindparam("not_since", type_=UtcDateTime),
        _t.created_at > sa.bindparam("not_before", type_=UtcDateTime),
    )
    .values(digest=_code, guesses=0, sent_at=_now, expires_at=sa.bindparam("ends", type_=UtcDateTime))
)
GUESS = Statement(
    sa.update(one_time_codes)
    .where(*_THIS, _t.expires_at > _now, _t.guesses < sa.bindparam("most", type_=sa.Integer))
    .values(guesses=_t.guesses + 1, spent_at=sa.case((_t.digest == _code, _now), else_=sa.null()))
    .returning(_t.person_id, _t.sealed, _t.guesses, _t.spent_at)
)


@dataclass(frozen=True, slots=True)
class CodeBinding:
    """What a code is good for: one browser (`handle`, 256 random bits), one purpose, one request or session."""

    handle: str = field(repr=False)
    purpose: str
    bound_to: str


@dataclass(frozen=True, slots=True)
class PendingCode:
    """A code that waits for its answer. `person_id` is None for nobody."""

    person_id: str | None
    content: str = field(repr=False)
    sent_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Guess:
    """The outcome of a guess. `left` is how many guesses remain; `is_over` if no code waits for one."""

    is_right: bool = False
    person_id: str | None = None
    content: str = field(default="", repr=False)
    left: int = 0
    is_over: bool = False


class OneTimeCodes:
    """Makes, renews and checks codes. Immutable: one for the process."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def new_code(self) -> str:
        """Six random digits."""
        return f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"

    def store(
        self, c: Connection, binding: CodeBinding, code: str, *, person_id: str | None, content: str, now: datetime
    ) -> None:
        """The code waits for its answer. `content` is sealed beside it. One statement."""
        c.execute(
            _INSERT,
            handle_digest=self._handle(binding),
            purpose=binding.purpose,
            bound_to=binding.bound_to,
            person_id=person_id,
            sealed=self._vault.seal(content, place=PLACE),
            digest=self._digest(binding, code),
            guesses=0,
            created_at=now,
            sent_at=now,
            expires_at=now + VALID_FOR,
            spent_at=None,
        )

    def read(self, c: Connection, binding: CodeBinding, now: datetime) -> PendingCode | None:
        """The code that waits, also one that has expired and may be renewed. One statement."""
        row = c.one(_READ, not_before=now - RENEWABLE_FOR, **self._this(binding))
        if row is None:
            return None
        return PendingCode(row.person_id, self._vault.open(row.sealed, place=PLACE), row.sent_at, row.expires_at)

    def renew(self, c: Connection, binding: CodeBinding, code: str, *, now: datetime) -> bool:
        """The new code replaces the old one. False if one was sent less than PAUSE ago, or none waits."""
        moments = {"not_before": now - RENEWABLE_FOR, "not_since": now - PAUSE, "now": now, "ends": now + VALID_FOR}
        return c.execute(_RENEW, of_code=self._digest(binding, code), **moments, **self._this(binding)) == 1

    def guess(self, c: Connection, binding: CodeBinding, typed: str, now: datetime) -> Guess:
        """Counts the guess, and spends the code if it is right: at most one guess is ever right. One statement."""
        given = {"of_code": self._digest(binding, typed), "now": now, "most": MOST_GUESSES}
        row = c.one(GUESS, **given, **self._this(binding))
        if row is None:
            return Guess(is_over=True)
        if row.spent_at is None:
            return Guess(person_id=row.person_id, left=MOST_GUESSES - row.guesses, is_over=row.guesses >= MOST_GUESSES)
        return Guess(is_right=True, person_id=row.person_id, content=self._vault.open(row.sealed, place=PLACE))

    def _this(self, binding: CodeBinding) -> dict[str, Any]:
        return {"handle": self._handle(binding), "for_purpose": binding.purpose, "bound": binding.bound_to}

    def _handle(self, binding: CodeBinding) -> str:
        return self._vault.pepper(binding.handle.encode("utf-8", "replace"), purpose="code handle").hex()

    def _digest(self, binding: CodeBinding, code: str) -> bytes:
        data = f"{binding.handle}|{binding.purpose}|{binding.bound_to}|{code}"
        return self._vault.pepper(data.encode("utf-8", "replace"), purpose=_PURPOSE)
