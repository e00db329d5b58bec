"""Where recovery journeys are kept: found by the digest of a handle that only one browser has, for JOURNEY_FOR at most.

A journey is written in place of the version that was read, by one conditional statement: of two answers to one page
only one counts. One network keeps at most MOST_FROM journeys; a new one removes the oldest of its network
(docs/decisions/0043-what-strangers-leave.md).
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime, metadata
from accounts.people.recovery import ProofKind
from accounts.people.recovery.journey import JOURNEY_FOR, RecoveryJourney, Stage

MOST_FROM = 1000

recovery_journeys = sa.Table(
    "recovery_journeys",
    metadata,
    sa.Column("handle_digest", sa.Text, primary_key=True),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),  # of the throttle: a keyed digest of the number and the network
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), index=True),  # None: nobody
    sa.Column("proofs", sa.Text, nullable=False),  # kinds, with commas
    sa.Column("recovery_id", sa.Text),
    sa.Column("opened_from", sa.Text, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.CheckConstraint(sa.column("stage").in_([stage.value for stage in Stage]), name="stage"),
    sa.CheckConstraint("person_id IS NOT NULL OR proofs = ''", name="nobody_proves_nothing"),
    sa.Index("ix_recovery_journeys_expires_at_handle_digest", "expires_at", "handle_digest"),
    sa.Index("ix_recovery_journeys_opened_from_expires_at", "opened_from", "expires_at"),
)
_j = recovery_journeys.c
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)
_INSERT = Statement(sa.insert(recovery_journeys))
_FIND = Statement(sa.select(recovery_journeys).where(_j.handle_digest == sa.bindparam("handle"), _j.expires_at > _now))
_SAVE = Statement(
    sa.update(recovery_journeys)
    .where(_j.handle_digest == sa.bindparam("handle"), _j.version == sa.bindparam("was"), _j.expires_at > _now)
    .values(
        stage=sa.bindparam("to_stage"),
        proofs=sa.bindparam("now_shown"),
        recovery_id=sa.bindparam("paid_by", type_=sa.Text),
        version=_j.version + 1,
    )
)
_REMOVE = Statement(sa.delete(recovery_journeys).where(_j.handle_digest == sa.bindparam("handle")))
_REMOVE_ALL_OF = Statement(
    sa.delete(recovery_journeys).where(_j.person_id == sa.bindparam("person"), _j.stage != Stage.DONE.value)
)
_of_network = _j.opened_from == sa.bindparam("network")
_newest = sa.select(_j.handle_digest).where(_of_network).order_by(_j.expires_at.desc())
_MAKE_ROOM = Statement(sa.delete(recovery_journeys).where(_j.handle_digest.in_(_newest.offset(MOST_FROM - 1))))


def begin(c: Connection, handle: str, journey: RecoveryJourney, *, network: str, now: datetime) -> None:
    """The journey is stored under the handle, instead of any earlier one of this handle."""
    c.execute(_MAKE_ROOM, network=network)
    c.execute(_REMOVE, handle=digest(handle))
    c.execute(
        _INSERT,
        handle_digest=digest(handle),
        stage=journey.stage.value,
        version=journey.version,
        subject=journey.subject,
        person_id=journey.person_id,
        proofs=_written(journey),
        recovery_id=journey.recovery_id,
        opened_from=network,
        expires_at=now + JOURNEY_FOR,
    )


def find(c: Connection, handle: str, now: datetime) -> RecoveryJourney | None:
    """The journey of this handle, or None if there is none or its time is over."""
    row = c.one(_FIND, handle=digest(handle), now=now)
    if row is None:
        return None
    proofs = tuple(ProofKind(kind) for kind in row.proofs.split(",") if kind)
    return RecoveryJourney(row.subject, row.person_id, Stage(row.stage), proofs, row.recovery_id, row.version)


def save(c: Connection, handle: str, journey: RecoveryJourney, now: datetime) -> bool:
    """The journey replaces the version that it came from. False if another answer was first, or its time is over."""
    written = c.execute(
        _SAVE,
        handle=digest(handle),
        was=journey.version,
        to_stage=journey.stage.value,
        now_shown=_written(journey),
        paid_by=journey.recovery_id,
        now=now,
    )
    return written == 1


def end_all_of(c: Connection, person_id: str) -> None:
    """No browser is on the way to a new password of this person."""
    c.execute(_REMOVE_ALL_OF, person=person_id)


def digest(handle: str) -> str:
    """What stands for the handle in the database."""
    return hashlib.sha256(handle.encode()).hexdigest()


def _written(journey: RecoveryJourney) -> str:
    return ",".join(kind.value for kind in journey.proofs)
