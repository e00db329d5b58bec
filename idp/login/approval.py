"""Approval of a request when no step is pending, silently or at the end of a page.

A silent approval is written when the client collects it, in the statement that proves that the session is still live
(docs/decisions/0051-a-silent-login-is-written-when-it-is-collected.md).
"""

from __future__ import annotations

from datetime import datetime

from accounts import audit
from accounts.database import Connection, Redemption
from idp.login import session_store, sessions
from idp.login.context import LoginContext
from idp.login.pending import WEB, RequestGone, web_rules
from idp.login.representing import representation_of
from idp.oidc.clients.client import Client
from idp.oidc.consent import release, subjects
from idp.oidc.endpoints import authorization
from idp.oidc.messages import Reply
from idp.oidc.models import authorization_requests
from idp.oidc.representation import approval_event
from idp.oidc.requests.authorization_request import CODE_FOR, Approval, AuthorizationRequest
from idp.oidc.requests.code import Unstored, code_without_row

_SILENT = Redemption(session_store.TOUCH_LIVE, authorization_requests, audit.audit_events)
_SILENT_FIRST = Redemption(
    session_store.TOUCH_LIVE, authorization_requests, audit.audit_events, session_store.session_clients
)


def approve_silently(
    services: LoginContext,
    c: Connection,
    auth_request: AuthorizationRequest,
    client: Client,
    state: sessions.SessionState,
    now: datetime,
) -> Reply | None:
    """Returns the answer. Returns None if the approval must be stored at once and the session has ended."""
    sub = state.sub or subjects.subject_for(c, state.session.person_id, client.sector, now)
    approval = approval_of(c, state, auth_request, client, state.grant_id or "", sub)
    unstored = Unstored(WEB, joins_session=not state.knows_client)
    carrying = code_without_row(services.vault, auth_request, approval, now + CODE_FOR, unstored)
    if carrying is not None:
        return authorization.success_reply(services.provider, auth_request, carrying, services.form_post_page)
    code, row = authorization.issue_code(services.provider, auth_request, approval, now)
    event = approval_event(
        approval.represents, now=now, person=approval.person_id, client=client.client_id, channel=WEB
    )
    spend = {"session": state.session.id, "idle_since": now - web_rules(services).lifetimes.idle, "now": now}
    if state.knows_client:
        approved = c.redeem(_SILENT, spend, row, event)
    else:
        joined = {"session_id": state.session.id, "client_id": client.client_id, "sub": sub, "first_at": now}
        approved = c.redeem(_SILENT_FIRST, spend, row, event, joined)
    return (
        authorization.success_reply(services.provider, auth_request, code, services.form_post_page)
        if approved
        else None
    )


def approve(
    services: LoginContext,
    c: Connection,
    auth_request: AuthorizationRequest,
    client: Client,
    state: sessions.SessionState,
    now: datetime,
) -> Reply:
    """The client's answer, written in the caller's transaction. Raises RequestGone when the person has no grant."""
    if state.grant_id is None:
        raise RequestGone(client)
    sub = state.sub or subjects.subject_for(c, state.session.person_id, client.sector, now)
    if not state.knows_client:
        sessions.join_client(c, state.session.id, client.client_id, sub, now)
    approval = approval_of(c, state, auth_request, client, state.grant_id, sub)
    return authorization.approve(c, services.provider, auth_request, approval, now, services.form_post_page)


def approval_of(
    c: Connection,
    state: sessions.SessionState,
    auth_request: AuthorizationRequest,
    client: Client,
    grant_id: str,
    sub: str,
) -> Approval:
    """The approval of this request by the person of that session."""
    return Approval(
        person_id=state.session.person_id,
        session_id=state.session.id,
        authentication=state.session.authentication,
        grant_id=grant_id,
        sub=sub,
        released=release.granted(auth_request.scopes, auth_request.claims, client),
        represents=representation_of(c, auth_request, client, state.session.person_id, state.read_at),
    )
