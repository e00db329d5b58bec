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
from accounts.people.family import helping
from accounts.people.family.relations import Because
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


# What a person was to their helpers, and to those whom they helped, ends for good with these. A disabled or restricted
# person is not helped and helps nobody meanwhile (accounts.people.family.family_store).
_ENDS_RELATIONS: dict[str, Because] = {
    "deceased": Because.DEATH,
    "closed": Because.ACCOUNT_ENDED,
    "merged": Because.ACCOUNT_ENDED,
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
    if status in _ENDS_RELATIONS:
        helping.end_all_of(c, person_id, _ENDS_RELATIONS[status], actor=actor, now=now)
    detail = {"status": status, "sessions": ended.sessions, "grants": ended.grants}
    audit.append(c, event, now=now, actor=actor, person=person_id, detail=detail)
    return ended


def lose_capacity(c: Connection, people: People, person_id: str, *, actor: str, now: datetime) -> EndedCounts | None:
    """The person has lost the capacity to act: the account is stopped, and nobody they appointed acts any longer.

    None if the account was stopped before; what there was of helpers has ended all the same.
    """
    ended = change(c, people, person_id, "disabled", actor=actor, now=now)
    helping.end_all_of(c, person_id, Because.INCAPACITY, actor=actor, now=now)
    return ended


def end_everything(c: Connection, person_id: str, reason: str, *, now: datetime) -> EndedCounts:
    """No session, grant or token of the person is valid, and each service of a session will be notified."""
    over = sessions.end_all_of(c, person_id, now, reason)
    return EndedCounts(over, consents.withdraw_all(c, person_id, now))
