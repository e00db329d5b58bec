"""Restrictions: a measure against a person's use of their account, with its reason, its papers and the way to appeal.

A restricted person may sign in to their own pages, see why, copy their data and appeal. No client may act for them: the
gate refuses every status but `active`. `disabled` is another thing: it protects the person from somebody else who may
hold their credentials, so nobody signs in, and the way back is the counter
(docs/decisions/0070-refusals-and-restrictions.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from accounts import audit
from accounts.database import Connection, Statement, UtcDateTime, insert_unless_present, new_id
from accounts.people import People, natural_persons
from accounts.people.restriction import RestrictionReason, restrictions
from accounts.vault import Vault
from idp.login import person_status
from idp.login.person_status import ACTIVE, RESTRICTED, EndedCounts
from idp.rights.tables import APPEAL_ANSWER, APPEAL_TEXT, appeals

LONGEST = 500
SHORTEST = 3  # characters of papers and route, as the table checks them
MOST = 20
_r, _a, _p = restrictions.c, appeals.c, sa.bindparam
_now: sa.BindParameter[datetime] = _p("now", type_=UtcDateTime)

_IMPOSE = Statement(sa.insert(restrictions))
_OF = Statement(
    sa.select(restrictions)
    .join(natural_persons, natural_persons.c.restriction_id == _r.id)
    .where(natural_persons.c.id == _p("person"), _r.lifted_at.is_(None))
)
_LIFT = Statement(
    sa.update(restrictions)
    .where(_r.id == _p("restriction"), _r.lifted_at.is_(None))
    .values(lifted_at=_now, lifted_by=_p("actor"))
)
_APPEAL = Statement(insert_unless_present(appeals), columns=list(_a.keys()))
_APPEALS = Statement(
    sa.select(appeals).where(_a.person_id == _p("person")).order_by(_a.made_at.desc(), _a.id).limit(MOST)
)
_UNDECIDED = Statement(
    sa.select(appeals).where(_a.decided_at.is_(None)).order_by(_a.made_at, _a.id).limit(_p("most", type_=sa.Integer))
)
_ONE_APPEAL = Statement(sa.select(appeals).where(_a.id == _p("appeal")))
_REFUSE = Statement(
    sa.update(appeals)
    .where(_a.id == _p("appeal"), _a.decided_at.is_(None))
    .values(
        decided_at=_now, decision="refused", decided_by=_p("actor"), answer=_p("sealed_answer", type_=sa.LargeBinary)
    )
)
_GRANT = Statement(
    sa.update(appeals)
    .where(_a.restriction_id == _p("restriction"), _a.decided_at.is_(None))
    .values(decided_at=_now, decision="lifted", decided_by=_p("actor"))
)


@dataclass(frozen=True, slots=True)
class Measure:
    """What a restriction must say. Raises ValueError without papers or without the way to appeal."""

    reason: RestrictionReason
    papers: str
    appeal_to: str

    def __post_init__(self) -> None:
        """Checked here, and again by the table."""
        if min(len(self.papers.strip()), len(self.appeal_to.strip())) < SHORTEST:
            raise ValueError("a restriction names its papers and where to appeal")


@dataclass(frozen=True, slots=True)
class Restriction:
    """A restriction in force."""

    id: str
    measure: Measure
    imposed_at: datetime


@dataclass(frozen=True, slots=True)
class Appeal:
    """One appeal, opened. `answer` is the reasons of a refusal."""

    text: str
    made_at: datetime
    decision: str | None
    answer: str | None


def impose(
    c: Connection, people: People, person_id: str, measure: Measure, *, actor: str, now: datetime
) -> EndedCounts | None:
    """The person is restricted, and every session, grant and token has ended. None unless they were active.

    Runs in the caller's transaction (RuntimeError without one), with the audit record.
    """
    person = people.by_id(c, person_id)
    if person is None or person.status != ACTIVE:
        return None
    row = {
        "id": new_id(),
        "person_id": person_id,
        "reason": measure.reason.value,
        "papers": measure.papers.strip(),
        "appeal_to": measure.appeal_to.strip(),
        "imposed_at": now,
        "imposed_by": actor,
        "lifted_at": None,
        "lifted_by": None,
    }
    c.execute(_IMPOSE, **row)
    return person_status.change(c, people, person_id, RESTRICTED, actor=actor, now=now, restriction_id=str(row["id"]))


def lift(c: Connection, people: People, person_id: str, *, actor: str, now: datetime) -> bool:
    """The person is active again, and an open appeal is decided. False if no restriction is in force."""
    found = of_person(c, person_id)
    if found is None or c.execute(_LIFT, restriction=found.id, actor=actor, now=now) != 1:
        return False
    c.execute(_GRANT, restriction=found.id, actor=actor, now=now)
    event = "person:restriction:lift"
    person_status.change(c, people, person_id, ACTIVE, actor=actor, now=now, event=event)
    return True


def of_person(c: Connection, person_id: str) -> Restriction | None:
    """The restriction in force, or None."""
    row = c.one(_OF, person=person_id)
    if row is None:
        return None
    return Restriction(row.id, Measure(RestrictionReason(row.reason), row.papers, row.appeal_to), row.imposed_at)


def appeal(c: Connection, vault: Vault, person_id: str, text: str, *, channel: str, now: datetime) -> bool:
    """The appeal is on record and waits. False if one waits already, or no restriction is in force."""
    found = of_person(c, person_id)
    if found is None:
        return False
    row = dict.fromkeys(_a.keys()) | {
        "id": new_id(),
        "restriction_id": found.id,
        "person_id": person_id,
        "sealed": vault.seal(text[:LONGEST], place=APPEAL_TEXT),
        "made_at": now,
    }
    if c.execute(_APPEAL, **row) != 1:
        return False
    audit.append(c, "person:restriction:appeal", now=now, person=person_id, channel=channel)
    return True


def appeals_of(c: Connection, vault: Vault, person_id: str) -> tuple[Appeal, ...]:
    """The person's appeals, newest first, at most MOST, opened."""
    return tuple(_appeal(vault, row) for row in c.rows(_APPEALS, person=person_id))


def undecided(c: Connection, most: int = MOST) -> list[Any]:
    """The appeals that wait, oldest first: rows, sealed."""
    return c.rows(_UNDECIDED, most=most)


def read_appeal(c: Connection, vault: Vault, appeal_id: str) -> tuple[str, Appeal] | None:
    """The person's id and the appeal, opened, or None."""
    row = c.one(_ONE_APPEAL, appeal=appeal_id)
    return None if row is None else (row.person_id, _appeal(vault, row))


def refuse(c: Connection, vault: Vault, appeal_id: str, reasons: str, *, actor: str, now: datetime) -> bool:
    """The restriction stays, for these reasons. False if the appeal was decided before. `lift` grants an appeal."""
    row = c.one(_ONE_APPEAL, appeal=appeal_id)
    answer = vault.seal(reasons[:LONGEST], place=APPEAL_ANSWER)
    if row is None or c.execute(_REFUSE, appeal=appeal_id, actor=actor, sealed_answer=answer, now=now) != 1:
        return False
    audit.append(c, "administrator:appeal:decide", now=now, actor=actor, person=row.person_id)
    return True


def _appeal(vault: Vault, row: Any) -> Appeal:
    answer = None if row.answer is None else vault.open(row.answer, place=APPEAL_ANSWER)
    return Appeal(vault.open(row.sealed, place=APPEAL_TEXT), row.made_at, row.decision, answer)
