"""The SSO session: what this browser or device has proven so far. The cookie holds only a random handle.

Every login and step-up replaces the handle, so that a handle that was planted or seen before opens nothing afterwards
(ASVS 7.2.4). Ending a session revokes what depends on it and notifies every relying system, in one transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from accounts import audit, evidence
from accounts.database import Connection, Json, Statement, UtcDateTime, insert_unless_present, metadata, new_id
from accounts.people import natural_persons
from idp.delivery import outbox
from idp.login.user_agent import known_names
from idp.oidc import assurance
from idp.oidc.assurance import Authentication
from idp.oidc.models import clients, grants, subjects
from idp.oidc.tokens.secret import digest

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("handle_digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("amr", Json, nullable=False),
    sa.Column("ial", sa.Integer, nullable=False),
    sa.Column("auth_time", UtcDateTime, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("user_agent", sa.Text),
    sa.Column("source", sa.Text),
    sa.CheckConstraint("ial BETWEEN 0 AND 4", name="ial"),
)

session_clients = sa.Table(
    "session_clients",
    metadata,
    sa.Column("session_id", sa.Text, sa.ForeignKey("sessions.id"), primary_key=True),
    sa.Column("client_id", sa.Text, sa.ForeignKey("clients.client_id"), primary_key=True),
    sa.Column("sub", sa.Text, nullable=False),
    sa.Column("first_at", UtcDateTime, nullable=False),
)
sa.Index("ix_session_clients_client_id", session_clients.c.client_id)


@dataclass(frozen=True, slots=True)
class SessionLifetimes:
    """How long a session lasts: `idle` without use, and `absolute` at most."""

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """One browser or device that is signed in. `ial` is the level at the login."""

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
    """A live session as one client sees it, with the person's grant to the client and their `sub` there, if any."""

    session: Session
    sub: str | None
    grant_id: str | None
    grant_scopes: tuple[str, ...]
    grant_claims: tuple[str, ...]
    grant_purpose: str | None
    grant_basis: str | None
    grant_at: datetime | None
    knows_client: bool
    person_status: str


