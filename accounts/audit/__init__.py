"""The audit: an append-only table of what happened. A sealing job chains its records in batches.

A writer only inserts its row, in the transaction of the fact, so writers never wait for one another. The sealing job
gives each new row a place in a batch and a signature over the row and the previous signature, keyed by the vault. A
changed, removed or reordered row breaks the chain at that row. Rows that are newer than the last run of the job are not
chained yet.

A signature cannot be moved to another key. A valid batch can be countersigned under a new key
(accounts.audit.key_rotation); then the old key may be retired. No record holds a number, a name, a phone or a secret:
`detail` is for codes and counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from accounts.audit.events import EVENTS, Event
from accounts.database import Connection, Json, Statement, UtcDateTime, metadata, new_id
from accounts.vault import Vault

BATCH = 1000
_PURPOSE = "audit"
BATCH_PURPOSE = "audit batch"
_KNOWN = frozenset(event.name for event in EVENTS)

audit_events = sa.Table(
    "audit_events",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("actor", sa.Text),  # who acted, where that is not the person: a clerk, an administrator, a job
    sa.Column("person_id", sa.Text),  # no foreign key: the record outlives the client
    sa.Column("client_id", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("source", sa.Text),  # network address
    sa.Column("detail", Json),
    sa.Column("batch", sa.BigInteger),
    sa.Column("position", sa.Integer),
    sa.Column("seal", sa.LargeBinary),
    sa.CheckConstraint("outcome IN ('success', 'failure', 'refused')", name="outcome"),
    sa.Index("ix_audit_events_person_id_at", "person_id", "at"),
)
_is_sealed = audit_events.c.batch.is_not(None)  # a record that is not in a batch yet costs no index entry
sa.Index(
    "uq_audit_events_batch_position",
    audit_events.c.batch,
    audit_events.c.position,
    unique=True,
    sqlite_where=_is_sealed,
    postgresql_where=_is_sealed,
)
sa.Index(
    "ix_audit_events_unsealed",
    audit_events.c.at,
    audit_events.c.id,
    sqlite_where=audit_events.c.batch.is_(None),
    postgresql_where=audit_events.c.batch.is_(None),
)

audit_batches = sa.Table(
    "audit_batches",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Column("seal", sa.LargeBinary, nullable=False),  # of the last record: a copy elsewhere reveals a cut
    sa.Column("sealed_at", UtcDateTime, nullable=False),
    sa.Column("countersigned", sa.LargeBinary),  # over the whole batch, under a newer key
)

_FACTS = ("id", "at", "event", "outcome", "actor", "person_id", "client_id", "channel", "source", "detail")

_INSERT = Statement(sa.insert(audit_events))
_RECENT = Statement(
    sa.select(audit_events)
    .where(audit_events.c.person_id == sa.bindparam("person"))
    .order_by(audit_events.c.at.desc(), audit_events.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_RECENT_OF = Statement(
    sa.select(audit_events)
    .where(audit_events.c.person_id == sa.bindparam("person"), audit_events.c.event == sa.bindparam("of_event"))
    .order_by(audit_events.c.at.desc(), audit_events.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_BEFORE = Statement(
    sa.select(audit_events)
    .where(
        audit_events.c.person_id == sa.bindparam("person"),
        audit_events.c.at <= sa.bindparam("before_at", type_=UtcDateTime),
        sa.or_(
            audit_events.c.at < sa.bindparam("before_at", type_=UtcDateTime),
            audit_events.c.id > sa.bindparam("before_id"),
        ),
    )
    .order_by(audit_events.c.at.desc(), audit_events.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_UNSEALED = Statement(
    sa.select(audit_events)
    .where(audit_events.c.batch.is_(None))
    .order_by(audit_events.c.at, audit_events.c.id)
    .limit(BATCH)
)
_SEAL = Statement(
    sa.update(audit_events)
    .where(audit_events.c.id == sa.bindparam("event_id"), audit_events.c.batch.is_(None))
    .values(
        batch=sa.bindparam("in_batch", type_=sa.BigInteger),
        position=sa.bindparam("at_position", type_=sa.Integer),
        seal=sa.bindparam("signature", type_=sa.LargeBinary),
    )
)
_LAST_BATCH = Statement(sa.select(audit_batches).order_by(audit_batches.c.number.desc()).limit(1))
_INSERT_BATCH = Statement(sa.insert(audit_batches), columns=[c.key for c in audit_batches.columns])
_BATCHES = Statement(sa.select(audit_batches).order_by(audit_batches.c.number))
OF_BATCH = Statement(
    sa.select(audit_events)
    .where(audit_events.c.batch == sa.bindparam("number", type_=sa.BigInteger))
    .order_by(audit_events.c.position)
)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record, as the account page and the auditor see it."""

    id: str
    at: datetime
    event: Event
    outcome: str
    actor: str | None
    client_id: str | None
    channel: str | None
    source: str | None
    detail: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """What `verify` found. `broken` is None when every chained record is valid, otherwise the first invalid one."""

    records: int
    batches: int
    broken: BrokenRecord | None = None


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """The first invalid record. `event_id` is None where a record is missing."""

    batch: int
    position: int
    event_id: str | None
    reason: str  # changed | missing | batch_missing | batch_changed | key_missing


