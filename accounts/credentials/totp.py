"""One-time codes of an authenticator app (TOTP, RFC 6238): six digits, a step of 30 seconds, each step once.

The step before and the step after are accepted, too, because clocks differ (RFC 6238 §5.2). A step is spent by the
statement that records the login, so a code that somebody watched or intercepted opens nothing a second time. An
attempt is counted before the code is compared: guesses that arrive together verify no more codes than the ceiling.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyotp
import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.database import Connection, Redemption, Statement, UtcDateTime, metadata, new_id
from accounts.errors import Throttled
from accounts.vault import Vault

STEP = 30  # seconds
MOST_ATTEMPTS = 8
WINDOW = timedelta(hours=1)
SET_UP_FOR = timedelta(minutes=15)
MOST_AUTHENTICATORS = 3
PLACE = "totp_credentials.sealed"
ISSUER = "一通 Yitong"
_DRIFT = (0, -1, 1)  # the current step first
NO_STEP = -1

totp_credentials = sa.Table(
    "totp_credentials",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the secret
    sa.Column("last_step", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("attempts_until", UtcDateTime, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False, index=True),
    sa.Column("session_id", sa.Text),  # which session began it: no other one sees the secret or confirms it
    sa.Column("confirmed_at", UtcDateTime),  # None until a first code has shown that the app works
)
_t = totp_credentials.c
_p = sa.bindparam
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)


@dataclass(frozen=True, slots=True)
class Authenticator:
    """One authenticator app of a person."""

    id: str
    confirmed_at: datetime


@dataclass(frozen=True, slots=True)
class PendingAuthenticator:
    """An authenticator whose first code is awaited. `secret` is base32, as apps take it."""

    id: str
    secret: str = field(repr=False)

    @property
    def uri(self) -> str:
        """The `otpauth:` address for a QR code. It names nobody: the app shows it to whoever looks at the phone."""
        return pyotp.TOTP(self.secret).provisioning_uri(name="政务服务", issuer_name=ISSUER)


_INSERT = Statement(sa.insert(totp_credentials))
_FORGET_PENDING = Statement(sa.delete(totp_credentials).where(_t.person_id == _p("person"), _t.confirmed_at.is_(None)))
_PENDING = Statement(
    sa.select(_t.id, _t.sealed).where(
        _t.person_id == _p("person"),
        _t.session_id == _p("session"),
        _t.confirmed_at.is_(None),
        _t.created_at > _p("since", type_=UtcDateTime),
    )
)
_CONFIRMED = Statement(
    sa.select(_t.id, _t.confirmed_at)
    .where(_t.person_id == _p("person"), _t.confirmed_at.is_not(None))
    .order_by(_t.confirmed_at, _t.id)
)
_REMOVE = Statement(sa.delete(totp_credentials).where(_t.id == _p("credential"), _t.person_id == _p("person")))
_REMOVE_ALL = Statement(sa.delete(totp_credentials).where(_t.person_id == _p("person")))
_OVER = _t.attempts_until <= _now
_ATTEMPT = {
    "attempts": sa.case((_OVER, 1), else_=_t.attempts + 1),
    "attempts_until": sa.case((_OVER, _p("until", type_=UtcDateTime)), else_=_t.attempts_until),
}
_MAY_TRY = (_t.person_id == _p("person"), sa.or_(_OVER, _t.attempts < MOST_ATTEMPTS))
_TRY = Statement(
    sa.update(totp_credentials)
    .where(*_MAY_TRY, _t.confirmed_at.is_not(None))
    .values(_ATTEMPT)
    .returning(_t.id, _t.sealed, _t.last_step)
)
_TRY_PENDING = Statement(
    sa.update(totp_credentials)
    .where(
        *_MAY_TRY,
        _t.session_id == _p("session"),
        _t.confirmed_at.is_(None),
        _t.created_at > _p("since", type_=UtcDateTime),
    )
    .values(_ATTEMPT)
    .returning(_t.id, _t.sealed, _t.last_step)
)
_OPENS_AT = Statement(
    sa.select(sa.func.min(_t.attempts_until, type_=UtcDateTime).label("at")).where(
        _t.person_id == _p("person"), _t.attempts >= MOST_ATTEMPTS, _t.attempts_until > _now
    )
)
_SPENDABLE = (_t.id == _p("credential"), _t.last_step < _p("step"))
_SPENT = {"last_step": _p("step"), "attempts": 0, "attempts_until": _now}
SPEND_STEP = Redemption(
    sa.update(totp_credentials).where(*_SPENDABLE, _t.confirmed_at.is_not(None)).values(_SPENT), audit_events
)
CONFIRM_AUTHENTICATOR = Redemption(
    sa.update(totp_credentials).where(*_SPENDABLE, _t.confirmed_at.is_(None)).values({**_SPENT, "confirmed_at": _now}),
    audit_events,
)


def has_authenticator(person_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """A condition for a read of a person: they have a confirmed authenticator."""
    return sa.exists().where(_t.person_id == person_id, _t.confirmed_at.is_not(None))


def begin(c: Connection, vault: Vault, person_id: str, *, session: str, now: datetime) -> None:
    """A new secret awaits its first code in this session, instead of any earlier one that never got its own.

    Another session of the person neither sees nor confirms it. Otherwise somebody who knows the password could begin,
    and the person would confirm a secret that both know.
    """
    c.execute(_FORGET_PENDING, person=person_id)
    c.execute(
        _INSERT,
        id=new_id(),
        person_id=person_id,
        sealed=vault.seal(new_secret(), place=PLACE),
        last_step=NO_STEP,
        attempts=0,
        attempts_until=now,
        created_at=now,
        session_id=session,
        confirmed_at=None,
    )


def pending(c: Connection, vault: Vault, person_id: str, *, session: str, now: datetime) -> PendingAuthenticator | None:
    """The secret that awaits its first code in this session. None if there is none, or it is older than SET_UP_FOR."""
    row = c.one(_PENDING, person=person_id, session=session, since=now - SET_UP_FOR)
    return PendingAuthenticator(row.id, vault.open(row.sealed, place=PLACE)) if row else None


def confirm(
    c: Connection, vault: Vault, person_id: str, code: str, *, session: str, now: datetime, record: Mapping[str, Any]
) -> bool:
    """The pending authenticator of this session counts from now on if the code is its own; `record` is written with it.

    Raises Throttled after MOST_ATTEMPTS wrong codes. Two statements.
    """
    rows = _tried(c, _TRY_PENDING, person_id, now, session=session, since=now - SET_UP_FOR)
    return _spent(c, CONFIRM_AUTHENTICATOR, vault, rows, code, now=now, record=record)


def spend(c: Connection, vault: Vault, person_id: str, code: str, *, now: datetime, record: Mapping[str, Any]) -> bool:
    """True if one of the person's authenticators shows this code now and it was not used before; `record` is written.

    Raises Throttled after MOST_ATTEMPTS wrong codes within WINDOW. Two statements. Runs in the caller's transaction,
    which must commit after a wrong code, too: otherwise the attempt is not counted.
    """
    return _spent(c, SPEND_STEP, vault, _tried(c, _TRY, person_id, now), code, now=now, record=record)


def of(c: Connection, person_id: str) -> tuple[Authenticator, ...]:
    """The person's confirmed authenticators, oldest first."""
    return tuple(Authenticator(row.id, row.confirmed_at) for row in c.rows(_CONFIRMED, person=person_id))


