"""Evidence: what was checked about a person, where, when and until when. Identity assurance (IAL) is computed from it.

No level is stored. It therefore falls by itself when a check expires or is withdrawn, and always names its checks. The
scale is our own (0 none, 1 phone, 2 name and number match, 3 real person matches, 4 certificate, or chip and
authority). The scales of others are mapped in UPSTREAM_LEVELS and never copied into the rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime, metadata, new_id


class EvidenceKind(StrEnum):
    """One kind of check that succeeded."""

    PHONE = "phone"
    TWO_ELEMENTS = "two_elements"  # name and number agree with the population registry
    THREE_ELEMENTS = "three_elements"  # name, number and phone agree with the operator
    CHIP_READ = "chip_read"  # the card was here; another check says who held it
    AUTHORITY_CONFIRMATION = "authority_confirmation"  # the issuer confirms that the document is valid now
    FACE_MATCH = "face_match"  # a live face agrees with the authority's picture
    NETWORK_IDENTITY = "network_identity"  # 网证 / 国家网络身份认证
    COUNTER_COMPARISON = "counter_comparison"  # a clerk compared the person with the chip's photograph
    CERTIFICATE = "certificate"  # a digital certificate issued in person
    LEGACY_ACCOUNT = "legacy_account"  # a person owns an older system's account; it says nothing about identity
    UPSTREAM_ACCOUNT = "upstream_account"  # WeChat, Alipay: says nothing about identity either


LEGACY_SOURCE = "legacy:"  # prefix of the source of a check that an older system made, e.g. legacy:library

LEVELS: tuple[tuple[EvidenceKind, int], ...] = (
    (EvidenceKind.PHONE, 1),
    (EvidenceKind.TWO_ELEMENTS, 2),
    (EvidenceKind.THREE_ELEMENTS, 2),
    (EvidenceKind.CHIP_READ, 2),
    (EvidenceKind.AUTHORITY_CONFIRMATION, 2),
    (EvidenceKind.FACE_MATCH, 3),
    (EvidenceKind.NETWORK_IDENTITY, 3),
    (EvidenceKind.COUNTER_COMPARISON, 3),
    (EvidenceKind.CERTIFICATE, 4),
    (EvidenceKind.LEGACY_ACCOUNT, 0),
    (EvidenceKind.UPSTREAM_ACCOUNT, 0),
)
TOGETHER: tuple[tuple[frozenset[EvidenceKind], int], ...] = (
    (
        frozenset(
            {EvidenceKind.CHIP_READ, EvidenceKind.COUNTER_COMPARISON, EvidenceKind.AUTHORITY_CONFIRMATION},
        ),
        4,
    ),
)
_LEVEL_OF = dict(LEVELS)

# (upstream, its grade) → the kind of evidence to record. A grade that is missing here gives none.
UPSTREAM_LEVELS: tuple[tuple[str, str, EvidenceKind], ...] = (
    ("guangdong", "2", EvidenceKind.PHONE),
    ("guangdong", "3", EvidenceKind.TWO_ELEMENTS),
    ("guangdong", "4", EvidenceKind.FACE_MATCH),
    ("guangdong", "5", EvidenceKind.CERTIFICATE),
    ("wechat", "login", EvidenceKind.UPSTREAM_ACCOUNT),
    ("alipay", "login", EvidenceKind.UPSTREAM_ACCOUNT),
    ("face_match", "verified", EvidenceKind.FACE_MATCH),
    ("network_identity", "verified", EvidenceKind.NETWORK_IDENTITY),
)

evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("withdrawn_at", UtcDateTime),
    sa.CheckConstraint(sa.column("kind").in_([kind.value for kind in EvidenceKind]), name="kind"),
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One check that succeeded. `source` names who checked, e.g. `hall:510502` or `registry:population`."""

    id: str
    person_id: str
    kind: EvidenceKind
    source: str
    at: datetime
    expires_at: datetime | None = None
    withdrawn_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """True if it counts at `now`: it was made by then, has not expired and is not withdrawn."""
        if self.at > now or (self.expires_at is not None and self.expires_at <= now):
            return False
        return self.withdrawn_at is None or self.withdrawn_at > now


