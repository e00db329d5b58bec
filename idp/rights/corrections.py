"""Corrections: a person says that a proven fact is wrong; a clerk looks at the papers and answers.

Nobody changes a proven fact of their own: name and birth date come from a document. What is wrong is written down here,
sealed, and a refusal names its reasons (PIPL arts 46, 50).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from accounts import audit
from accounts.database import Connection, Statement, UtcDateTime, new_id
from accounts.vault import Vault
from idp.rights.tables import CORRECTION_ANSWER, CORRECTION_TEXT, corrections

LONGEST = 500
MOST_OPEN = 5  # of one person: a form that anybody signed in may send must not fill the database
MOST = 20
_c, _p = corrections.c, sa.bindparam


class CorrectionKind(StrEnum):
    """Which fact is wrong."""

    NAME = "name"
    BIRTH_DATE = "birth_date"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Correction:
    """One request. `answer` is the reasons of a refusal."""

    id: str
    kind: CorrectionKind
    text: str
    asked_at: datetime
    decision: str | None
    answer: str | None


_new = [sa.cast(_p(column.key, type_=column.type), column.type) for column in _c]
_open_ones = (
    sa.select(sa.func.count()).where(_c.person_id == _p("person_id"), _c.decided_at.is_(None)).scalar_subquery()
)
_ASK = Statement(sa.insert(corrections).from_select(list(_c.keys()), sa.select(*_new).where(_open_ones < MOST_OPEN)))
_OF = Statement(
    sa.select(corrections).where(_c.person_id == _p("person")).order_by(_c.asked_at.desc(), _c.id).limit(MOST)
)
_UNDECIDED = Statement(
    sa.select(corrections)
    .where(_c.decided_at.is_(None))
    .order_by(_c.asked_at, _c.id)
    .limit(_p("most", type_=sa.Integer))
)
_DECIDE = Statement(
    sa.update(corrections)
    .where(_c.id == _p("correction"), _c.decided_at.is_(None))
    .values(
        decided_at=_p("now", type_=UtcDateTime),
        decision=_p("decided"),
        decided_by=_p("actor"),
        answer=_p("sealed_answer", type_=sa.LargeBinary),
    )
)
_ONE = Statement(sa.select(corrections).where(_c.id == _p("correction")))


def ask(
    c: Connection, vault: Vault, person_id: str, kind: CorrectionKind, text: str, *, channel: str, now: datetime
) -> bool:
    """The request is on record and waits for a clerk. False if the person has MOST_OPEN waiting already."""
    row = dict.fromkeys(_c.keys()) | {
        "id": new_id(),
        "person_id": person_id,
        "kind": kind.value,
        "sealed": vault.seal(text[:LONGEST], place=CORRECTION_TEXT),
        "asked_at": now,
    }
    if c.execute(_ASK, **row) != 1:
        return False
    detail = {"kind": kind.value}
    audit.append(c, "person:correction:ask", now=now, person=person_id, channel=channel, detail=detail)
    return True


def of_person(c: Connection, vault: Vault, person_id: str) -> tuple[Correction, ...]:
    """The person's requests, newest first, at most MOST, opened."""
    return tuple(_correction(vault, row) for row in c.rows(_OF, person=person_id))


def undecided(c: Connection, most: int = MOST) -> list[Any]:
    """The requests that wait, oldest first: rows, sealed."""
    return c.rows(_UNDECIDED, most=most)


def read(c: Connection, vault: Vault, correction_id: str) -> tuple[str, Correction] | None:
    """The person's id and the request, opened, or None."""
    row = c.one(_ONE, correction=correction_id)
    return None if row is None else (row.person_id, _correction(vault, row))


def decide(
    c: Connection, vault: Vault, correction_id: str, *, refused_because: str | None, actor: str, now: datetime
) -> bool:
    """The request is answered: `corrected` without reasons, `refused` with them. False if it was answered before."""
    found = c.one(_ONE, correction=correction_id)
    decision = "corrected" if refused_because is None else "refused"
    answer = None if refused_because is None else vault.seal(refused_because[:LONGEST], place=CORRECTION_ANSWER)
    spent = {"correction": correction_id, "decided": decision, "actor": actor, "sealed_answer": answer, "now": now}
    if found is None or c.execute(_DECIDE, **spent) != 1:
        return False
    detail = {"kind": found.kind, "decision": decision}
    audit.append(c, "administrator:correction:decide", now=now, actor=actor, person=found.person_id, detail=detail)
    return True


def _correction(vault: Vault, row: Any) -> Correction:
    answer = None if row.answer is None else vault.open(row.answer, place=CORRECTION_ANSWER)
    text = vault.open(row.sealed, place=CORRECTION_TEXT)
    return Correction(row.id, CorrectionKind(row.kind), text, row.asked_at, row.decision, answer)
