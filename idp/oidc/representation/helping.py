"""Acting for another person, as a token says it: for whom, as what, shown by what, in which matters, until when.

The helper stays `sub`. The helped person appears beside, by the `sub` that this client's sector knows them by, and by
nothing else: a helper cannot give away facts about them (docs/decisions/0079-a-helper-stays-themselves.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from accounts import audit
from accounts.database import Connection, microseconds, moment
from accounts.people.family.authority import HelperAuthority, check

CLAIMS = ("helped_sub", "helper_relation", "helper_proof", "helper_matters", "helper_authority_expires_at")
EVERY_MATTER = ("*",)  # spelled out, because a missing list might be read as none or as all


@dataclass(frozen=True, slots=True)
class Helping:
    """One person acting for another at one client."""

    helped_id: str
    helped_sub: str
    relation: str
    proof: str
    matters: tuple[str, ...]
    expires_at: datetime
    relation_id: str

    def claims(self) -> dict[str, Any]:
        """The claims of every token, UserInfo answer and introspection answer (docs/reference/claims.md)."""
        return {
            "helped_sub": self.helped_sub,
            "helper_relation": self.relation,
            "helper_proof": self.proof,
            "helper_matters": list(self.matters),
            "helper_authority_expires_at": int(self.expires_at.timestamp()),
        }

    def stored(self) -> dict[str, Any]:
        """The value for a row or a code. A list there is an organisation's."""
        facts = (self.helped_id, self.helped_sub, self.relation, self.proof, list(self.matters))
        return {"helped": [*facts, microseconds(self.expires_at), self.relation_id]}

    def rests_on(self) -> dict[str, str | None]:
        """The columns of a token with which it ends."""
        return {"delegation_id": None, "through_id": None, "relation_id": self.relation_id}

    def as_of_today(self, c: Connection, helper_id: str, now: datetime) -> Helping | None:
        """The same two at the same client, with the authority of now. None when the helper may not act any more."""
        today = check(c, helper_id, self.helped_id, now)
        return None if today is None else of_authority(today, self.helped_sub)

    def approval_event(self, *, person: str, **facts: Any) -> dict[str, Any]:
        """The audit's row of an approval. It belongs to the helped person, in whose name it is; the helper acted."""
        detail = {"relation": self.relation_id}
        return audit.row("person:helper:act", person=self.helped_id, actor=person, detail=detail, **facts)


def of_authority(authority: HelperAuthority, helped_sub: str) -> Helping:
    """The authority as the client sees it that knows the helped person by that `sub`."""
    return Helping(
        helped_id=authority.helped_id,
        helped_sub=helped_sub,
        relation=authority.relation.value,
        proof=authority.proof.value,
        matters=EVERY_MATTER if authority.matters is None else tuple(sorted(authority.matters)),
        expires_at=authority.expires_at,
        relation_id=authority.relation_id,
    )


def read(stored: Any) -> Helping:
    """What `stored` returned."""
    found = Helping(*stored["helped"])
    ends: Any = found.expires_at
    at = moment(ends)
    if at is None:
        raise ValueError("an authority of a helper has an end")
    return replace(found, matters=tuple(found.matters), expires_at=at)
