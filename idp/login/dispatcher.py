"""From a client's request to its answer: which step is due, and the approval when none is. Knows no web framework.

The silent path, a person who is signed in and has agreed before, costs one read of everything that matters. What it
approves is written when the client collects it, in the statement that proves the session live then (decision 51).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts import audit, evidence
from accounts.authentication import Authenticated
from accounts.credentials import network_address
from accounts.database import Connection, Redemption
from idp.login import browser_binding, interaction, sessions
from idp.login.context import LoginContext
from idp.login.interaction import ChannelRules, PromptRequest, Step
from idp.oidc import assurance
from idp.oidc.clients.client import Client
from idp.oidc.consent import claims, consents, subjects
from idp.oidc.endpoints import authorization
from idp.oidc.errors import AccessDenied, ProtocolError
from idp.oidc.gate import may_proceed
from idp.oidc.messages import Reply, Request
from idp.oidc.models import authorization_requests
from idp.oidc.requests import request_store
from idp.oidc.requests.authorization_request import CODE_FOR, Approval, AuthorizationRequest, RequestState
from idp.oidc.requests.code import Unstored, code_without_row
from idp.oidc.requests.validation import AuthorizationError
from idp.oidc.tokens.secret import digest, is_handle
from idp.oidc.urls import accepted

WEB = "web"  # the channel that answers decides the steps, and only the browser answers yet
_SILENT = Redemption(sessions.TOUCH_LIVE, authorization_requests, audit.audit_events)
_SIGN_IN = Redemption(
    request_store.APPROVE,
    audit.audit_events,
    sessions.sessions,
    audit.audit_events,
    audit.audit_events,
    sessions.session_clients,
)
_SILENT_FIRST = Redemption(sessions.TOUCH_LIVE, authorization_requests, audit.audit_events, sessions.session_clients)


class StepNotPending(Exception):
    """The step is not what this request needs next; the dispatcher knows what is."""

    def __init__(self, request_id: str) -> None:
        super().__init__("another step is due")
        self.request_id = request_id


class RequestGone(Exception):
    """The request is unknown, expired or answered. `client` is who asked, when that is still known.

    `collected`: this browser was let in, and the client has come for the answer.
    """

    def __init__(self, client: Client | None, *, collected: bool = False) -> None:
        super().__init__("the request is over")
        self.client = client
        self.collected = collected


@dataclass(frozen=True, slots=True)
class PendingInteraction:
    """What a step's page needs: the request, who asks, who is there (None before the login), and the step."""

    request: AuthorizationRequest
    client: Client
    session: sessions.Session | None
    step: Step


def authorize(services: LoginContext, request: Request, now: datetime) -> Reply:
    """The answer to a request at /authorize: the client's code, its error, or the way to the first step.

    Raises RefusedToPerson: a page, for there is nobody to redirect to.
    """
    try:
        auth_request = authorization.read_request(services.provider, request, now)
    except AuthorizationError as error:
        return authorization.error_reply(services.provider, error, services.form_post_page)
    client = _client(services, auth_request)
    c = services.database.connection()
    state = _session_state(services, c, _handle(services, request), client, now)
    try:
        step = _next_step(services, c, auth_request, client, state)
    except ProtocolError as error:
        return authorization.refusal_reply(services.provider, auth_request, error, services.form_post_page)
    if step is not None or state is None:
        return _begin(services, c, request, auth_request, step or Step.LOGIN, now)
    return _approve_silently(services, c, auth_request, client, state, now) or _begin(
        services, c, request, auth_request, Step.LOGIN, now
    )


def resume(services: LoginContext, c: Connection, request: Request, request_id: str, now: datetime) -> Reply:
    """Where this request goes next: to the page of the step that is due, or to the client with its answer.

    Raises RequestGone and BrowserMismatch.
    """
    auth_request, client = _pending(services, c, request, request_id, now)
    state = _session_state(services, c, _handle(services, request), client, now)
    return _advance(services, c, auth_request, client, state, now, is_live=False)


def resume_as(services: LoginContext, c: Connection, pending: PendingInteraction, handle: str, now: datetime) -> Reply:
    """The same for who has just signed in on a page of this request, in the transaction that opened their session.

    The request itself is not read again: it was open when the page began, and approving spends it only if it still is.
    """
    state = _session_state(services, c, handle, pending.client, now)
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
        step = _next_step(services, c, auth_request, client, state)
    except ProtocolError as error:
        who, page = state.session.person_id if state else None, services.form_post_page
        return authorization.deny(c, services.provider, auth_request, error, now, page, person=who)
    if step is not None or state is None:
        return _see_other(f"/{step or Step.LOGIN}/{auth_request.id}")
    if not is_live and not sessions.touch(c, state.session.id, now):
        raise RequestGone(client)
    return _approve(services, c, auth_request, client, state, now)


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
    """What the step's page needs, when that step is due; or is done already, where `or_done` says that this will do."""
    auth_request, client = _pending(services, c, request, request_id, now)
    state = _session_state(services, c, _handle(services, request), client, now)
    try:
        wanted = _next_step(services, c, auth_request, client, state)
    except ProtocolError:
        raise StepNotPending(request_id) from None
    if wanted is not step and not or_done:
        raise StepNotPending(request_id)
    return PendingInteraction(auth_request, client, state.session if state else None, step)


