"""From a client's request to its answer: which step is due, and the approval when none is. Knows no web framework.

The silent path, a person who is signed in and has agreed before, costs two statements: one read of everything that
matters, and one Redemption that proves the session live in the same moment in which it approves the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts import audit, evidence
from accounts.authentication import Authenticated
from accounts.db import Connection, Redemption
from idp import assurance, binding, interaction, sessions
from idp.interaction import Asked, ChannelRules, Step
from idp.oidc import claims, consents, request_store, subjects
from idp.oidc.authorization_request import Approval, AuthorizationRequest, State
from idp.oidc.clients import Client
from idp.oidc.endpoints import authorization
from idp.oidc.errors import AccessDenied, ProtocolError
from idp.oidc.gate import may_proceed
from idp.oidc.messages import Reply, Request
from idp.oidc.models import authorization_requests
from idp.oidc.secret import digest, is_handle
from idp.oidc.urls import accepted
from idp.oidc.validation import AuthorizationError
from idp.services import Services

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


class NotDue(Exception):
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
class Due:
    """What a step's page needs: the request, who asks, who is there (None before the login), and the step."""

    request: AuthorizationRequest
    client: Client
    session: sessions.Session | None
    step: Step


def authorize(services: Services, request: Request, now: datetime) -> Reply:
    """The answer to a request at /authorize: the client's code, its error, or the way to the first step.

    Raises RefusedToPerson: a page, for there is nobody to redirect to.
    """
    try:
        asked = authorization.read_request(services.provider, request, now)
    except AuthorizationError as error:
        return authorization.error_reply(services.provider, error, services.form_post_page)
    client = _client(services, asked)
    c = services.database.connection()
    here = _standing(services, c, _handle(services, request), client, now)
    try:
        step = _next_step(services, c, asked, client, here)
    except ProtocolError as error:
        return authorization.refusal_reply(services.provider, asked, error, services.form_post_page)
    if step is not None or here is None:
        return _begin(services, c, request, asked, step or Step.LOGIN, now)
    return _approve_silently(services, c, asked, client, here, now) or _begin(
        services, c, request, asked, Step.LOGIN, now
    )


def resume(services: Services, c: Connection, request: Request, request_id: str, now: datetime) -> Reply:
    """Where this request goes next: to the page of the step that is due, or to the client with its answer.

    Raises RequestGone and OtherBrowser.
    """
    asked, client = _pending(services, c, request, request_id, now)
    here = _standing(services, c, _handle(services, request), client, now)
    return _go_on(services, c, asked, client, here, now, is_live=False)


def resume_as(services: Services, c: Connection, answered: Due, handle: str, now: datetime) -> Reply:
    """The same for who has just signed in on a page of this request, in the transaction that opened their session.

    The request itself is not read again: it was open when the page began, and approving spends it only if it still is.
    """
    here = _standing(services, c, handle, answered.client, now)
    return _go_on(services, c, answered.request, answered.client, here, now, is_live=True)


def _go_on(
    services: Services,
    c: Connection,
    asked: AuthorizationRequest,
    client: Client,
    here: sessions.Standing | None,
    now: datetime,
    *,
    is_live: bool,
) -> Reply:
    try:
        step = _next_step(services, c, asked, client, here)
    except ProtocolError as error:
        return authorization.deny(c, services.provider, asked, error, now, services.form_post_page)
    if step is not None or here is None:
        return _see(f"/{step or Step.LOGIN}/{asked.id}")
    if not is_live and not sessions.touch(c, here.session.id, now):
        raise RequestGone(client)
    return _approve(services, c, asked, client, here, now)


def due(
    services: Services, c: Connection, request: Request, request_id: str, step: Step, now: datetime, *, or_done: bool
) -> Due:
    """What the step's page needs, when that step is due; or is done already, where `or_done` says that this will do."""
    asked, client = _pending(services, c, request, request_id, now)
    here = _standing(services, c, _handle(services, request), client, now)
    try:
        wanted = _next_step(services, c, asked, client, here)
    except ProtocolError:
        raise NotDue(request_id) from None
    if wanted is not step and not or_done:
        raise NotDue(request_id)
    return Due(asked, client, here.session if here else None, step)


