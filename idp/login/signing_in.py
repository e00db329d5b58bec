"""Signing in: the session of a person who has just proven themselves, and the answer to the pending request."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts import audit, evidence
from accounts.authentication import Authenticated
from accounts.database import Connection, Redemption
from idp.login import session_store, sessions
from idp.login.approval import approval_of
from idp.login.context import LoginContext
from idp.login.pending import WEB, PendingInteraction, admitted, handle_of, nothing_pending, web_rules
from idp.oidc import assurance
from idp.oidc.endpoints import authorization
from idp.oidc.messages import Reply, Request
from idp.oidc.requests import request_store

_SIGN_IN = Redemption(
    request_store.APPROVE,
    audit.audit_events,
    session_store.sessions,
    audit.audit_events,
    audit.audit_events,
    session_store.session_clients,
)


def session_of(services: LoginContext, c: Connection, request: Request, now: datetime) -> sessions.Session | None:
    """The live session of the browser that sent the request, or None."""
    handle = handle_of(services, request)
    return None if handle is None else sessions.read_by_handle(c, handle, web_rules(services).lifetimes.idle, now)


def sign_in(
    services: LoginContext, c: Connection, request: Request, authenticated: Authenticated, now: datetime
) -> sessions.NewSession:
    """A session of the person who has just authenticated, under a handle that nobody has seen before."""
    level = evidence.identity_assurance(evidence.of(c, authenticated.person_id), now)
    before = session_of(services, c, request, now)
    if before is not None and before.person_id == authenticated.person_id:
        proven = assurance.authentication(authenticated.methods, authenticated.at, level)
        renewed = sessions.step_up(c, before, proven, now, password_due=authenticated.password_due or None)
        if renewed is not None:
            return renewed
    elif before is not None:
        sessions.end(c, before.id, now, "another person signed in")
    return sessions.open_session(c, _prepare(services, request, authenticated, level, now))


def sign_in_and_answer(
    services: LoginContext,
    request: Request,
    pending: PendingInteraction,
    authenticated: Authenticated,
    record: dict[str, Any],
    now: datetime,
) -> tuple[sessions.NewSession, Reply] | None:
    """The person has a session and the client has its answer, both on record: one read and one Redemption.

    Returns None and writes nothing when more is needed: a step is pending, this browser had a session, or the request
    is answered. `sign_in` and `resume_as` then do it, and report what is wrong.
    """
    c, auth_request, client = services.database.connection(), pending.request, pending.client
    if handle_of(services, request) is not None:
        return None
    level, about = sessions.state_of_person(
        c, authenticated.person_id, client_id=client.client_id, sector=client.sector, now=now
    )
    prepared = _prepare(services, request, authenticated, level, now)
    state = admitted(client, about(prepared.opened.session))
    if (
        state is None
        or state.sub is None
        or state.grant_id is None
        or not nothing_pending(services, c, auth_request, client, state)
    ):
        return None
    approval = approval_of(c, state, auth_request, client, state.grant_id, state.sub)
    code, spend, approved = authorization.approving(services.provider, auth_request, approval, now)
    joined = {"session_id": state.session.id, "client_id": client.client_id, "sub": state.sub, "first_at": now}
    if not c.redeem(_SIGN_IN, spend, record, prepared.row, prepared.event, approved, joined):
        return None
    return prepared.opened, authorization.success_reply(services.provider, auth_request, code)


def _prepare(
    services: LoginContext, request: Request, authenticated: Authenticated, level: int, now: datetime
) -> sessions.PreparedSession:
    return sessions.prepare(
        authenticated.person_id,
        assurance.authentication(authenticated.methods, authenticated.at, level),
        web_rules(services).lifetimes,
        channel=WEB,
        user_agent=request.headers.get("user-agent"),
        source=request.source,
        now=now,
        password_due=authenticated.password_due or None,
        is_new_browser=authenticated.is_new_browser,
    )
