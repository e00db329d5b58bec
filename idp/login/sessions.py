"""The SSO session: what this browser or device has proven so far. The cookie holds only a random handle.

Every login and step-up replaces the handle, so that a handle that was planted or seen before opens nothing afterwards
(ASVS 7.2.4). Ending a session revokes what depends on it and notifies every relying system, in one transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from accounts import audit, evidence
from accounts.database import Connection, new_id
from accounts.people import OWN_PAGES
from idp.delivery import outbox
from idp.login import session_store
from idp.login.user_agent import known_names
from idp.oidc import assurance
from idp.oidc.assurance import Authentication
from idp.oidc.tokens.secret import digest


@dataclass(frozen=True, slots=True)
class SessionLifetimes:
    """How long a session lasts: `idle` without use, and `absolute` at most."""

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """One browser or device that is signed in. `ial` is the level at the login or at the last step-up."""

    id: str
    person_id: str
    channel: str
    amr: tuple[str, ...]
    ial: int
    auth_time: datetime
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    user_agent: str | None
    source: str | None
    password_due: str | None = None  # why the password must be changed first, as accounts.authentication says
    is_new_browser: bool | None = None

    @property
    def authentication(self) -> Authentication:
        """What was proven in this session, and when."""
        return assurance.authentication(self.amr, self.auth_time, self.ial)


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session and the handle that opens it. The handle is known only at this moment."""

    session: Session
    handle: str

    def __repr__(self) -> str:
        return f"NewSession(session={self.session.id!r})"


@dataclass(frozen=True, slots=True)
class SessionState:
    """A live session as one client sees it, with the person's grant to the client and their `sub` there, if any.

    `session.ial` is lower than at the login if evidence has expired or was withdrawn since. `at` is when this was read.
    """

    session: Session
    at: datetime
    sub: str | None
    grant_id: str | None
    grant_scopes: tuple[str, ...]
    grant_claims: tuple[str, ...]
    grant_purpose: str | None
    grant_basis: str | None
    grant_at: datetime | None
    knows_client: bool
    person_status: str
    read_at: datetime
    has_authenticator: bool
    needs_cryptographic_factor: bool
    refusals: int = 0
    refused_until: datetime | None = None


def cookie_name(*, secure: bool) -> str:
    """The session cookie's name. `__Host-` binds it to this origin, and only https may set it."""
    return "__Host-yitong" if secure else "yitong"


@dataclass(frozen=True, slots=True)
class PreparedSession:
    """A session that exists once its two rows are written."""

    opened: NewSession
    row: dict[str, Any]
    event: dict[str, Any]


def prepare(
    person_id: str,
    proven: Authentication,
    lifetimes: SessionLifetimes,
    *,
    channel: str,
    user_agent: str | None,
    source: str | None,
    now: datetime,
    password_due: str | None = None,
    is_new_browser: bool = False,
) -> PreparedSession:
    """A new session of that person, and its handle: 256 random bits. Only the digest of the handle is stored."""
    handle = secrets.token_urlsafe(32)
    session = Session(
        id=new_id(),
        person_id=person_id,
        channel=channel,
        amr=proven.amr,
        ial=proven.ial,
        auth_time=proven.auth_time,
        created_at=now,
        seen_at=now,
        expires_at=now + lifetimes.absolute,
        user_agent=known_names(user_agent),
        source=source,
        password_due=password_due,
        is_new_browser=is_new_browser,
    )
    row = _row(session) | {"amr": list(proven.amr), "handle_digest": digest(handle), "ended_at": None}
    event = audit.row("person:session:open", now=now, person=person_id, channel=channel, source=source)
    return PreparedSession(NewSession(session, handle), row, event)


def open_session(c: Connection, prepared: PreparedSession) -> NewSession:
    """The session is live and on record."""
    c.execute(session_store.INSERT, **prepared.row)
    audit.record(c, prepared.event)
    return prepared.opened


def step_up(
    c: Connection, session: Session, proven: Authentication, now: datetime, *, password_due: str | None = None
) -> NewSession | None:
    """The same session under a new handle, with what was proven now. None if it has ended meanwhile.

    A new password that was due stays due.
    """
    due = password_due or session.password_due
    handle = secrets.token_urlsafe(32)
    written = c.execute(
        session_store.STEP_UP,
        session=session.id,
        new_handle=digest(handle),
        methods=list(proven.amr),
        level=proven.ial,
        proven_at=proven.auth_time,
        due=due,
        now=now,
    )
    if written != 1:
        return None
    audit.append(c, "person:session:step_up", now=now, person=session.person_id, channel=session.channel)
    changes = {"amr": proven.amr, "ial": proven.ial, "auth_time": proven.auth_time, "password_due": due}
    renewed = Session(**_row(session) | changes)
    return NewSession(renewed, handle)


def read_by_handle(c: Connection, handle: str, idle: timedelta, now: datetime) -> Session | None:
    """The live session of that handle. None if it is ended, idle or too old, or if its person may not act."""
    row = c.one(session_store.BY_HANDLE, handle=digest(handle))
    return _session(row) if row is not None and _is_live(row, idle, now) else None


def session_state(
    c: Connection, handle: str, idle: timedelta, *, client_id: str, sector: str, now: datetime
) -> SessionState | None:
    """The same as one client sees it, in one statement. None if nobody is signed in."""
    row = c.one(session_store.STATE_TO_CLIENT, handle=digest(handle), to_client=client_id, sector=sector, now=now)
    if row is None or not _is_live(row, idle, now):
        return None
    session = _session(row)
    if row.level_now < session.ial:  # it rises by a step-up only, which changes the handle
        session = replace(session, ial=row.level_now)
    return _session_state(row, session, now, knows_client=row.client_since is not None)


