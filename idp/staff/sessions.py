"""Sessions of staff: their own table, cookie and lifetimes. No token and no service hangs on one.

A session begins with the office password, and for HALF_FOR it opens only the pages of the second factor. With the
second factor it has a new handle and lasts LONGEST at most, or IDLE without use. While it is used the directory is
asked again every CHECK_EVERY: an account that was disabled there loses its session.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from accounts import audit
from accounts.database import Connection, Statement, UtcDateTime, metadata, new_id
from accounts.vault import Vault
from idp.oidc.tokens.secret import digest
from idp.staff import members
from idp.staff.members import KnownMember, staff_members

IDLE, LONGEST = timedelta(minutes=15), timedelta(hours=8)
HALF_FOR = timedelta(minutes=10)  # time for the second factor, or to set it up
CHECK_EVERY = timedelta(minutes=5)
CHANNEL = "staff"

staff_sessions = sa.Table(
    "staff_sessions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("handle_digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("member_id", sa.Text, sa.ForeignKey("staff_members.id"), nullable=False, index=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("proven_at", UtcDateTime),  # both factors; None after the password alone
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("checked_at", UtcDateTime, nullable=False),  # when the directory last knew the member
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("user_agent", sa.Text),
    sa.Column("source", sa.Text),
    sa.Index("ix_staff_sessions_expires_at_id", "expires_at", "id"),
)
_s = staff_sessions.c
_p = sa.bindparam
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)
_idle_since: sa.BindParameter[datetime] = sa.bindparam("idle_since", type_=UtcDateTime)
_LIVE = (_s.ended_at.is_(None), _s.expires_at > _now, _s.seen_at > _idle_since)
_INSERT = Statement(sa.insert(staff_sessions))
_READ = Statement(
    sa.select(
        _s.id,
        _s.member_id,
        _s.proven_at,
        _s.seen_at,
        _s.checked_at,
        _s.expires_at,
        staff_members.c.sealed,
        staff_members.c.division,
    )
    .join(staff_members, staff_members.c.id == _s.member_id)
    .where(_s.handle_digest == _p("handle"), *_LIVE)
)
_USE = Statement(
    sa.update(staff_sessions)
    .where(_s.id == _p("session"), *_LIVE)
    .values(seen_at=_now, checked_at=_p("was_checked", type_=UtcDateTime))
)
_RAISE = Statement(
    sa.update(staff_sessions)
    .where(_s.id == _p("session"), _s.proven_at.is_(None), *_LIVE)
    .values(
        handle_digest=_p("new_handle", type_=sa.LargeBinary),
        proven_at=_now,
        seen_at=_now,
        expires_at=_p("ends", type_=UtcDateTime),
    )
)
_END = Statement(sa.update(staff_sessions).where(_s.id == _p("session"), _s.ended_at.is_(None)).values(ended_at=_now))
_END_ALL = Statement(
    sa.update(staff_sessions).where(_s.member_id == _p("member"), _s.ended_at.is_(None)).values(ended_at=_now)
)
_LATEST = Statement(
    sa.select(_s.id, _s.proven_at, _s.user_agent, _s.source)
    .where(_s.member_id == _p("member"), _s.proven_at.is_not(None))
    .order_by(_s.proven_at.desc(), _s.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)


@dataclass(frozen=True, slots=True)
class StaffSession:
    """One browser of a member of staff. `proven_at` is None while the second factor is missing."""

    id: str
    member: KnownMember
    proven_at: datetime | None
    seen_at: datetime
    checked_at: datetime
    expires_at: datetime

    @property
    def actor(self) -> str:
        """Who acts in this session, as the audit names them: a random key, no name and no staff id."""
        return actor_of(self.member.id)

    def is_due(self, now: datetime) -> bool:
        """Whether the directory must be asked before this session opens anything more."""
        return now - self.checked_at >= CHECK_EVERY


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in with both factors, as the member's own page lists it."""

    session_id: str
    at: datetime
    user_agent: str | None
    source: str | None


def actor_of(member_id: str) -> str:
    """A member of staff, as the audit names them."""
    return f"staff:{member_id}"


def open_session(c: Connection, member: KnownMember, *, user_agent: str | None, source: str, now: datetime) -> str:
    """The handle of a new session that has the password alone. Only the digest of the handle is stored."""
    handle = secrets.token_urlsafe(32)
    c.execute(
        _INSERT,
        id=new_id(),
        handle_digest=digest(handle),
        member_id=member.id,
        created_at=now,
        proven_at=None,
        seen_at=now,
        checked_at=now,
        expires_at=now + HALF_FOR,
        ended_at=None,
        user_agent=user_agent,
        source=source,
    )
    record(c, "staff:authentication:password", member.id, source=source, now=now)
    return handle


def read(c: Connection, vault: Vault, handle: str, now: datetime) -> StaffSession | None:
    """The live session of that handle, or None. One statement."""
    row = c.one(_READ, handle=digest(handle), now=now, idle_since=now - IDLE)
    if row is None:
        return None
    member = members.of_row(vault, row)
    return StaffSession(row.id, member, row.proven_at, row.seen_at, row.checked_at, row.expires_at)


def use(c: Connection, session: StaffSession, *, checked_at: datetime, now: datetime) -> bool:
    """The session counts as used now. False if it has ended meanwhile. One statement."""
    found = c.execute(_USE, session=session.id, was_checked=checked_at, now=now, idle_since=now - IDLE)
    return found == 1


def prove(c: Connection, session: StaffSession, *, source: str, now: datetime) -> str | None:
    """The new handle of the session, which has both factors now. None if it has ended or had them already."""
    handle = secrets.token_urlsafe(32)
    told = {"new_handle": digest(handle), "ends": now + LONGEST, "now": now, "idle_since": now - IDLE}
    if c.execute(_RAISE, session=session.id, **told) != 1:
        return None
    record(c, "staff:session:open", session.member.id, source=source, now=now)
    return handle


def end(c: Connection, session: StaffSession, *, reason: str, source: str | None, now: datetime) -> bool:
    """The session opens nothing any more. False if it had ended."""
    if c.execute(_END, session=session.id, now=now) != 1:
        return False
    record(c, "staff:session:end", session.member.id, source=source, now=now, detail={"reason": reason})
    return True


def end_all(c: Connection, member_id: str, *, now: datetime) -> int:
    """No session of the member opens anything. Returns how many have ended."""
    return c.execute(_END_ALL, member=member_id, now=now)


def latest(c: Connection, member_id: str, most: int) -> tuple[SignIn, ...]:
    """The member's last sign-ins with both factors, the newest first."""
    rows = c.rows(_LATEST, member=member_id, most=most)
    return tuple(SignIn(row.id, row.proven_at, row.user_agent, row.source) for row in rows)


def record(c: Connection, event: str, member_id: str, *, source: str | None, now: datetime, **more: Any) -> None:
    """The event of this member is on record with the caller's transaction."""
    audit.record(c, row(event, member_id, source=source, now=now, **more))


def row(event: str, member_id: str, *, source: str | None, now: datetime, **more: Any) -> dict[str, Any]:
    """The same as a row, for a Redemption. It names the member by our random key only, as who acted."""
    return audit.row(event, now=now, actor=actor_of(member_id), channel=CHANNEL, source=source, **more)


def failed(c: Connection, facts: dict[str, Any]) -> None:
    """The same act is on record as one that failed."""
    audit.record(c, facts | {"outcome": "failure"})
