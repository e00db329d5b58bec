"""What a relation of help consists of: who is what to whom, what shows it, in which matters, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from accounts.people.invitee import Invitee


class Relation(StrEnum):
    """What the helper is to the person helped."""

    SPOUSE = "spouse"
    PARENT = "parent"
    CHILD = "child"
    GRANDPARENT = "grandparent"
    GRANDCHILD = "grandchild"
    GUARDIAN = "guardian"
    OTHER = "other"


class RelationProof(StrEnum):
    """What shows the relation. DECLARED: both said so, and nobody saw a paper."""

    DECLARED = "declared"
    HOUSEHOLD_REGISTER = "household_register"  # 户口簿
    BIRTH_CERTIFICATE = "birth_certificate"  # 出生医学证明
    COURT_DECISION = "court_decision"  # 法院判决、指定监护的文书


class Because(StrEnum):
    """Why a relation or an offer ended."""

    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    ENDED_BY_HELPED = "ended_by_helped"
    ENDED_BY_HELPER = "ended_by_helper"
    REPLACED = "replaced"  # by a newer one between the same two
    DEATH = "death"
    INCAPACITY = "incapacity"
    ACCOUNT_ENDED = "account_ended"  # one of the two accounts was closed or merged


GUARDIANS = frozenset((Relation.PARENT, Relation.GRANDPARENT, Relation.GUARDIAN))
# Which of its acts belongs to which matter is known to the service, as with organisations.
MATTERS: tuple[str, ...] = (
    "social_insurance",
    "medical_insurance",
    "health",
    "education",
    "housing_fund",
    "household_register",
    "civil_affairs",
    "traffic",
    "other",
)


@dataclass(frozen=True, slots=True)
class Offer:
    """What one of the two asks the other. `matters` None is every matter; `is_helper` says who asks."""

    invitee: Invitee
    is_helper: bool
    relation: Relation
    matters: frozenset[str] | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class HelperRelation:
    """One relation or offer. Of the two persons, the invited one is None until they accept; `invitee` then is not.

    `is_guardianship`: a counter saw the paper. The helper acts alone until the helped person is 14, and later sees
    their activity.
    """

    id: str
    relation: Relation
    proof: RelationProof
    is_guardianship: bool
    helped_id: str | None
    helper_id: str | None
    matters: frozenset[str] | None
    offered_at: datetime
    accept_by: datetime
    accepted_at: datetime | None
    expires_at: datetime
    ended_at: datetime | None
    ended_because: str | None
    invitee: Invitee | None = None

    @property
    def is_accepted(self) -> bool:
        """False for an offer."""
        return self.accepted_at is not None

    def is_open(self, now: datetime) -> bool:
        """True for a relation in force, and for an offer that can still be accepted."""
        in_time = self.expires_at > now and (self.is_accepted or self.accept_by > now)
        return self.ended_at is None and in_time

    def other_than(self, person_id: str) -> str | None:
        """The other of the two, or None while nobody has accepted."""
        return self.helper_id if self.helped_id == person_id else self.helped_id
