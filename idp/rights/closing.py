"""Closing an account: asked for by the person, done after a waiting period, and cancelled by them until then.

What ends: sessions, grants, tokens, every way to sign in, delegations, links to older accounts; the number is free for
a new registration. What the law makes us keep: the audit (Cybersecurity Law art. 23), and the ledger of releases for
three years (Network Data Security Regulation art. 12), with the sealed number and name, without which nobody could say
whose data it was. After these years number and name are deleted, and the records name nobody any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from accounts import audit
from accounts.credentials.external.federated_identity_store import federated_identifiers, federated_identities
from accounts.credentials.one_time_codes import one_time_codes
from accounts.credentials.passkeys.passkey_store import passkeys
from accounts.credentials.password import password_credentials
from accounts.credentials.password_rules.history import password_history, password_profiles
from accounts.credentials.recovery_codes import recovery_codes
from accounts.credentials.throttle import throttle_counters
from accounts.credentials.totp import totp_credentials
from accounts.database import Connection, Statement, UtcDateTime, insert_unless_present, new_id
from accounts.merging.linking import linked_accounts
from accounts.merging.undo import unlink
from accounts.organisations import delegations
from accounts.people import People, natural_persons, person_identifiers, person_phones
from accounts.people.recovery.journey_store import recovery_journeys
from accounts.people.recovery.recoveries import recoveries
from idp.delivery import outbox
from idp.login import person_status
from idp.oidc.models import clients, grants, refusals, subjects
from idp.rights.tables import CLOSURE_IS_OPEN, account_closures, corrections

KEPT_FOR = timedelta(days=3 * 365 + 1)
BATCH = 100
ACTOR = "job:closing"
_c = account_closures.c
_p = sa.bindparam
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)

_IS_ACTIVE = sa.exists().where(natural_persons.c.id == _c.person_id, natural_persons.c.status == "active")

_ASK = Statement(insert_unless_present(account_closures), columns=list(account_closures.c.keys()))
_OPEN = Statement(sa.select(account_closures).where(_c.person_id == _p("person"), CLOSURE_IS_OPEN))
_CANCEL = Statement(
    sa.update(account_closures).where(_c.person_id == _p("person"), CLOSURE_IS_OPEN).values(cancelled_at=_now)
)
_DUE = Statement(
    sa.select(_c.id, _c.person_id, _c.due_at)
    .join(natural_persons, natural_persons.c.id == _c.person_id)
    .where(
        CLOSURE_IS_OPEN,
        sa.tuple_(_c.due_at, _c.id) > sa.tuple_(_p("after_at", type_=UtcDateTime), _p("after_id", type_=sa.Text)),
    )
    .where(_c.due_at <= _now, natural_persons.c.status == "active")
    .order_by(_c.due_at, _c.id)
    .limit(BATCH)
)
# The row is spent by the person's cancel or by this, once (docs/decisions/0003-redemption.md).
_DONE = Statement(
    sa.update(account_closures)
    .where(_c.id == _p("closure"), CLOSURE_IS_OPEN, _c.due_at <= _now, _IS_ACTIVE)
    .values(done_at=_now)
)
_NOTIFIED = Statement(
    sa.select(clients.c.client_id, clients.c.backchannel_logout_uri, subjects.c.sub)
    .select_from(
        grants.join(clients, clients.c.client_id == grants.c.client_id).join(
            subjects, sa.and_(subjects.c.person_id == grants.c.person_id, subjects.c.sector == clients.c.sector)
        )
    )
    .where(
        grants.c.person_id == _p("person"),
        grants.c.withdrawn_at.is_(None),
        clients.c.backchannel_logout_uri.is_not(None),
        clients.c.backchannel_logout_session_required.is_(sa.false()),
    )
    .order_by(clients.c.client_id)
)
_LINKS = Statement(
    sa.select(linked_accounts)
    .where(linked_accounts.c.person_id == _p("person"))
    .order_by(linked_accounts.c.system, linked_accounts.c.uid)
)
_END_IDENTIFIERS = Statement(
    sa.update(person_identifiers)
    .where(person_identifiers.c.person_id == _p("person"), person_identifiers.c.until.is_(None))
    .values(until=_now)
)
_SET_ATTRIBUTES = Statement(
    sa.update(natural_persons)
    .where(natural_persons.c.id == _p("person"))
    .values(attributes=_p("sealed", type_=sa.LargeBinary))
)
# Every table with a person's rows is in one of these two, which a test compares with the schema.
DELETED: tuple[sa.Table, ...] = (
    password_credentials,
    password_profiles,
    password_history,
    totp_credentials,
    recovery_codes,
    passkeys,
    one_time_codes,
    recoveries,
    recovery_journeys,
    federated_identifiers,
    federated_identities,
    person_phones,
    corrections,
    refusals,
)
KEPT: dict[str, str] = {
    "natural_persons": "the name, sealed, until the ledger of releases is three years old; the status is `closed`",
    "person_identifiers": "the number, sealed and ended, as long as the name: it says whose data the ledger names",
    "helper_relations": "ended; who could act for whom, and when, must stay answerable for what was done then",
    "delegations": "ended; an organisation must be able to see who acted for it",
    "journeys": "belongs to no account; deleted within the hour",
    "sending_counters": "a number under a key; deleted after a day",
    "call_counters": "a number under a key; deleted within the hour",
    "evidence": "which checks were made; counts for nothing on a closed account",
    "audit_events": "the law asks for six months at least, and the chain has no gaps",
    "releases": "the law asks for three years",
    "grants": "withdrawn; what the person had agreed to is the basis of the ledger's entries",
    "subjects": "the `sub` of the person at each service, so that a later question of theirs can be answered",
    "sessions": "ended; retention removes them a day after their limit",
    "session_clients": "with their session",
    "authorization_requests": "retention removes them within a day, or with the last token",
    "access_tokens": "invalid at once; retention removes them an hour after their end",
    "refresh_tokens": "invalid at once; retention removes them after their family's end",
    "separations": '"not the same" is for ever',
    "link_disputes": "what was decided, and by whom",
    "restrictions": "a measure, its papers and its end must stay on record",
    "appeals": "as the restriction that they are about",
    "account_closures": "that the person asked for the end, and when it came",
    "merge_journal": "the operators' record of a merge; it names a key, never a number or a name",
}
_OF_PERSON_COUNTED = sa.and_(
    throttle_counters.c.subject == _p("person"),
    throttle_counters.c.counter.in_(
        [sa.literal(name, sa.Text) for name in ("pair", "stranger", "newcomer", "familiar", "browser")]
    ),
)
_DELETE: tuple[Statement, ...] = (
    *(Statement(sa.delete(table).where(table.c.person_id == _p("person"))) for table in DELETED),
    Statement(sa.delete(throttle_counters).where(_OF_PERSON_COUNTED)),
)
_REMEMBERED = Statement(
    sa.select(_c.id, _c.person_id)
    .where(_c.done_at <= _p("before", type_=UtcDateTime), _c.done_at.is_not(None), _c.forgotten_at.is_(None))
    .order_by(_c.done_at, _c.id)
    .limit(BATCH)
)
_FORGOTTEN = Statement(
    sa.update(account_closures)
    .where(_c.id == _p("closure"), _c.done_at.is_not(None), _c.forgotten_at.is_(None))
    .values(forgotten_at=_now)
)
_DELETE_IDENTIFIERS = Statement(sa.delete(person_identifiers).where(person_identifiers.c.person_id == _p("person")))


@dataclass(frozen=True, slots=True)
class Closure:
    """A closure that waits: when it was asked for, and when it will be done."""

    id: str
    asked_at: datetime
    due_at: datetime


def pending(c: Connection, person_id: str) -> Closure | None:
    """The closure that waits for its time, or None."""
    row = c.one(_OPEN, person=person_id)
    return None if row is None else Closure(row.id, row.asked_at, row.due_at)


def ask(c: Connection, person_id: str, *, wait: timedelta, channel: str, now: datetime) -> Closure:
    """The account will be closed after `wait`. A second request changes nothing and returns the first one."""
    row = dict.fromkeys(account_closures.c.keys()) | {
        "id": new_id(),
        "person_id": person_id,
        "asked_at": now,
        "due_at": now + wait,
    }
    if c.execute(_ASK, **row) == 1:
        audit.append(c, "person:closing:ask", now=now, person=person_id, channel=channel)
    found = pending(c, person_id)
    if found is None:  # it was cancelled in this moment in another window
        return ask(c, person_id, wait=wait, channel=channel, now=now)
    return found


def cancel(c: Connection, person_id: str, *, channel: str, now: datetime) -> bool:
    """The account stays. False if no closure waited."""
    if c.execute(_CANCEL, person=person_id, now=now) != 1:
        return False
    audit.append(c, "person:closing:cancel", now=now, person=person_id, channel=channel)
    return True


def due(c: Connection, now: datetime, after: tuple[datetime, str]) -> list[Any]:
    """The next closures whose time has come, of persons who are active: id, person_id, due_at.

    The closure of a disabled or restricted person waits: closing must not be a way out of a restriction.
    """
    return c.rows(_DUE, now=now, after_at=after[0], after_id=after[1])


def close(c: Connection, people: People, closure_id: str, person_id: str, *, now: datetime) -> bool:
    """The account is closed. False, with nothing written, if the person cancelled or may not end it now.

    Needs an open transaction (RuntimeError), so that an account never ends by half.
    """
    if c.execute(_DONE, closure=closure_id, now=now) != 1:
        return False
    _notify(c, person_id, now)
    person_status.change(c, people, person_id, "closed", actor=ACTOR, now=now)
    for link in c.rows(_LINKS, person=person_id):
        unlink(c, link, now=now)
    delegations.end_all_of(c, person_id, now=now)
    for statement in _DELETE:
        c.execute(statement, person=person_id)
    c.execute(_END_IDENTIFIERS, person=person_id, now=now)
    _keep_only_the_name(c, people, person_id)
    return True


def remembered(c: Connection, now: datetime) -> list[Any]:
    """Closed accounts whose number and name need not be kept any longer: id, person_id."""
    return c.rows(_REMEMBERED, before=now - KEPT_FOR)


def forget(c: Connection, people: People, closure_id: str, person_id: str, *, now: datetime) -> bool:
    """Number and name of a closed account are deleted: its records name nobody any more. False if they were before."""
    if c.execute(_FORGOTTEN, closure=closure_id, now=now) != 1:
        return False
    c.execute(_DELETE_IDENTIFIERS, person=person_id)
    c.execute(_SET_ATTRIBUTES, person=person_id, sealed=people.sealed_name(""))
    audit.append(c, "person:account:forget", now=now, actor=ACTOR, person=person_id)
    return True


def _notify(c: Connection, person_id: str, now: datetime) -> None:
    """Every service with a grant is told that this `sub` is signed out, also those without a session now.

    A service that is registered for `sid` alone (Back-Channel Logout 1.0 §2.2) is told for its open sessions.
    """
    for row in c.rows(_NOTIFIED, person=person_id):
        outbox.announce_logout(
            c, client_id=row.client_id, uri=row.backchannel_logout_uri, sub=row.sub, sid=None, now=now
        )


def _keep_only_the_name(c: Connection, people: People, person_id: str) -> None:
    person = people.by_id(c, person_id)
    if person is not None:
        name = people.attributes(person.attributes).name
        c.execute(_SET_ATTRIBUTES, person=person_id, sealed=people.sealed_name(name))
