"""Recoveries that somebody must agree to: a wait that the person can cancel, and a code that two clerks hand out.

A row is spent by one conditional statement, once: it is finished by the person, or cancelled, or its time ends. The
number that cancels is only a digest here. It is not keyed, so that it outlives a rotation of the vault's keys; whoever
found one could only stop a recovery.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from accounts.credentials.recovery_codes import in_groups, meant, random_text
from accounts.database import Connection, Statement, UtcDateTime, metadata, new_id
from accounts.people.recovery import ProofKind
from accounts.people.recovery.journey_store import end_all_of
from accounts.vault import Vault

FINISH_WITHIN = timedelta(days=7)  # after the wait
CONFIRM_WITHIN = timedelta(minutes=15)
CODE_FOR = timedelta(minutes=15)
WAIT, COUNTER = "wait", "counter"
_LENGTH = 12  # 60 bits of a code that lives for minutes
_DIGITS = 12  # of a cancel number

recoveries = sa.Table(
    "recoveries",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("proofs", sa.Text, nullable=False),  # kinds, with commas: what began a wait, and must be shown again
    sa.Column("begun_at", UtcDateTime, nullable=False),
    sa.Column("begun_by", sa.Text),  # the clerk who read the chip
    sa.Column("confirmed_by", sa.Text),  # the other clerk
    sa.Column("code_digest", sa.Text),  # keyed, hexadecimal
    sa.Column("code_used_at", UtcDateTime),
    sa.Column("opens_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("cancel_digest", sa.Text, index=True),
    sa.Column("cancelled_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    sa.CheckConstraint("kind IN ('wait', 'counter')", name="kind"),
    sa.CheckConstraint("(kind = 'counter') = (begun_by IS NOT NULL)", name="clerk"),
    sa.CheckConstraint("confirmed_by IS NULL OR confirmed_by <> begun_by", name="two_clerks"),
    sa.CheckConstraint("code_digest IS NULL OR confirmed_by IS NOT NULL", name="confirmed_code"),
    sa.CheckConstraint("cancelled_at IS NULL OR finished_at IS NULL", name="one_end"),
    sa.CheckConstraint("kind = 'counter' OR proofs <> ''", name="proven"),
    sa.Index("ix_recoveries_expires_at_id", "expires_at", "id"),
)
_r = recoveries.c
_p = sa.bindparam
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)
_IS_OPEN = (_r.cancelled_at.is_(None), _r.finished_at.is_(None), _r.expires_at > _now)
_INSERT = Statement(sa.insert(recoveries))
_OPEN_OF = Statement(
    sa.select(_r.id, _r.kind, _r.proofs, _r.begun_at, _r.opens_at)
    .where(_r.person_id == _p("person"), *_IS_OPEN)
    .order_by(_r.opens_at, _r.id)
)
_CONFIRM = Statement(
    sa.update(recoveries)
    .where(
        _r.id == _p("recovery"),
        _r.kind == COUNTER,
        _r.confirmed_by.is_(None),
        _r.begun_by != _p("clerk"),
        *_IS_OPEN,
    )
    .values(
        confirmed_by=_p("clerk"),
        code_digest=_p("of_code"),
        cancel_digest=_p("of_cancel"),
        expires_at=_p("ends", type_=UtcDateTime),
    )
    .returning(_r.person_id)
)
USE_CODE = Statement(
    sa.update(recoveries)
    .where(_r.person_id == _p("person"), _r.code_digest == _p("of_code"), _r.code_used_at.is_(None), *_IS_OPEN)
    .values(code_used_at=_now, expires_at=_p("ends", type_=UtcDateTime))
    .returning(_r.id)
)
FINISH = Statement(
    sa.update(recoveries)
    .where(
        _r.id == _p("recovery"),
        _r.person_id == _p("person"),
        _r.opens_at <= _now,
        sa.or_(_r.kind == WAIT, _r.code_used_at.is_not(None)),
        *_IS_OPEN,
    )
    .values(finished_at=_now)
)
_CANCEL_ALL = Statement(sa.update(recoveries).where(_r.person_id == _p("person"), *_IS_OPEN).values(cancelled_at=_now))
_BY_NUMBER = Statement(sa.select(_r.person_id).where(_r.cancel_digest == _p("of_cancel"), *_IS_OPEN))


@dataclass(frozen=True, slots=True)
class Recovery:
    """One that is open: what was shown when it began, and from when on it may be finished."""

    id: str
    kind: str
    proofs: frozenset[ProofKind]
    begun_at: datetime
    opens_at: datetime


@dataclass(frozen=True, slots=True)
class BegunWait:
    """A wait that has begun, and the number by which anybody who gets a notice can cancel it."""

    id: str
    opens_at: datetime
    cancel_number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CounterCode:
    """What two clerks hand out: the person types it. It is shown once."""

    person_id: str
    code: str = field(repr=False)
    cancel_number: str = field(repr=False)


def begin_wait(
    c: Connection, person_id: str, proofs: frozenset[ProofKind], *, wait: timedelta, now: datetime
) -> BegunWait:
    """The person may set a password after `wait`, if they then show the same and nobody has cancelled."""
    number = "".join(str(secrets.randbelow(10)) for _ in range(_DIGITS))
    row = _row(person_id, WAIT, now) | {
        "proofs": ",".join(sorted(each.value for each in proofs)),
        "opens_at": now + wait,
        "expires_at": now + wait + FINISH_WITHIN,
        "cancel_digest": _cancel_digest(number),
    }
    c.execute(_INSERT, **row)
    return BegunWait(row["id"], row["opens_at"], in_groups(number))


def open_of(c: Connection, person_id: str, now: datetime) -> tuple[Recovery, ...]:
    """The person's recoveries that can still be finished or cancelled, the earliest to open first."""
    return tuple(
        Recovery(
            row.id,
            row.kind,
            frozenset(ProofKind(each) for each in row.proofs.split(",") if each),
            row.begun_at,
            row.opens_at,
        )
        for row in c.rows(_OPEN_OF, person=person_id, now=now)
    )


