"""From a client's request to its answer: the pages of the pending steps, and the approval when none is left.

Each page returns here, and the rules are checked again from the first one. This module knows no web framework.
"""

from __future__ import annotations

from datetime import datetime

from accounts.credentials import network_address
from accounts.database import Connection
from idp.login import browser_binding, sessions
from idp.login.approval import approve, approve_silently
from idp.login.context import LoginContext
from idp.login.interaction import Step
from idp.login.pending import (
    RESTRICTION_PAGE,
    PendingInteraction,
    PersonRestricted,
    RequestGone,
    StepNotPending,
    client_of,
    handle_of,
    next_step_of,
    pending_request,
    session_state_of,
)
from idp.oidc.clients.client import Client
from idp.oidc.endpoints import authorization
from idp.oidc.errors import AccessDenied, ProtocolError
from idp.oidc.messages import Reply, Request
from idp.oidc.requests.authorization_request import AuthorizationRequest
from idp.oidc.requests.validation import AuthorizationError
from idp.oidc.tokens.secret import digest


def authorize(services: LoginContext, request: Request, now: datetime) -> Reply:
    """The answer to a request at /authorize: the client's code, its error, or the way to the first step.

    Raises RefusedToPerson when there is nobody to redirect to. A page reports it.
    """
    try:
        auth_request = authorization.read_request(services.provider, request, now)
    except AuthorizationError as error:
        return authorization.error_reply(services.provider, error, services.form_post_page)
    client = client_of(services, auth_request)
    c = services.database.connection()
    try:
        state = session_state_of(services, c, handle_of(services, request), client, now)
    except PersonRestricted:
        return _restricted(services, auth_request)
    try:
        step = next_step_of(services, c, auth_request, client, state)
    except ProtocolError as error:
        return authorization.refusal_reply(services.provider, auth_request, error, services.form_post_page)
    if step is not None or state is None:
        return _begin(services, c, request, auth_request, step or Step.LOGIN, now)
    return approve_silently(services, c, auth_request, client, state, now) or _begin(
        services, c, request, auth_request, Step.LOGIN, now
    )


def resume(services: LoginContext, c: Connection, request: Request, request_id: str, now: datetime) -> Reply:
    """Where this request goes next: to the page of the pending step, or to the client with its answer.

    Raises RequestGone and BrowserMismatch.
    """
    auth_request, client = pending_request(services, c, request, request_id, now)
    state = session_state_of(services, c, handle_of(services, request), client, now)
    return _advance(services, c, auth_request, client, state, now, is_live=False)


def resume_as(services: LoginContext, c: Connection, pending: PendingInteraction, handle: str, now: datetime) -> Reply:
    """The same for a person who has just signed in on a page of this request, in the transaction of the new session.

    The request itself is not read again: it was open when the page began, and approving spends it only if it is still
    open.
    """
    state = session_state_of(services, c, handle, pending.client, now)
    return _advance(services, c, pending.request, pending.client, state, now, is_live=True)


def _advance(
    services: LoginContext,
    c: Connection,
    auth_request: AuthorizationRequest,
    client: Client,
    state: sessions.SessionState | None,
    now: datetime,
    *,
    is_live: bool,
) -> Reply:
    try:
        step = next_step_of(services, c, auth_request, client, state)
    except ProtocolError as error:
        who, page = state.session.person_id if state else None, services.form_post_page
        return authorization.deny(c, services.provider, auth_request, error, now, page, person=who)
    if step is not None or state is None:
        return _see_other(f"/{step or Step.LOGIN}/{auth_request.id}")
    if not is_live and not sessions.touch(c, state.session.id, now):
        raise RequestGone(client)
    return approve(services, c, auth_request, client, state, now)


def require_step(
    services: LoginContext,
    c: Connection,
    request: Request,
    request_id: str,
    step: Step,
    now: datetime,
    *,
    or_done: bool,
) -> PendingInteraction:
    """What the step's page needs. Raises StepNotPending if the step is not pending, unless `or_done` is set."""
    auth_request, client = pending_request(services, c, request, request_id, now)
    state = session_state_of(services, c, handle_of(services, request), client, now)
    try:
        wanted = next_step_of(services, c, auth_request, client, state)
    except ProtocolError:
        raise StepNotPending(request_id) from None
    if wanted is not step and not or_done:
        raise StepNotPending(request_id)
    return PendingInteraction(auth_request, client, state.session if state else None, step)


def decline(services: LoginContext, c: Connection, pending: PendingInteraction, now: datetime) -> Reply:
    """The person declined. The client gets `access_denied` (RFC 6749 §4.1.2.1), and the account page shows it."""
    person = pending.session.person_id if pending.session else None
    error, page = AccessDenied("the person declined"), services.form_post_page
    return authorization.deny(c, services.provider, pending.request, error, now, page, declined_by=person)


def _begin(
    services: LoginContext,
    c: Connection,
    request: Request,
    auth_request: AuthorizationRequest,
    step: Step,
    now: datetime,
) -> Reply:
    """The request waits for a person, bound to this browser: a link to it is useless in another browser."""
    secure = services.settings.is_secure
    known_by = browser_binding.value(request, secure=secure)
    _, network = network_address.networks(request.source)
    authorization.open_request(c, services.provider, auth_request, now, binding=digest(known_by), opened_from=network)
    reply = _see_other(f"/{step}/{auth_request.id}")
    return Reply(reply.status, b"", (*reply.headers, browser_binding.cookie(known_by, secure=secure)))


def _restricted(services: LoginContext, auth_request: AuthorizationRequest) -> Reply:
    """The person's own page, which says why no service may act for them. A silent request gets the refusal."""
    if "none" in auth_request.prompt:
        error = AccessDenied("the person may not use services now")
        return authorization.refusal_reply(services.provider, auth_request, error, services.form_post_page)
    return _see_other(RESTRICTION_PAGE)


def _see_other(path: str) -> Reply:
    return Reply(303, b"", (("Location", path), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")))