_s = sessions.c
_p = sa.bindparam
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)
_INSERT = Statement(sa.insert(sessions))
_WHO = (sessions, natural_persons.c.status.label("person_status"))
_BY_HANDLE = Statement(
    sa.select(*_WHO).join(natural_persons, natural_persons.c.id == _s.person_id).where(_s.handle_digest == _p("handle"))
)
# Rows are found by person or session, never by client: a planner that has no statistics yet may choose an index on the
# client alone, and then reads every session of that client. A concatenation keeps it from that index.
_STANDING = Statement(
    sa.select(
        *_WHO,
        subjects.c.sub,
        grants.c.id.label("grant_id"),
        grants.c.scopes.label("grant_scopes"),
        grants.c.claims.label("grant_claims"),
        grants.c.purpose.label("grant_purpose"),
        grants.c.legal_basis.label("grant_basis"),
        grants.c.given_at.label("grant_at"),
        session_clients.c.first_at.label("client_since"),
    )
    .select_from(sessions)
    .join(natural_persons, natural_persons.c.id == _s.person_id)
    .outerjoin(subjects, sa.and_(subjects.c.person_id == _s.person_id, subjects.c.sector + "" == _p("sector")))
    .outerjoin(
        grants,
        sa.and_(
            grants.c.person_id == _s.person_id,
            grants.c.client_id + "" == _p("to_client"),
            grants.c.withdrawn_at.is_(None),
        ),
    )
    .outerjoin(
        session_clients,
        sa.and_(session_clients.c.session_id == _s.id, session_clients.c.client_id + "" == _p("to_client")),
    )
    .where(_s.handle_digest == _p("handle"))
)
_OF_PERSON_TO_CLIENT = Statement(
    sa.select(
        natural_persons.c.status.label("person_status"),
        subjects.c.sub,
        grants.c.id.label("grant_id"),
        grants.c.scopes.label("grant_scopes"),
        grants.c.claims.label("grant_claims"),
        grants.c.purpose.label("grant_purpose"),
        grants.c.legal_basis.label("grant_basis"),
        grants.c.given_at.label("grant_at"),
        *evidence.evidence.c,
    )
    .select_from(natural_persons)
    .outerjoin(subjects, sa.and_(subjects.c.person_id == natural_persons.c.id, subjects.c.sector == _p("sector")))
    .outerjoin(
        grants,
        sa.and_(
            grants.c.person_id == natural_persons.c.id,
            grants.c.client_id == _p("to_client"),
            grants.c.withdrawn_at.is_(None),
        ),
    )
    .outerjoin(evidence.evidence, evidence.evidence.c.person_id == natural_persons.c.id)
    .where(natural_persons.c.id == _p("person"))
)
_LIVE = (_s.id == _p("session"), _s.ended_at.is_(None), _s.expires_at > _now)
# A silent login spends this: the statement that approves the request also proves that the session is live.
TOUCH_LIVE = sa.update(sessions).where(*_LIVE, _s.seen_at > _p("idle_since", type_=UtcDateTime)).values(seen_at=_now)
_TOUCH = Statement(sa.update(sessions).where(*_LIVE).values(seen_at=_now))
_STEP_UP = Statement(
    sa.update(sessions)
    .where(*_LIVE)
    .values(
        handle_digest=_p("new_handle"),
        amr=_p("methods", type_=Json),
        ial=_p("level"),
        auth_time=_p("proven_at", type_=UtcDateTime),
        seen_at=_now,
    )
)
_END = Statement(sa.update(sessions).where(_s.id == _p("session"), _s.ended_at.is_(None)).values(ended_at=_now))
_WHOSE = Statement(sa.select(_s.person_id, _s.channel).where(_s.id == _p("session")))
_OF_PERSON = Statement(
    sa.select(sessions)
    .where(_s.person_id == _p("of_person"), _s.ended_at.is_(None), _s.expires_at > _now)
    .order_by(_s.seen_at.desc())
)
_JOIN_CLIENT = Statement(insert_unless_present(session_clients), list(session_clients.c.keys()))
_CLIENTS = Statement(
    sa.select(
        session_clients.c.client_id,
        session_clients.c.sub,
        clients.c.name,
        clients.c.name_en,
        clients.c.backchannel_logout_uri,
    )
    .join(clients, clients.c.client_id == session_clients.c.client_id)
    .where(session_clients.c.session_id == _p("session"))
    .order_by(session_clients.c.first_at)
)


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
    )
    row = _row(session) | {"amr": list(proven.amr), "handle_digest": digest(handle), "ended_at": None}
    event = audit.row("person:session:open", now=now, person=person_id, channel=channel, source=source)
    return PreparedSession(NewSession(session, handle), row, event)


def open_session(c: Connection, prepared: PreparedSession) -> NewSession:
    """The session is live and on record."""
    c.execute(_INSERT, **prepared.row)
    audit.record(c, prepared.event)
    return prepared.opened


def step_up(c: Connection, session: Session, proven: Authentication, now: datetime) -> NewSession | None:
    """The same session under a new handle, with what was proven now. None if it has ended meanwhile."""
    handle = secrets.token_urlsafe(32)
    written = c.execute(
        _STEP_UP,
        session=session.id,
        new_handle=digest(handle),
        methods=list(proven.amr),
        level=proven.ial,
        proven_at=proven.auth_time,
        now=now,
    )
    if written != 1:
        return None
    audit.append(c, "person:session:step_up", now=now, person=session.person_id, channel=session.channel)
    renewed = Session(**_row(session) | {"amr": proven.amr, "ial": proven.ial, "auth_time": proven.auth_time})
    return NewSession(renewed, handle)


def read_by_handle(c: Connection, handle: str, idle: timedelta, now: datetime) -> Session | None:
    """The live session of that handle. None if it is ended, idle or too old, or if its person may not act."""
    row = c.one(_BY_HANDLE, handle=digest(handle))
    return _session(row) if row is not None and _is_live(row, idle, now) else None