def begin_at_counter(c: Connection, person_id: str, *, clerk: str, now: datetime) -> str:
    """A clerk has seen the person and their card. Another clerk has CONFIRM_WITHIN to agree. Returns its id."""
    row = _row(person_id, COUNTER, now) | {"begun_by": clerk, "opens_at": now, "expires_at": now + CONFIRM_WITHIN}
    c.execute(_INSERT, **row)
    return str(row["id"])


def confirm_at_counter(
    c: Connection, vault: Vault, recovery_id: str, *, clerk: str, now: datetime
) -> CounterCode | None:
    """Another clerk agrees, and the code may be handed to the person for CODE_FOR.

    None if the same clerk began it, it is confirmed already, cancelled or over. One conditional statement.
    """
    code = random_text(_LENGTH)
    number = "".join(str(secrets.randbelow(10)) for _ in range(_DIGITS))
    row = c.one(
        _CONFIRM,
        recovery=recovery_id,
        clerk=clerk,
        of_code=_code_digest(vault, code),
        of_cancel=_cancel_digest(number),
        ends=now + CODE_FOR,
        now=now,
    )
    return None if row is None else CounterCode(row.person_id, in_groups(code), in_groups(number))


def use_code(c: Connection, vault: Vault, person_id: str, typed: str, *, now: datetime) -> str | None:
    """The recovery whose code this is, used now, and with CODE_FOR to choose a password. None for any other text."""
    digest = _code_digest(vault, meant(typed))
    row = c.one(USE_CODE, person=person_id, of_code=digest, ends=now + CODE_FOR, now=now)
    return None if row is None else str(row.id)


def finish(c: Connection, recovery_id: str, person_id: str, *, now: datetime) -> bool:
    """The recovery is spent for the password that the same transaction sets. False if it may not be, or was before."""
    return c.execute(FINISH, recovery=recovery_id, person=person_id, now=now) == 1


def cancel_all(c: Connection, person_id: str, *, now: datetime) -> int:
    """Nothing that was begun for this person leads to a password. Returns how many recoveries were open."""
    end_all_of(c, person_id)
    return c.execute(_CANCEL_ALL, person=person_id, now=now)


def whose(c: Connection, cancel_number: str, *, now: datetime) -> str | None:
    """The person whose open recovery this number cancels."""
    row = c.one(_BY_NUMBER, of_cancel=_cancel_digest(meant(cancel_number)), now=now)
    return None if row is None else str(row.person_id)


def _row(person_id: str, kind: str, now: datetime) -> dict[str, Any]:
    empty = dict.fromkeys(recoveries.c.keys())
    return empty | {"id": new_id(), "person_id": person_id, "kind": kind, "proofs": "", "begun_at": now}


def _cancel_digest(number: str) -> str:
    return hashlib.sha256(number.encode("utf-8", "replace")).hexdigest()


def _code_digest(vault: Vault, code: str) -> str:
    return vault.pepper(code.encode("utf-8", "replace"), purpose="counter recovery").hex()
