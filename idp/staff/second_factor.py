"""The authenticator app of a member of staff, and the one-time code that lets them set it up.

The office password alone sets nothing up: whoever has stolen one would otherwise bring a telephone of their own. An
administrator issues a code for one member and hands it over in person. The code opens nothing without the office
password, and the office password opens nothing without the authenticator (GB/T 22239 level 3: two factors, one of them
cryptographic). What a code is, and how its steps are counted, is in `accounts.credentials.totp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.credentials import totp
from accounts.credentials.recovery_codes import in_groups, meant, random_text
from accounts.credentials.totp import MOST_ATTEMPTS, NO_STEP, SET_UP_FOR, WINDOW, PendingAuthenticator
from accounts.database import Connection, Redemption, Statement, UtcDateTime, metadata
from accounts.errors import Throttled
from accounts.vault import Vault

PLACE = "staff_authenticators.sealed"
CODE_VALID_FOR = timedelta(hours=24)
_PURPOSE = "staff enrolment code"
_LENGTH = 16  # 80 random bits: guessing needs no counter

staff_enrolments = sa.Table(
    "staff_enrolments",
    metadata,
    sa.Column("member_id", sa.Text, sa.ForeignKey("staff_members.id"), primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),  # keyed
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
)
staff_authenticators = sa.Table(
    "staff_authenticators",
    metadata,
    sa.Column("member_id", sa.Text, sa.ForeignKey("staff_members.id"), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the secret
    sa.Column("last_step", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("attempts_until", UtcDateTime, nullable=False),
    sa.Column("staff_session_id", sa.Text, nullable=False),  # which session began it: no other one sees or confirms it
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("confirmed_at", UtcDateTime),
)
_e, _t = staff_enrolments.c, staff_authenticators.c
_p = sa.bindparam
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)
_MEMBER = _t.member_id == _p("member")
_FORGET_CODE = Statement(sa.delete(staff_enrolments).where(_e.member_id == _p("member")))
_INSERT_CODE = Statement(sa.insert(staff_enrolments))
_SINCE = Statement(sa.select(_t.confirmed_at).where(_MEMBER, _t.confirmed_at.is_not(None)))
_FORGET_PENDING = Statement(sa.delete(staff_authenticators).where(_MEMBER, _t.confirmed_at.is_(None)))
_INSERT = Statement(sa.insert(staff_authenticators))
_REMOVE = Statement(sa.delete(staff_authenticators).where(_MEMBER))
_IS_PENDING = (
    _t.confirmed_at.is_(None),
    _t.staff_session_id == _p("session"),
    _t.created_at > _p("since", type_=UtcDateTime),
)
_PENDING = Statement(sa.select(_t.sealed).where(_MEMBER, *_IS_PENDING))
_OVER = _t.attempts_until <= _now


def _counted(*conditions: sa.ColumnElement[bool]) -> Statement:
    """Counts an attempt at the authenticator before any code is compared, unless too many were wrong lately."""
    counted = {
        "attempts": sa.case((_OVER, 1), else_=_t.attempts + 1),
        "attempts_until": sa.case((_OVER, _p("until", type_=UtcDateTime)), else_=_t.attempts_until),
    }
    return Statement(
        sa.update(staff_authenticators)
        .where(_MEMBER, sa.or_(_OVER, _t.attempts < MOST_ATTEMPTS), *conditions)
        .values(counted)
        .returning(_t.sealed)
    )


_TRY, _TRY_PENDING = _counted(_t.confirmed_at.is_not(None)), _counted(*_IS_PENDING)
_OPENS_AT = Statement(
    sa.select(_t.attempts_until).where(_MEMBER, _t.attempts >= MOST_ATTEMPTS, _t.attempts_until > _now)
)
_SPENT = {"last_step": _p("step"), "attempts": 0, "attempts_until": _now}
SPEND_STAFF_STEP = Redemption(
    sa.update(staff_authenticators)
    .where(_MEMBER, _t.last_step < _p("step"), _t.confirmed_at.is_not(None))
    .values(_SPENT),
    audit_events,
)
CONFIRM_STAFF_AUTHENTICATOR = Redemption(
    sa.update(staff_authenticators)
    .where(_MEMBER, _t.confirmed_at.is_(None), _t.staff_session_id == _p("session"))
    .values({**_SPENT, "confirmed_at": _now}),
    audit_events,
)
SPEND_ENROLMENT_CODE = Redemption(
    sa.update(staff_enrolments)
    .where(
        _e.member_id == _p("member"),
        _e.digest == _p("of_code", type_=sa.LargeBinary),
        _e.used_at.is_(None),
        _e.expires_at > _now,
    )
    .values(used_at=_now),
    audit_events,
)


def issue_code(c: Connection, vault: Vault, member_id: str, *, now: datetime) -> str:
    """A new enrolment code of the member, in groups of four, good once within CODE_VALID_FOR. Earlier ones are void."""
    code = random_text(_LENGTH)
    c.execute(_FORGET_CODE, member=member_id)
    digest = _digest(vault, member_id, code)
    c.execute(_INSERT_CODE, member_id=member_id, digest=digest, expires_at=now + CODE_VALID_FOR, used_at=None)
    return in_groups(code)


def begin(
    c: Connection, vault: Vault, member_id: str, code: str, *, session: str, now: datetime, record: Mapping[str, Any]
) -> bool:
    """The code is spent, and a new secret awaits its first code in this session; `record` is written with it.

    False for a wrong, used or expired code, and for a member who has an authenticator: an administrator ends it first.
    """
    if confirmed_since(c, member_id) is not None:
        return False
    spend = {"member": member_id, "of_code": _digest(vault, member_id, code), "now": now}
    if not c.redeem(SPEND_ENROLMENT_CODE, spend, record):
        return False
    c.execute(_FORGET_PENDING, member=member_id)  # by whoever spent the code alone: another would forget the new one
    c.execute(
        _INSERT,
        member_id=member_id,
        sealed=vault.seal(totp.new_secret(), place=PLACE),
        last_step=NO_STEP,
        attempts=0,
        attempts_until=now,
        staff_session_id=session,
        created_at=now,
        confirmed_at=None,
    )
    return True


def pending(c: Connection, vault: Vault, member_id: str, *, session: str, now: datetime) -> PendingAuthenticator | None:
    """The secret that awaits its first code in this session. None if there is none, or it is older than SET_UP_FOR."""
    row = c.one(_PENDING, member=member_id, session=session, since=now - SET_UP_FOR)
    return PendingAuthenticator(member_id, vault.open(row.sealed, place=PLACE)) if row else None


def confirm(
    c: Connection, vault: Vault, member_id: str, code: str, *, session: str, now: datetime, record: Mapping[str, Any]
) -> bool:
    """The pending authenticator counts from now on if the code is its own; `record` is written. Raises Throttled."""
    sealed = _tried(c, _TRY_PENDING, member_id, now, session=session, since=now - SET_UP_FOR)
    step = _step_of(vault, sealed, code, now)
    spend = {"member": member_id, "session": session, "step": step, "now": now}
    return step is not None and c.redeem(CONFIRM_STAFF_AUTHENTICATOR, spend, record)


def spend(c: Connection, vault: Vault, member_id: str, code: str, *, now: datetime, record: Mapping[str, Any]) -> bool:
    """True if the member's authenticator shows this code now and it was not used before; `record` is written.

    Raises Throttled after MOST_ATTEMPTS wrong codes within WINDOW. Two statements. The caller's transaction must commit
    after a wrong code, too: otherwise the attempt is not counted.
    """
    step = _step_of(vault, _tried(c, _TRY, member_id, now), code, now)
    return step is not None and c.redeem(SPEND_STAFF_STEP, {"member": member_id, "step": step, "now": now}, record)


def confirmed_since(c: Connection, member_id: str) -> datetime | None:
    """Since when the member has an authenticator. None if they have none."""
    row = c.one(_SINCE, member=member_id)
    return None if row is None else row.confirmed_at


def remove(c: Connection, member_id: str) -> bool:
    """The member has no authenticator and no enrolment code. False if they had neither."""
    return c.execute(_FORGET_CODE, member=member_id) + c.execute(_REMOVE, member=member_id) > 0


def _tried(c: Connection, statement: Statement, member_id: str, now: datetime, **more: Any) -> bytes | None:
    """The sealed secret that may be tried, with the attempt counted. None if there is none. Raises Throttled."""
    row = c.one(statement, member=member_id, now=now, until=now + WINDOW, **more)
    if row is not None:
        return bytes(row.sealed)
    full = c.one(_OPENS_AT, member=member_id, now=now)
    if full is not None:
        raise Throttled(full.attempts_until - now)
    return None


def _step_of(vault: Vault, sealed: bytes | None, code: str, now: datetime) -> int | None:
    return None if sealed is None else totp.step_of(vault.open(sealed, place=PLACE), code, now)


def _digest(vault: Vault, member_id: str, code: str) -> bytes:
    return vault.pepper(f"{member_id}|{meant(code)}".encode("utf-8", "replace"), purpose=_PURPOSE)