def remove(c: Connection, person_id: str, credential_id: str) -> bool:
    """The authenticator opens nothing any more. False if the person has no such authenticator."""
    return c.execute(_REMOVE, credential=credential_id, person=person_id) == 1


def remove_all(c: Connection, person_id: str) -> int:
    """The person has no authenticator, confirmed or not. Returns how many there were."""
    return c.execute(_REMOVE_ALL, person=person_id)


def _tried(c: Connection, statement: Statement, person_id: str, now: datetime, **more: Any) -> list[Any]:
    """The authenticators that may be tried, with the attempt counted. Raises Throttled if none may."""
    rows = c.rows(statement, person=person_id, now=now, until=now + WINDOW, **more)
    if not rows:
        opens_at = c.one(_OPENS_AT, person=person_id, now=now).at
        if opens_at is not None:
            raise Throttled(opens_at - now)
    return rows


def _spent(
    c: Connection,
    redemption: Redemption,
    vault: Vault,
    rows: list[Any],
    code: str,
    *,
    now: datetime,
    record: Mapping[str, Any],
) -> bool:
    for row in rows:
        step = step_of(vault.open(row.sealed, place=PLACE), code, now)
        if step is not None and c.redeem(redemption, {"credential": row.id, "step": step, "now": now}, record):
            return True
    return False


def new_secret() -> str:
    """160 random bits, in base32 as apps take them."""
    return pyotp.random_base32()


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The step, near to now, whose code this is. Every step is compared, whatever the others say."""
    totp, current = pyotp.TOTP(secret, interval=STEP), int(now.timestamp()) // STEP
    fitting = [
        current + drift
        for drift in _DRIFT
        if secrets.compare_digest(totp.generate_otp(current + drift).encode(), code.encode("utf-8", "replace"))
    ]
    return fitting[0] if fitting else None