def row(
    event: str,
    *,
    now: datetime,
    actor: str | None = None,
    person: str | None = None,
    client: str | None = None,
    channel: str | None = None,
    source: str | None = None,
    outcome: str = "success",
    detail: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A whole row of audit_events, for an INSERT or a Redemption. Raises ValueError for an event not in EVENTS."""
    if event not in _KNOWN:
        raise ValueError(f"{event} is not in accounts.audit.events.EVENTS")
    return {
        "id": new_id(),
        "at": now,
        "event": event,
        "outcome": outcome,
        "actor": actor,
        "person_id": person,
        "client_id": client,
        "channel": channel,
        "source": source,
        "detail": None if detail is None else dict(detail),
        "batch": None,
        "position": None,
        "seal": None,
    }


def append(
    c: Connection,
    event: str,
    *,
    now: datetime,
    actor: str | None = None,
    person: str | None = None,
    client: str | None = None,
    channel: str | None = None,
    source: str | None = None,
    outcome: str = "success",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """The event is on record if, and only if, the caller's transaction commits. Raises ValueError as `row`."""
    facts = row(
        event,
        now=now,
        actor=actor,
        person=person,
        client=client,
        channel=channel,
        source=source,
        outcome=outcome,
        detail=detail,
    )
    record(c, facts)


def record(c: Connection, facts: Mapping[str, Any]) -> None:
    """The row that `row` made is on record if, and only if, the caller's transaction commits."""
    c.execute(_INSERT, **facts)


def recent(c: Connection, person: str, limit: int) -> tuple[AuditRecord, ...]:
    """The person's newest records first, at most `limit`."""
    return _records(c.rows(_RECENT, person=person, most=limit))


def recent_of(c: Connection, person: str, event: str, limit: int) -> tuple[AuditRecord, ...]:
    """The person's newest records of that event first, at most `limit`."""
    return _records(c.rows(_RECENT_OF, person=person, of_event=event, most=limit))


def before(c: Connection, person: str, at: datetime, record_id: str, limit: int) -> tuple[AuditRecord, ...]:
    """The person's records that come after that one in the order of `recent`: the older ones, at most `limit`."""
    return _records(c.rows(_BEFORE, person=person, before_at=at, before_id=record_id, most=limit))


def _records(rows: list[Any]) -> tuple[AuditRecord, ...]:
    events = {event.name: event for event in EVENTS}
    return tuple(
        AuditRecord(
            r.id,
            r.at,
            events.get(r.event, Event(r.event, r.event, r.event)),
            r.outcome,
            r.actor,
            r.client_id,
            r.channel,
            r.source,
            r.detail,
        )
        for r in rows
    )


def seal(c: Connection, vault: Vault, *, now: datetime) -> int:
    """The oldest unchained records, at most BATCH, are chained; returns how many. Call again until it returns 0.

    Needs an open transaction. Raises Conflict when another job sealed the same batch; the caller then ends the
    transaction, and nothing is lost.
    """
    if not c.in_transaction:
        raise RuntimeError("a batch is sealed inside a transaction, so that it is chained whole or not at all")
    events = c.rows(_UNSEALED)
    if not events:
        return 0
    last = c.one(_LAST_BATCH)
    number, signature = (last.number + 1, last.seal) if last else (1, b"")
    chained = []
    for position, event in enumerate(events):
        signature = vault.sign(_record(signature, number, position, event), purpose=_PURPOSE)
        chained.append({"event_id": event.id, "in_batch": number, "at_position": position, "signature": signature})
    c.execute(_INSERT_BATCH, number=number, records=len(events), seal=signature, sealed_at=now, countersigned=None)
    c.execute_many(_SEAL, chained)
    return len(events)


def verify(c: Connection, vault: Vault) -> VerificationResult:
    """Read every chained record again, in order, and stop at the first invalid one."""
    records, signature = 0, b""
    batches = c.rows(_BATCHES)
    for expected, batch in enumerate(batches, start=1):
        if batch.number != expected:
            return VerificationResult(records, expected - 1, BrokenRecord(expected, 0, None, "batch_missing"))
        broken = broken_batch(c.rows(OF_BATCH, number=batch.number), batch, signature, vault)
        if broken:
            return VerificationResult(records + broken.position, expected - 1, broken)
        records, signature = records + batch.records, batch.seal
    return VerificationResult(records, len(batches))


def broken_batch(events: list[Any], batch: Any, before: bytes, vault: Vault) -> BrokenRecord | None:
    """The first invalid record of the batch, or None. `before` is the seal of the previous batch.

    If the key that signed the records is gone, the countersignature is checked over the batch as a whole.
    """
    signed, countersigned = vault.knows(batch.seal), vault.knows(batch.countersigned or b"")
    if not signed and not countersigned:
        return BrokenRecord(batch.number, 0, None, "key_missing")
    broken = _broken_record(events, batch, before, vault) if signed else None
    if broken is None and countersigned:
        whole = as_a_whole(events, batch, before)
        if not vault.signed(whole, batch.countersigned, purpose=BATCH_PURPOSE):
            return BrokenRecord(batch.number, 0, None, "batch_changed")
    return broken


def as_a_whole(events: list[Any], batch: Any, before: bytes) -> bytes:
    """What a countersignature covers: the previous signature, the batch's place, every record, every signature."""
    parts = [before, orjson.dumps([batch.number, batch.records]), batch.seal]
    parts += [_record(event.seal or b"", batch.number, event.position, event) for event in events]
    return b"".join(hashlib.sha256(part).digest() for part in parts)


def _broken_record(events: list[Any], batch: Any, signature: bytes, vault: Vault) -> BrokenRecord | None:
    number: int = batch.number
    for position, event in enumerate(events):
        if event.position != position:
            return BrokenRecord(number, position, None, "missing")
        if not vault.signed(_record(signature, number, position, event), event.seal or b"", purpose=_PURPOSE):
            return BrokenRecord(number, position, event.id, "changed")
        signature = event.seal
    if len(events) < batch.records:
        return BrokenRecord(number, len(events), None, "missing")
    if signature != batch.seal:
        return BrokenRecord(number, len(events) - 1, None, "batch_changed")
    return None


def _record(before: bytes, batch: int, position: int, event: Any) -> bytes:
    """What a signature covers: the previous signature, the place in the chain, and every column of the row."""
    facts = [getattr(event, name) for name in _FACTS]
    return before + orjson.dumps([batch, position, *facts], option=orjson.OPT_SORT_KEYS)