def decline(services: LoginContext, c: Connection, pending: PendingInteraction, now: datetime) -> Reply:
    """The person said no: the client hears `access_denied` (RFC 6749 §4.1.2.1), and their account page shows it."""
    person = pending.session.person_id if pending.session else None
    error, page = AccessDenied("the person declined"), services.form_post_page
    return authorization.deny(c, services.provider, pending.request, error, now, page, declined_by=person)


def session_of(services: LoginContext, c: Connection, request: Request, now: datetime) -> sessions.Session | None:
    """The live session of the browser that sent the request."""
    handle = _handle(services, request)
    return None if handle is None else sessions.read_by_handle(c, handle, _web(services).lifetimes.idle, now)


def sign_in(
    services: LoginContext, c: Connection, request: Request, authenticated: Authenticated, now: datetime
) -> sessions.NewSession:
    """A session of the person who proved themselves, under a handle nobody has seen before."""
    level = evidence.identity_assurance(evidence.of(c, authenticated.person_id), now)
    before = session_of(services, c, request, now)
    if before is not None and before.person_id == authenticated.person_id:
        proven = assurance.authentication(authenticated.methods, authenticated.at, level)
        renewed = sessions.step_up(c, before, proven, now)
        if renewed is not None:
            return renewed
    elif before is not None:
        sessions.end(c, before.id, now, "another person signed in")
    return sessions.open_session(c, _prepared(services, request, authenticated, level, now))


def sign_in_and_answer(
    services: LoginContext,
    request: Request,
    pending: PendingInteraction,
    authenticated: Authenticated,
    record: dict[str, Any],
    now: datetime,
) -> tuple[sessions.NewSession, Reply] | None:
    """The person has a session, the client its answer, and both are on record: one read and one Redemption.

    None, and nothing is written, where it takes more: a step is due, this browser had a session, or the request is
    answered. `sign_in` and `resume_as` then do it, and say what is wrong.
    """
    c, auth_request, client = services.database.connection(), pending.request, pending.client
    if _handle(services, request) is not None:
        return None
    level, about = sessions.state_of_person(
        c, authenticated.person_id, client_id=client.client_id, sector=client.sector, now=now
    )
    prepared = _prepared(services, request, authenticated, level, now)
    state = _admitted(client, about(prepared.opened.session))
    if (
        state is None
        or state.sub is None
        or state.grant_id is None
        or not _nothing_pending(services, c, auth_request, client, state)
    ):
        return None
    approval = _approval(state, auth_request, client, state.grant_id, state.sub)
    code, spend, approved = authorization.approving(services.provider, auth_request, approval, now)
    joined = {"session_id": state.session.id, "client_id": client.client_id, "sub": state.sub, "first_at": now}
    if not c.redeem(_SIGN_IN, spend, record, prepared.row, prepared.event, approved, joined):
        return None
    return prepared.opened, authorization.success_reply(services.provider, auth_request, code)


def _prepared(
    services: LoginContext, request: Request, authenticated: Authenticated, level: int, now: datetime
) -> sessions.PreparedSession:
    return sessions.prepare(
        authenticated.person_id,
        assurance.authentication(authenticated.methods, authenticated.at, level),
        _web(services).lifetimes,
        channel=WEB,
        user_agent=request.headers.get("user-agent"),
        source=request.source,
        now=now,
    )


def _nothing_pending(
    services: LoginContext,
    c: Connection,
    auth_request: AuthorizationRequest,
    client: Client,
    state: sessions.SessionState,
) -> bool:
    try:
        return _next_step(services, c, auth_request, client, state) is None
    except ProtocolError:
        return False


def _approve_silently(
    services: LoginContext,
    c: Connection,
    auth_request: AuthorizationRequest,
    client: Client,
    state: sessions.SessionState,
    now: datetime,
) -> Reply | None:
    """The answer, or None when the session ended before it could be stored."""
    sub = state.sub or subjects.subject_for(c, state.session.person_id, client.sector, now)
    approval = _approval(state, auth_request, client, state.grant_id or "", sub)
    unstored = Unstored(WEB, joins_session=not state.knows_client)
    carrying = code_without_row(services.vault, auth_request, approval, now + CODE_FOR, unstored)
    if carrying is not None:
        return authorization.success_reply(services.provider, auth_request, carrying, services.form_post_page)
    code, row = authorization.issue_code(services.provider, auth_request, approval, now)
    event = audit.row(
        "person:request:approve", now=now, person=approval.person_id, client=client.client_id, channel=WEB
    )
    spend = {"session": state.session.id, "idle_since": now - _web(services).lifetimes.idle, "now": now}
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


