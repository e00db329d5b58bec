"""When a session ends, and why it is over: what the pages say before and after its end.

WCAG 2.2.1 asks that a person is warned before a time limit ends and can extend it with one simple action.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from accounts.database import Connection, Statement
from idp.login.session_store import sessions
from idp.login.sessions import Session, SessionLifetimes
from idp.oidc.tokens.secret import digest
from idp.staff import sessions as staff

WARNING = timedelta(seconds=150)  # before the end: long enough to read it in elder mode and to answer
IDLE, TOO_OLD, ENDED = "session_idle", "session_too_old", "session_ended"
LOGIN_AGAIN = "login_again"  # the session is live, but too old for what the person wants to change

_BY_HANDLE = Statement(
    sa.select(sessions.c.seen_at, sessions.c.expires_at, sessions.c.ended_at).where(
        sessions.c.handle_digest == sa.bindparam("handle")
    )
)


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a live session ends by itself, and whether using it extends it."""

    at: datetime
    is_extendable: bool
    is_of_staff: bool = False


def expiry(session: Session, lifetimes: SessionLifetimes) -> Expiry:
    """The idle limit, or the absolute limit if that comes first."""
    idle = session.seen_at + lifetimes.idle
    return Expiry(min(idle, session.expires_at), is_extendable=idle < session.expires_at)


def of_staff(session: staff.StaffSession) -> Expiry:
    """The same for a session of staff, whose limits are fixed."""
    idle = session.seen_at + staff.IDLE
    return Expiry(min(idle, session.expires_at), is_extendable=idle < session.expires_at, is_of_staff=True)


def why_over(c: Connection, handle: str, lifetimes: SessionLifetimes, now: datetime) -> str | None:
    """Why the session of that handle is over: IDLE, TOO_OLD or ENDED. None if the handle belongs to no session."""
    row = c.one(_BY_HANDLE, handle=digest(handle))
    if row is None:
        return None
    if row.ended_at is not None:
        return ENDED
    if row.expires_at <= now:
        return TOO_OLD
    return IDLE if row.seen_at <= now - lifetimes.idle else ENDED
