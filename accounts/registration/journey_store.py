"""Where journeys are kept: sealed, found by the digest of a handle that only one browser has, for JOURNEY_FOR at most.

A journey is written in place of the version that was read, by one conditional statement: of two answers to one page
only one counts. One network keeps at most MOST_FROM journeys; a new one removes the oldest of its network
(docs/decisions/0043-what-strangers-leave.md).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime, metadata, microseconds, moment
from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind
from accounts.registration import Proof
from accounts.registration.journey import JOURNEY_FOR, Journey, PhoneCode, Stage, Verification
from accounts.vault import Vault

JOURNEY = "journeys.sealed"
MOST_FROM = 1000

journeys = sa.Table(
    "journeys",
    metadata,
    sa.Column("handle_digest", sa.Text, primary_key=True),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("sealed", sa.LargeBinary),  # name, number, phone, code, proofs; NULL when the journey is over
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text),  # the client's request to which the person returns
    sa.Column("opened_from", sa.Text, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.CheckConstraint(sa.column("stage").in_([stage.value for stage in Stage]), name="stage"),
    sa.Index("ix_journeys_expires_at_handle_digest", "expires_at", "handle_digest"),
    sa.Index("ix_journeys_opened_from_expires_at", "opened_from", "expires_at"),
)
_j = journeys.c
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)
_INSERT = Statement(sa.insert(journeys))
_FIND = Statement(sa.select(journeys).where(_j.handle_digest == sa.bindparam("handle"), _j.expires_at > _now))
_SAVE = Statement(
    sa.update(journeys)
    .where(_j.handle_digest == sa.bindparam("handle"), _j.version == sa.bindparam("was"), _j.expires_at > _now)
    .values(
        stage=sa.bindparam("to_stage"),
        sealed=sa.bindparam("content"),
        version=_j.version + 1,
    )
)
_REMOVE = Statement(sa.delete(journeys).where(_j.handle_digest == sa.bindparam("handle")))
_of_network = _j.opened_from == sa.bindparam("network")


def make_room(most: int) -> Statement:
    """The statement that leaves the newest `most - 1` journeys of a network."""
    newest = sa.select(_j.handle_digest).where(_of_network).order_by(_j.expires_at.desc())
    return Statement(sa.delete(journeys).where(_j.handle_digest.in_(newest.offset(most - 1))))


_MAKE_ROOM = make_room(MOST_FROM)


def begin(c: Connection, vault: Vault, handle: str, journey: Journey, *, network: str, now: datetime) -> None:
    """The journey is stored under the handle, instead of any earlier one of this handle."""
    c.execute(_MAKE_ROOM, network=network)
    c.execute(_REMOVE, handle=_digest(handle))
    c.execute(
        _INSERT,
        handle_digest=_digest(handle),
        stage=journey.stage.value,
        version=journey.version,
        sealed=_sealed(vault, journey),
        document=journey.document.value,
        request_id=journey.request_id,
        opened_from=network,
        expires_at=now + JOURNEY_FOR,
    )


def find(c: Connection, vault: Vault, handle: str, now: datetime) -> Journey | None:
    """The journey of this handle, or None if there is none or its time is over. Raises SealBroken."""
    row = c.one(_FIND, handle=_digest(handle), now=now)
    if row is None:
        return None
    found = Journey(IdentifierKind(row.document), Stage(row.stage), row.request_id, row.version)
    return found if row.sealed is None else _opened(found, orjson.loads(vault.open(row.sealed, place=JOURNEY)))


def save(c: Connection, vault: Vault, handle: str, journey: Journey, now: datetime) -> bool:
    """The journey replaces the version that it came from. False if another answer was first, or its time is over."""
    written = c.execute(
        _SAVE,
        handle=_digest(handle),
        was=journey.version,
        to_stage=journey.stage.value,
        content=_sealed(vault, journey),
        now=now,
    )
    return written == 1


def _digest(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()


def _sealed(vault: Vault, journey: Journey) -> bytes | None:
    if journey.stage in (Stage.KNOWN, Stage.DONE):
        return None
    verification, code = journey.verification, journey.code
    content = {
        "name": journey.name,
        "number": journey.number,
        "phone": journey.phone,
        "proofs": [[p.kind.value, p.source, microseconds(p.expires_at)] for p in journey.proofs],
        "verification": verification and [verification.upstream, verification.reference],
        "code": code and [code.digits, microseconds(code.sent_at), code.tries],
    }
    return vault.seal(orjson.dumps(content).decode(), place=JOURNEY)


def _opened(found: Journey, content: dict[str, Any]) -> Journey:
    return replace(
        found,
        name=content["name"],
        number=content["number"],
        phone=content["phone"],
        proofs=tuple(Proof(EvidenceKind(kind), source, moment(end)) for kind, source, end in content["proofs"]),
        verification=Verification(*content["verification"]) if content["verification"] else None,
        code=_code(*content["code"]) if content["code"] else None,
    )


def _code(digits: str, sent_at: int, tries: int) -> PhoneCode:
    at = moment(sent_at)
    if at is None:
        raise ValueError("a code has the time when it was sent")
    return PhoneCode(digits, at, tries)