def decline(services: Services, c: Connection, declined: Due, now: datetime) -> Reply:
    """The person said no: the client hears `access_denied` (RFC 6749 §4.1.2.1), and their account page shows it."""
    person = declined.session.person_id if declined.session else None
    error, page = AccessDenied("the person declined"), services.form_post_page
    return authorization.deny(c, services.provider, declined.request, error, now, page, declined_by=person)


def session_of(services: Services, c: Connection, request: Request, now: datetime) -> sessions.Session | None:
    """The live session of the browser that sent the request."""
    handle = _handle(services, request)
    if handle is None:
        return None
    return sessions.read_by_handle(c, handle, _web(services).lifetimes.idle, now)


def sign_in(
    services: Services, c: Connection, request: Request, authenticated: Authenticated, now: datetime
) -> sessions.Opened:
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


def sign_in_at_once(
    services: Services,
    request: Request,
    answered: Due,
    authenticated: Authenticated,
    record: dict[str, Any],
    now: datetime,
) -> tuple[sessions.Opened, Reply] | None:
    """The person has a session, the client its answer, and both are on record: one read and one Redemption.

    None, and nothing is written, where it takes more: a step is due, this browser had a session, or the request is
    answered. `sign_in` and `resume_as` then do it, and say what is wrong.
    """
    c, asked, client = services.database.connection(), answered.request, answered.client
    if _handle(services, request) is not None:
        return None
    level, about = sessions.standing_of(
        c, authenticated.person_id, client_id=client.client_id, sector=client.sector, now=now
    )
    prepared = _prepared(services, request, authenticated, level, now)
    here = _admitted(client, about(prepared.opened.session))
    if here is None or here.sub is None or here.grant_id is None or not _is_done(services, c, asked, client, here):
        return None
    approval = _approval(here, asked, client, here.grant_id, here.sub)
    code, spend, approved = authorization.approving(services.provider, asked, approval, now)
    joined = {"session_id": here.session.id, "client_id": client.client_id, "sub": here.sub, "first_at": now}
    if not c.redeem(_SIGN_IN, spend, record, prepared.row, prepared.event, approved, joined):
        return None
    return prepared.opened, authorization.success_reply(services.provider, asked, code)


def _prepared(
    services: Services, request: Request, authenticated: Authenticated, level: int, now: datetime
) -> sessions.Prepared:
    return sessions.prepare(
        authenticated.person_id,
        assurance.authentication(authenticated.methods, authenticated.at, level),
        _web(services).lifetimes,
        channel=WEB,
        user_agent=request.headers.get("user-agent"),
        source=request.source,
        now=now,
    )


def _is_done(
    services: Services, c: Connection, asked: AuthorizationRequest, client: Client, here: sessions.Standing
) -> bool:
    try:
        return _next_step(services, c, asked, client, here) is None
    except ProtocolError:
        return False


def _approve_silently(
    services: Services,
    c: Connection,
    asked: AuthorizationRequest,
    client: Client,
    here: sessions.Standing,
    now: datetime,
) -> Reply | None:
    """The answer, or None when the session ended between the read and this statement."""
    sub = here.sub or subjects.subject_for(c, here.session.person_id, client.sector, now)
    approval = _approval(here, asked, client, here.grant_id or "", sub)
    code, row = authorization.issue_code(services.provider, asked, approval, now)
    event = audit.row(
        "person:request:approve", now=now, person=approval.person_id, client=client.client_id, channel=WEB
    )
    spend = {"session": here.session.id, "idle_since": now - _web(services).lifetimes.idle, "now": now}
    if here.knows_client:
        approved = c.redeem(_SILENT, spend, row, event)
    else:
        joined = {"session_id": here.session.id, "client_id": client.client_id, "sub": sub, "first_at": now}
        approved = c.redeem(_SILENT_FIRST, spend, row, event, joined)
    return authorization.success_reply(services.provider, asked, code, services.form_post_page) if approved else None


def _approve(
    services: Services,
    c: Connection,
    asked: AuthorizationRequest,
    client: Client,
    here: sessions.Standing,
    now: datetime,
) -> Reply:
    if here.grant_id is None:
        raise RequestGone(client)
    sub = here.sub or subjects.subject_for(c, here.session.person_id, client.sector, now)
    if not here.knows_client:
        sessions.join_client(c, here.session.id, client.client_id, sub, now)
    approval = _approval(here, asked, client, here.grant_id, sub)
    return authorization.approve(c, services.provider, asked, approval, now, services.form_post_page)


