"""Verified phones: who has proven to hold which number, since when, and who confirms it.

A phone number identifies a SIM card. Families share one and operators reissue one, so a verified phone finds a person
to ask for a secret and proves nothing by itself beyond IAL1 (docs/decisions/0047-a-phone-is-verified-by-evidence.md).
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from accounts import audit, evidence
from accounts.database import Connection, Statement
from accounts.errors import Conflict
from accounts.evidence import EvidenceKind
from accounts.identifiers import Mobile
from accounts.people import MOST_HOLDERS, People, person_phones
from accounts.people.recovery import journey_store
from accounts.vault.blind_index import matches

_OTHERS = Statement(
    sa.select(person_phones.c.person_id)
    .where(
        matches(person_phones.c.blind_index),
        person_phones.c.verified_at.is_not(None),
        person_phones.c.person_id != sa.bindparam("holder"),
    )
    .order_by(person_phones.c.person_id)
)
_HELD = Statement(
    sa.select(person_phones.c.verified_at).where(
        person_phones.c.person_id == sa.bindparam("holder"),
        matches(person_phones.c.blind_index),
        person_phones.c.verified_at.is_not(None),
    )
)
_END = Statement(
    sa.delete(person_phones).where(
        person_phones.c.person_id == sa.bindparam("holder"), matches(person_phones.c.blind_index)
    )
)


class PhoneHeldByMany(Conflict):
    """The most persons that may share a phone have verified this one already."""

    code = "phone_held_by_many"


def verify(
    c: Connection, people: People, person_id: str, phone: Mobile, *, source: str, now: datetime, actor: str | None
) -> None:
    """Record that the person holds this phone: its row says since when, and the evidence who confirms it (`source`).

    The phone is added if the person does not have it; their first phone is the primary one. A second check keeps the
    time of the first, which decides who a shared phone finds, and adds evidence. Raises PhoneHeldByMany. Runs in the
    caller's transaction, with its audit record.
    """
    if len(others(c, people, person_id, phone)) >= MOST_HOLDERS:
        raise PhoneHeldByMany
    theirs = {each.canonical: each.verified_at for each in people.phones(c, person_id)}
    if phone.canonical not in theirs:
        people.add_phone(c, person_id, phone, is_primary=not theirs, now=now)
    if theirs.get(phone.canonical) is None:
        people.phone_verified(c, person_id, phone, now=now)
    evidence.record(c, person_id, EvidenceKind.PHONE, source=source, at=now)
    audit.append(c, "person:phone:verify", now=now, actor=actor, person=person_id)


def take(
    c: Connection, people: People, person_id: str, phone: Mobile, *, is_shared: bool, source: str, now: datetime
) -> tuple[str, ...]:
    """The person has just shown to hold this phone. Returns whose phone it no longer is.

    With `is_shared` it stays the phone of others who verified it, up to the most that may share one (PhoneHeldByMany).
    Otherwise it moves: it ends for everybody else, for its operator may have reissued the number. Their accounts keep
    everything else, and nothing of them is shown.
    """
    former = () if is_shared else end_for_others(c, people, person_id, phone, now=now)
    verify(c, people, person_id, phone, source=source, now=now, actor=None)
    return former


def end_for_others(c: Connection, people: People, person_id: str, phone: Mobile, *, now: datetime) -> tuple[str, ...]:
    """The phone is nobody's but this person's. Returns the ids of those who had verified it."""
    former = others(c, people, person_id, phone)
    for each in former:
        end(c, people, each, phone, now=now, actor=f"person:{person_id}")
    return former


def is_held(c: Connection, people: People, person_id: str, phone: Mobile) -> bool:
    """Whether the person has verified this phone, and nobody has taken it from them since."""
    return c.one(_HELD, holder=person_id, **people.terms(phone)) is not None


def others(c: Connection, people: People, person_id: str, phone: Mobile) -> tuple[str, ...]:
    """The ids of all other persons who have verified this phone, whatever their status."""
    return tuple(row.person_id for row in c.rows(_OTHERS, holder=person_id, **people.terms(phone)))


def end(c: Connection, people: People, person_id: str, phone: Mobile, *, now: datetime, actor: str | None) -> bool:
    """Remove the phone from the person: they lost the number, or its operator gave it to somebody else.

    No browser that showed a code to it goes on to a new password. If it was their last verified phone, its evidence is
    withdrawn, so that IAL1 falls. Nothing else of the account changes. False if the person did not have it.
    """
    if c.execute(_END, holder=person_id, **people.terms(phone)) == 0:
        return False
    journey_store.end_all_of(c, person_id)
    if not any(each.verified_at for each in people.phones(c, person_id)):
        for each in evidence.of(c, person_id):
            if each.kind is EvidenceKind.PHONE and each.withdrawn_at is None:
                evidence.withdraw(c, each.id, now=now)
    audit.append(c, "person:phone:end", now=now, actor=actor, person=person_id)
    return True
