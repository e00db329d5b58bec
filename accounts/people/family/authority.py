"""The one question about acting for another person: may this helper, now?

It is asked when a code is redeemed and again at each refresh. The answer is a HelperAuthority (CURRENT), or None
(NOT_ALLOWED). No outside system is asked, so nobody is ever told to come back later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from accounts.database import Connection
from accounts.people.family import family_store as store
from accounts.people.family.relations import Relation, RelationProof


@dataclass(frozen=True, slots=True)
class HelperAuthority:
    """One person's authority to act for another. `matters` None is every matter."""

    relation_id: str
    helped_id: str
    relation: Relation
    proof: RelationProof
    matters: frozenset[str] | None
    expires_at: datetime
    attributes: bytes = field(default=b"", repr=False)  # of the helped person, sealed


def helped_by(c: Connection, helper_id: str, now: datetime) -> tuple[HelperAuthority, ...]:
    """Everybody for whom this person may act now, the oldest relation first. One statement."""
    return tuple(
        HelperAuthority(
            relation_id=row.id,
            helped_id=row.helped_id,
            relation=Relation(row.relation),
            proof=RelationProof(row.proof),
            matters=None if row.matters is None else frozenset(row.matters),
            expires_at=row.expires_at,
            attributes=row.attributes,
        )
        for row in c.rows(store.HELPED_BY, of_helper=helper_id, now=now)
    )


def check(c: Connection, helper_id: str, helped_id: str, now: datetime) -> HelperAuthority | None:
    """The authority to act for that person now, or None: NOT_ALLOWED. One statement."""
    return next((held for held in helped_by(c, helper_id, now) if held.helped_id == helped_id), None)