def _approval(
    here: sessions.Standing, asked: AuthorizationRequest, client: Client, grant_id: str, sub: str
) -> Approval:
    return Approval(
        person_id=here.session.person_id,
        session_id=here.session.id,
        authentication=here.session.authentication,
        grant_id=grant_id,
        sub=sub,
        released=claims.granted(asked.scopes, asked.claims, client),
    )


def _begin(
    services: Services,
    c: Connection,
    request: Request,
    asked: AuthorizationRequest,
    step: Step,
    now: datetime,
) -> Reply:
    """The request waits for a person, bound to this browser: a link to it is worth nothing in another one."""
    secure = services.settings.is_secure
    known_by = binding.value(request, secure=secure)
    authorization.open_request(c, asked, now, binding=digest(known_by))
    reply = _see(f"/{step}/{asked.id}")
    return Reply(reply.status, b"", (*reply.headers, binding.cookie(known_by, secure=secure)))


def _pending(
    services: Services, c: Connection, request: Request, request_id: str, now: datetime
) -> tuple[AuthorizationRequest, Client]:
    asked = request_store.find(c, request_id)
    if asked is None:
        raise RequestGone(None)
    client = _client(services, asked)
    if not binding.is_of(request, asked.browser_binding, secure=services.settings.is_secure):
        # The cookie is kept no longer than the request: when that is over, it may well be the same browser.
        raise RequestGone(client) if asked.is_expired(now) else binding.OtherBrowser(client)
    if asked.state is State.REDEEMED:
        raise RequestGone(client, collected=True)
    is_open = asked.may_be_approved and not asked.is_expired(now)
    if not is_open or client.status != "active" or not accepted(client.redirect_uris, asked.redirect_uri):
        raise RequestGone(client)
    return asked, client


def _client(services: Services, asked: AuthorizationRequest) -> Client:
    client = services.clients.get(asked.client_id)
    if client is None:
        raise RequestGone(None)
    return client


def _standing(
    services: Services, c: Connection, handle: str | None, client: Client, now: datetime
) -> sessions.Standing | None:
    if handle is None:
        return None
    idle = _web(services).lifetimes.idle
    here = sessions.standing(c, handle, idle, client_id=client.client_id, sector=client.sector, now=now)
    return _admitted(client, here)


def _admitted(client: Client, here: sessions.Standing | None) -> sessions.Standing | None:
    if here is None or may_proceed(client=client, person_status=here.person_status, grant_withdrawn=False):
        return None
    return here


def _next_step(
    services: Services, c: Connection, asked: AuthorizationRequest, client: Client, here: sessions.Standing | None
) -> Step | None:
    return interaction.next_step(_asked(asked), _seen(c, asked, client, here), _web(services))


def _asked(request: AuthorizationRequest) -> Asked:
    return Asked(
        created_at=request.created_at,
        prompt=request.prompt,
        max_age=None if request.max_age is None else timedelta(seconds=request.max_age),
        essential_acr=request.essential_acr,
        subject=request.asked_subject,
    )


def _seen(
    c: Connection, asked: AuthorizationRequest, client: Client, here: sessions.Standing | None
) -> interaction.Standing:
    if here is None:
        return interaction.Standing()
    sub = here.sub
    if sub is None and asked.asked_subject is not None:
        sub = subjects.subject_of(c, here.session.person_id, client.sector)
    same = consents.is_for(here.grant_purpose, here.grant_basis, client)  # of no grant neither is known
    covered = same and consents.covers(here.grant_scopes, here.grant_claims, asked, client)
    return interaction.Standing(
        auth_time=here.session.auth_time,
        acr=here.session.authentication.acr,
        sub=sub,
        consent_needed=not covered,
        consent_at=here.grant_at,
    )


def _handle(services: Services, request: Request) -> str | None:
    handle = request.cookies.get(sessions.cookie_name(secure=services.settings.is_secure), "")
    return handle if is_handle(handle) else None


def _web(services: Services) -> ChannelRules:
    return services.channels[WEB]


def _see(path: str) -> Reply:
    return Reply(303, b"", (("Location", path), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")))