def session_state(
    c: Connection, handle: str, idle: timedelta, *, client_id: str, sector: str, now: datetime
) -> SessionState | None:
    """The same as one client sees it, in one statement. None if nobody is signed in."""
    row = c.one(_STANDING, handle=digest(handle), to_client=client_id, sector=sector)
    if row is None or not _is_live(row, idle, now):
        return None
    return _session_state(row, _session(row), knows_client=row.client_since is not None)


def _session_state(row: Any, session: Session, *, knows_client: bool) -> SessionState:
    return SessionState(
        session=session,
        sub=row.sub,
        grant_id=row.grant_id,
        grant_scopes=tuple(row.grant_scopes or ()),
        grant_claims=tuple(row.grant_claims or ()),
        grant_purpose=row.grant_purpose,
        grant_basis=row.grant_basis,
        grant_at=row.grant_at,
        knows_client=knows_client,
        person_status=row.person_status,
    )


def state_of_person(
    c: Connection, person_id: str, *, client_id: str, sector: str, now: datetime
) -> tuple[int, Callable[[Session], SessionState | None]]:
    """What a client would see of a person who just authenticated: their IAL, and a function from session to state.

    One statement, for a session that does not exist yet. The function returns None if there is no such person.
    """
    rows = c.rows(_OF_PERSON_TO_CLIENT, person=person_id, to_client=client_id, sector=sector)
    held = (evidence.of_row(row) for row in rows if row.id is not None)
    level = evidence.identity_assurance(held, now)
    return level, lambda session: _session_state(rows[0], session, knows_client=False) if rows else None


def touch(c: Connection, session_id: str, now: datetime) -> bool:
    """The session counts as used now. False if it is over."""
    return c.execute(_TOUCH, session=session_id, now=now) == 1


def join_client(c: Connection, session_id: str, client_id: str, sub: str, now: datetime) -> None:
    """The client will be notified when the session ends."""
    c.execute(_JOIN_CLIENT, session_id=session_id, client_id=client_id, sub=sub, first_at=now)


def clients_of(c: Connection, session_id: str) -> list[Any]:
    """Each client that used the session: client_id, sub, name, name_en, backchannel_logout_uri."""
    return c.rows(_CLIENTS, session=session_id)


def end(c: Connection, session_id: str, now: datetime, reason: str) -> bool:
    """The session and its tokens have ended, and each client's logout is in the outbox. False if it was over.

    Runs in the caller's transaction, so that all of it happens or nothing. Every reader of a token checks its session.
    """
    if c.execute(_END, session=session_id, now=now) != 1:
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
    ended = c.one(_WHOSE, session=session_id)
    audit.append(
        c,
        "person:session:end",
        now=now,
        person=ended.person_id,
        channel=ended.channel,
        detail={"session": session_id, "reason": reason},
    )
    return True


def end_all_of(c: Connection, person_id: str, now: datetime, reason: str) -> int:
    """No session of that person is live. Returns how many have ended."""
    return sum(end(c, session.id, now, reason) for session in of_person(c, person_id, now))


def of_person(c: Connection, person_id: str, now: datetime) -> tuple[Session, ...]:
    """The person's sessions that have not ended or reached their limit, the last used first."""
    return tuple(_session(row) for row in c.rows(_OF_PERSON, of_person=person_id, now=now))


def _is_live(row: Any, idle: timedelta, now: datetime) -> bool:
    """Checked at every read, never cached: a disabled or merged person is signed out with the next request."""
    return row.person_status == "active" and row.ended_at is None and row.expires_at > now and row.seen_at > now - idle


_FIELDS = tuple(Session.__dataclass_fields__)


def _session(row: Any) -> Session:
    values = {name: getattr(row, name) for name in _FIELDS}
    return Session(**values | {"amr": tuple(row.amr)})


def _row(session: Session) -> dict[str, Any]:
    return {name: getattr(session, name) for name in _FIELDS}
