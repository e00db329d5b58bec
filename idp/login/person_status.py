"""A person's status, changed with all consequences: the one way to disable, merge, close or enable a person.

Every reader of a session, grant or token reads the person's status in the same statement, so all access ends at once.
What is ended here would otherwise work again when the person is enabled, and relying systems would never be notified.
Tokens of offline_access end with their grants: the gate reads the grants, and no table is swept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts import audit
from accounts.database import Connection
from accounts.people import People
from idp.login import sessions
from idp.oidc.consent import consents

ACTIVE, RESTRICTED = "active", "restricted"
EVENTS: dict[str, str] = {
    ACTIVE: "person:account:enable",
    RESTRICTED: "person:restriction:impose",
    "disabled": "person:account:disable",
    "deceased": "person:account:disable",
    "closed": "person:account:close",
    "merged": "person:account:merge",
}


@dataclass(frozen=True, slots=True)
class EndedCounts:
    """How many sessions and grants were open and have ended."""

    sessions: int
    grants: int


def change(
    c: Connection,
    people: People,
    person_id: str,
    status: str,
    *,
    actor: str,
    now: datetime,
    restriction_id: str | None = None,
    event: str | None = None,
) -> EndedCounts | None:
    """The person has this status, and everything from before has ended. None if they had the status already.

    `restricted` needs its restriction (idp.rights.restrictions). `event` replaces the event of the status.
    Enabling ends things, too: a login that was running while the person was disabled may have left a session behind.
    The caller's transaction holds all of it: status, sessions, tokens, grants, notices in the outbox, and the audit
    record. Raises KeyError for a status that is not in EVENTS, and RuntimeError outside a transaction.
    """
    event = event or EVENTS[status]
    if not c.in_transaction:
        raise RuntimeError("a status changes inside a transaction, so that all that follows from it happens or nothing")
    if not people.change_status(c, person_id, status, now=now, restriction_id=restriction_id):
        return None
    ended = end_everything(c, person_id, status, now=now)
    detail = {"status": status, "sessions": ended.sessions, "grants": ended.grants}
    audit.append(c, event, now=now, actor=actor, person=person_id, detail=detail)
    return ended


def end_everything(c: Connection, person_id: str, reason: str, *, now: datetime) -> EndedCounts:
    """No session, grant or token of the person is valid, and each service of a session will be notified."""
    over = sessions.end_all_of(c, person_id, now, reason)
    return EndedCounts(over, consents.withdraw_all(c, person_id, now))
