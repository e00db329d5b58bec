"""The tables of sessions, and every statement on them. `idp.login.sessions` runs these."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from accounts import evidence
from accounts.credentials.totp import has_authenticator
from accounts.database import Json, Statement, UtcDateTime, insert_unless_present, metadata
from accounts.people import natural_persons
from idp.oidc.models import clients, grants, subjects

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

_s = sessions.c
_p = sa.bindparam
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)
INSERT = Statement(sa.insert(sessions))
_WHO = (sessions, natural_persons.c.status.label("person_status"))
BY_HANDLE = Statement(
    sa.select(*_WHO).join(natural_persons, natural_persons.c.id == _s.person_id).where(_s.handle_digest == _p("handle"))
)
_SUB_AND_GRANT = (
    has_authenticator(natural_persons.c.id).label("has_authenticator"),
    subjects.c.sub,
    grants.c.id.label("grant_id"),
    grants.c.scopes.label("grant_scopes"),
    grants.c.claims.label("grant_claims"),
    grants.c.purpose.label("grant_purpose"),
    grants.c.legal_basis.label("grant_basis"),
    grants.c.given_at.label("grant_at"),
)


# Rows are found by person or session, never by client: a planner that has no statistics yet may choose an index on the
# client alone, and then reads every session of that client. A concatenation keeps it from that index.
def _is_subject_of(person_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return sa.and_(subjects.c.person_id == person_id, subjects.c.sector + "" == _p("sector"))


def _is_grant_of(person_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    to_client = grants.c.client_id + "" == _p("to_client")
    return sa.and_(grants.c.person_id == person_id, to_client, grants.c.withdrawn_at.is_(None))


STATE_TO_CLIENT = Statement(
    sa.select(
        *_WHO,
        *_SUB_AND_GRANT,
        session_clients.c.first_at.label("client_since"),
    )
    .select_from(sessions)
    .join(natural_persons, natural_persons.c.id == _s.person_id)
    .outerjoin(subjects, _is_subject_of(_s.person_id))
    .outerjoin(grants, _is_grant_of(_s.person_id))
    .outerjoin(
        session_clients,
        sa.and_(session_clients.c.session_id == _s.id, session_clients.c.client_id + "" == _p("to_client")),
    )
    .where(_s.handle_digest == _p("handle"))
)
OF_PERSON_TO_CLIENT = Statement(
    sa.select(
        natural_persons.c.status.label("person_status"),
        *_SUB_AND_GRANT,
        *evidence.evidence.c,
    )
    .select_from(natural_persons)
    .outerjoin(subjects, _is_subject_of(natural_persons.c.id))
    .outerjoin(grants, _is_grant_of(natural_persons.c.id))
    .outerjoin(evidence.evidence, evidence.evidence.c.person_id == natural_persons.c.id)
    .where(natural_persons.c.id == _p("person"))
)
_LIVE = (_s.id == _p("session"), _s.ended_at.is_(None), _s.expires_at > _now)
# A silent login spends this: the statement that approves the request also proves that the session is live.
TOUCH_LIVE = sa.update(sessions).where(*_LIVE, _s.seen_at > _p("idle_since", type_=UtcDateTime)).values(seen_at=_now)
TOUCH = Statement(sa.update(sessions).where(*_LIVE).values(seen_at=_now))
STEP_UP = Statement(
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
END = Statement(sa.update(sessions).where(_s.id == _p("session"), _s.ended_at.is_(None)).values(ended_at=_now))
WHOSE = Statement(sa.select(_s.person_id, _s.channel).where(_s.id == _p("session")))
OF_PERSON = Statement(
    sa.select(sessions)
    .where(_s.person_id == _p("of_person"), _s.ended_at.is_(None), _s.expires_at > _now)
    .order_by(_s.seen_at.desc())
)
JOIN_CLIENT = Statement(insert_unless_present(session_clients), list(session_clients.c.keys()))
CLIENTS = Statement(
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