def _approve(
    services: LoginContext,
    c: Connection,
    auth_request: AuthorizationRequest,
    client: Client,
    state: sessions.SessionState,
    now: datetime,
) -> Reply:
    if state.grant_id is None:
        raise RequestGone(client)
    sub = state.sub or subjects.subject_for(c, state.session.person_id, client.sector, now)
    if not state.knows_client:
        sessions.join_client(c, state.session.id, client.client_id, sub, now)
    approval = _approval(state, auth_request, client, state.grant_id, sub)
    return authorization.approve(c, services.provider, auth_request, approval, now, services.form_post_page)


def _approval(
    state: sessions.SessionState, auth_request: AuthorizationRequest, client: Client, grant_id: str, sub: str
) -> Approval:
    return Approval(
        person_id=state.session.person_id,
        session_id=state.session.id,
        authentication=state.session.authentication,
        grant_id=grant_id,
        sub=sub,
        released=claims.granted(auth_request.scopes, auth_request.claims, client),
    )


def _begin(
    services: LoginContext,
    c: Connection,
    request: Request,
    auth_request: AuthorizationRequest,
    step: Step,
    now: datetime,
) -> Reply:
    """The request waits for a person, bound to this browser: a link to it is worth nothing in another one."""
    secure = services.settings.is_secure
    known_by = browser_binding.value(request, secure=secure)
    _, network = network_address.networks(request.source)
    authorization.open_request(c, services.provider, auth_request, now, binding=digest(known_by), opened_from=network)
    reply = _see_other(f"/{step}/{auth_request.id}")
    return Reply(reply.status, b"", (*reply.headers, browser_binding.cookie(known_by, secure=secure)))


def _pending(
    services: LoginContext, c: Connection, request: Request, request_id: str, now: datetime
) -> tuple[AuthorizationRequest, Client]:
    auth_request = request_store.find(c, services.vault, request_id)
    if auth_request is None:
        raise RequestGone(None)
    client = _client(services, auth_request)
    if not browser_binding.matches(request, auth_request.browser_binding, secure=services.settings.is_secure):
        # The cookie is kept no longer than the request: when that is over, it may well be the same browser.
        raise RequestGone(client) if auth_request.is_expired(now) else browser_binding.BrowserMismatch(client)
    if auth_request.state is RequestState.REDEEMED:
        raise RequestGone(client, collected=True)
    is_open = auth_request.may_be_approved and not auth_request.is_expired(now)
    if not is_open or client.status != "active" or not accepted(client.redirect_uris, auth_request.redirect_uri):
        raise RequestGone(client)
    return auth_request, client


def _client(services: LoginContext, auth_request: AuthorizationRequest) -> Client:
    client = services.clients.get(auth_request.client_id)
    if client is None:
        raise RequestGone(None)
    return client


def _session_state(
    services: LoginContext, c: Connection, handle: str | None, client: Client, now: datetime
) -> sessions.SessionState | None:
    if handle is None:
        return None
    idle = _web(services).lifetimes.idle
    state = sessions.session_state(c, handle, idle, client_id=client.client_id, sector=client.sector, now=now)
    return _admitted(client, state)


def _admitted(client: Client, state: sessions.SessionState | None) -> sessions.SessionState | None:
    if state is None or may_proceed(client=client, person_status=state.person_status, grant_withdrawn=False):
        return None
    return state


def _next_step(
    services: LoginContext,
    c: Connection,
    auth_request: AuthorizationRequest,
    client: Client,
    state: sessions.SessionState | None,
) -> Step | None:
    return interaction.next_step(
        _prompt_request(auth_request), _authentication_state(c, auth_request, client, state), _web(services)
    )


def _prompt_request(request: AuthorizationRequest) -> PromptRequest:
    return PromptRequest(
        created_at=request.created_at,
        prompt=request.prompt,
        max_age=None if request.max_age is None else timedelta(seconds=request.max_age),
        essential_acr=request.essential_acr,
        subject=request.requested_subject,
    )


def _authentication_state(
    c: Connection, auth_request: AuthorizationRequest, client: Client, state: sessions.SessionState | None
) -> interaction.AuthenticationState:
    if state is None:
        return interaction.AuthenticationState()
    sub = state.sub
    if sub is None and auth_request.requested_subject is not None:
        sub = subjects.subject_of(c, state.session.person_id, client.sector)
    same = consents.is_for(state.grant_purpose, state.grant_basis, client)  # of no grant neither is known
    covered = same and consents.covers(state.grant_scopes, state.grant_claims, auth_request, client)
    return interaction.AuthenticationState(
        auth_time=state.session.auth_time,
        acr=state.session.authentication.acr,
        sub=sub,
        consent_needed=not covered,
        consent_at=state.grant_at,
    )


def _handle(services: LoginContext, request: Request) -> str | None:
    handle = request.cookies.get(sessions.cookie_name(secure=services.settings.is_secure), "")
    return handle if is_handle(handle) else None


def _web(services: LoginContext) -> ChannelRules:
    return services.channels[WEB]


def _see_other(path: str) -> Reply:
    return Reply(303, b"", (("Location", path), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")))