def _session_state(row: Any, session: Session, now: datetime, *, knows_client: bool) -> SessionState:
    return SessionState(
        session=session,
        at=now,
        sub=row.sub,
        grant_id=row.grant_id,
        grant_scopes=tuple(row.grant_scopes or ()),
        grant_claims=tuple(row.grant_claims or ()),
        grant_purpose=row.grant_purpose,
        grant_basis=row.grant_basis,
        grant_at=row.grant_at,
        knows_client=knows_client,
        person_status=row.person_status,
        read_at=now,
        has_authenticator=row.has_authenticator,
        refusals=row.refusals or 0,
        refused_until=row.refused_until,
        needs_cryptographic_factor=row.needs_cryptographic_factor,
    )


def state_of_person(
    c: Connection, person_id: str, *, client_id: str, sector: str, now: datetime
) -> tuple[int, Callable[[Session], SessionState | None]]:
    """What a client would see of a person who just authenticated: their IAL, and a function from session to state.

    One statement, for a session that does not exist yet. The function returns None if there is no such person.
    """
    rows = c.rows(session_store.OF_PERSON_TO_CLIENT, person=person_id, to_client=client_id, sector=sector)
    held = (evidence.of_row(row) for row in rows if row.id is not None)
    level = evidence.identity_assurance(held, now)
    return level, lambda session: _session_state(rows[0], session, now, knows_client=False) if rows else None


def touch(c: Connection, session_id: str, now: datetime) -> bool:
    """The session counts as used now. False if it is over."""
    return c.execute(session_store.TOUCH, session=session_id, now=now) == 1


def join_client(c: Connection, session_id: str, client_id: str, sub: str, now: datetime) -> None:
    """The client will be notified when the session ends."""
    c.execute(session_store.JOIN_CLIENT, session_id=session_id, client_id=client_id, sub=sub, first_at=now)


def clients_of(c: Connection, session_id: str) -> list[Any]:
    """Each client that used the session: client_id, sub, name, name_en, backchannel_logout_uri."""
    return c.rows(session_store.CLIENTS, session=session_id)


def end(c: Connection, session_id: str, now: datetime, reason: str) -> bool:
    """The session and its tokens have ended, and each client's logout is in the outbox. False if it was over.

    Runs in the caller's transaction, so that all of it happens or nothing. Every reader of a token checks its session.
    """
    if c.execute(session_store.END, session=session_id, now=now) != 1:
        return False
    for client in clients_of(c, session_id):
        if client.backchannel_logout_uri:
            outbox.announce_logout(
                c,
                client_id=client.client_id,
                uri=client.backchannel_logout_uri,
                sub=client.sub,
                sid=session_id,
                now=now,
            )
    ended = c.one(session_store.WHOSE, session=session_id)
    audit.append(
        c,
        "person:session:end",
        now=now,
        person=ended.person_id,
        channel=ended.channel,
        detail={"session": session_id, "reason": reason},
    )
    return True


def of_new_browsers(c: Connection, person_id: str, *, here: str, most: int) -> tuple[Session, ...]:
    """Sessions from browsers that were new, other than this one, of which the person has not said whose they are."""
    return tuple(_session(row) for row in c.rows(session_store.NEW_BROWSERS, of_person=person_id, here=here, most=most))


def recognise(c: Connection, session_id: str, person_id: str) -> bool:
    """The person has answered for this session of theirs: it is in no notice any more. False if it is not theirs."""
    return c.execute(session_store.RECOGNISE, session=session_id, of_person=person_id) == 1


def owner(c: Connection, session_id: str) -> str | None:
    """The id of the person whose session it is or was. None for an unknown session."""
    row = c.one(session_store.WHOSE, session=session_id)
    return None if row is None else row.person_id


def end_all_of(c: Connection, person_id: str, now: datetime, reason: str) -> int:
    """No session of that person is live. Returns how many have ended."""
    return sum(end(c, session.id, now, reason) for session in of_person(c, person_id, now))


def password_changed(c: Connection, person_id: str) -> None:
    """No session of the person waits for a new password any more."""
    c.execute(session_store.PASSWORD_CHANGED, of_person=person_id)


def end_others_of(c: Connection, session: Session, now: datetime, reason: str) -> int:
    """This is the only live session of its person. Returns how many others have ended."""
    others = (each.id for each in of_person(c, session.person_id, now) if each.id != session.id)
    return sum(end(c, each, now, reason) for each in others)


def of_person(c: Connection, person_id: str, now: datetime) -> tuple[Session, ...]:
    """The person's sessions that have not ended or reached their limit, the last used first."""
    return tuple(_session(row) for row in c.rows(session_store.OF_PERSON, of_person=person_id, now=now))


def _is_live(row: Any, idle: timedelta, now: datetime) -> bool:
    """Checked at every read, never cached: a disabled or merged person is signed out with the next request.

    A restricted person sees their own pages. The gate keeps every client from them.
    """
    return row.person_status in OWN_PAGES and row.ended_at is None and row.expires_at > now and row.seen_at > now - idle


_FIELDS = tuple(Session.__dataclass_fields__)


def _session(row: Any) -> Session:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Session(**values | {"amr": tuple(row.amr)})


def _row(session: Session) -> dict[str, Any]:
    return {name: getattr(session, name) for name in _FIELDS}