_INSERT = Statement(sa.insert(evidence))
_OF = Statement(
    sa.select(evidence).where(evidence.c.person_id == sa.bindparam("person_id")).order_by(evidence.c.at, evidence.c.id)
)
_WITHDRAW = Statement(
    sa.update(evidence)
    .where(evidence.c.id == sa.bindparam("evidence_id"), evidence.c.withdrawn_at.is_(None))
    .values(withdrawn_at=sa.bindparam("now", type_=UtcDateTime))
)


def record(
    c: Connection,
    person_id: str,
    kind: EvidenceKind,
    *,
    source: str,
    at: datetime,
    expires_at: datetime | None = None,
) -> Evidence:
    """Record the check for this person. Raises Conflict for a person that does not exist."""
    made = Evidence(new_id(), person_id, kind, source, at, expires_at)
    c.execute(
        _INSERT,
        id=made.id,
        person_id=person_id,
        kind=kind.value,
        source=source,
        at=at,
        expires_at=expires_at,
        withdrawn_at=None,
    )
    return made


def of(c: Connection, person_id: str) -> tuple[Evidence, ...]:
    """Every check of the person, oldest first, expired and withdrawn ones too."""
    return tuple(of_row(row) for row in c.rows(_OF, person_id=person_id))


def of_row(row: Any) -> Evidence:
    """The check that a row with this table's columns holds."""
    return Evidence(row.id, row.person_id, EvidenceKind(row.kind), row.source, row.at, row.expires_at, row.withdrawn_at)


def withdraw(c: Connection, evidence_id: str, *, now: datetime) -> bool:
    """The check no longer counts, e.g. because a clerk made a mistake. False if it was withdrawn before."""
    return c.execute(_WITHDRAW, evidence_id=evidence_id, now=now) == 1


def upstream_kind(upstream: str, grade: str) -> EvidenceKind | None:
    """The evidence that an upstream's grade gives here. None for an unknown grade, which proves nothing."""
    return next((kind for name, its, kind in UPSTREAM_LEVELS if (name, its) == (upstream, grade)), None)


def identity_assurance(held: Iterable[Evidence], now: datetime) -> int:
    """IAL 0-4 from the checks that are valid now: the best single one, or what TOGETHER gives for several."""
    kinds = {each.kind for each in held if each.holds(now)}
    alone = max((_LEVEL_OF[kind] for kind in kinds), default=0)
    return max((level for needed, level in TOGETHER if needed <= kinds), default=alone)


def level_of(person_id: sa.ColumnElement[str], now: sa.ColumnElement[Any]) -> sa.ScalarSelect[int]:
    """The same level as a subquery, for statements that read it beside other facts (one probe of an index)."""
    held = evidence.alias("held")
    alone = sa.case(*((_is_one_of(held, {kind}), _number(level)) for kind, level in LEVELS if level), else_=_number(0))
    together = [(_number_of(held, kinds) == _number(len(kinds)), _number(level)) for kinds, level in TOGETHER]
    return (
        sa.select(sa.case(*together, else_=sa.func.coalesce(sa.func.max(alone), _number(0))))
        .where(
            held.c.person_id == person_id,
            held.c.at <= now,
            sa.or_(held.c.expires_at.is_(None), held.c.expires_at > now),
            sa.or_(held.c.withdrawn_at.is_(None), held.c.withdrawn_at > now),
        )
        .scalar_subquery()
    )


def _number_of(held: sa.FromClause, kinds: Collection[EvidenceKind]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.distinct(sa.case((_is_one_of(held, kinds), held.c.kind))))


def _is_one_of(held: sa.FromClause, kinds: Collection[EvidenceKind]) -> sa.ColumnElement[bool]:
    return held.c.kind.in_([sa.literal_column(f"'{kind.value}'") for kind in sorted(kinds)])


def _number(constant: int) -> sa.ColumnElement[int]:
    """A constant of ours in the statement's text: a parameter would be sent with every login."""
    return sa.literal_column(str(constant), sa.Integer)
