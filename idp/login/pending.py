"""What a request still needs: the request itself, who is signed in in this browser, and the step that is pending.

The dispatcher and the sign-in use this module. It writes nothing and knows no web framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts import evidence
from accounts.credentials.password_rules.profiles import CRYPTOGRAPHIC
from accounts.database import Connection
from idp.login import browser_binding, interaction, representing, sessions
from idp.login.context import LoginContext
from idp.login.interaction import ChannelRules, PromptRequest, Step
from idp.login.person_status import RESTRICTED
from idp.oidc import assurance
from idp.oidc.clients.client import Client
from idp.oidc.consent import consents, subjects
from idp.oidc.errors import ProtocolError
from idp.oidc.gate import may_proceed
from idp.oidc.messages import Request
from idp.oidc.requests import request_store
from idp.oidc.requests.authorization_request import AuthorizationRequest, RequestState
from idp.oidc.tokens.secret import is_handle
from idp.oidc.urls import accepted

RESTRICTION_PAGE = "/account/restriction"
WEB = "web"  # the channel decides the steps, and only the web is served so far


class StepNotPending(Exception):
    """The step is not what this request needs next. The dispatcher knows the next step."""

    def __init__(self, request_id: str) -> None:
        super().__init__("another step is due")
        self.request_id = request_id


class PersonRestricted(Exception):
    """The person who is signed in may see their own pages only. A page of theirs says why, and where to appeal."""


class RequestGone(Exception):
    """The request is unknown, expired or answered. `client` is the client that asked, if it is still known.

    `collected`: the request was approved in this browser, and the client has redeemed the code.
    """

    def __init__(self, client: Client | None, *, collected: bool = False) -> None:
        super().__init__("the request is over")
        self.client = client
        self.collected = collected


@dataclass(frozen=True, slots=True)
class PendingInteraction:
    """What a step's page needs: the request, its client, the session (None before the login), and the step."""

    request: AuthorizationRequest
    client: Client
    session: sessions.Session | None
    step: Step


def pending_request(
    services: LoginContext, c: Connection, request: Request, request_id: str, now: datetime
) -> tuple[AuthorizationRequest, Client]:
    """The open request that this browser began, and its client.

    Raises RequestGone (unknown, expired, answered, or no longer valid for its client) and BrowserMismatch (another
    browser began it).
    """
    auth_request = request_store.find(c, services.vault, request_id)
    if auth_request is None:
        raise RequestGone(None)
    client = client_of(services, auth_request)
    if not browser_binding.matches(request, auth_request.browser_binding, secure=services.settings.is_secure):
        # The cookie lives no longer than the request: afterwards it may well be the same browser.
        raise RequestGone(client) if auth_request.is_expired(now) else browser_binding.BrowserMismatch(client)
    if auth_request.state is RequestState.REDEEMED:
        raise RequestGone(client, collected=True)
    is_open = auth_request.may_be_approved and not auth_request.is_expired(now)
    if not is_open or client.status != "active" or not accepted(client.redirect_uris, auth_request.redirect_uri):
        raise RequestGone(client)
    return auth_request, client


def client_of(services: LoginContext, auth_request: AuthorizationRequest) -> Client:
    """The client of the request. Raises RequestGone if it is not registered any more."""
    client = services.clients.get(auth_request.client_id)
    if client is None:
        raise RequestGone(None)
    return client


def session_state_of(
    services: LoginContext, c: Connection, handle: str | None, client: Client, now: datetime
) -> sessions.SessionState | None:
    """The session of that handle as the client sees it. None if nobody is signed in or may act.

    Raises PersonRestricted, so that the person is told instead of being asked for another login.
    """
    if handle is None:
        return None
    idle = web_rules(services).lifetimes.idle
    state = sessions.session_state(c, handle, idle, client_id=client.client_id, sector=client.sector, now=now)
    if state is not None and state.person_status == RESTRICTED:
        raise PersonRestricted
    return admitted(client, state)


def admitted(client: Client, state: sessions.SessionState | None) -> sessions.SessionState | None:
    """The same state, or None if the gate refuses the client or the person."""
    if state is None or may_proceed(client=client, person_status=state.person_status, grant_withdrawn=False):
        return None
    return state


def next_step_of(
    services: LoginContext,
    c: Connection,
    auth_request: AuthorizationRequest,
    client: Client,
    state: sessions.SessionState | None,
) -> Step | None:
    """The step that is pending, or None. Raises the error of a rule that no step can satisfy."""
    return interaction.next_step(
        _prompt_request(auth_request),
        _authentication_state(services, c, auth_request, client, state),
        web_rules(services),
    )


def nothing_pending(
    services: LoginContext,
    c: Connection,
    auth_request: AuthorizationRequest,
    client: Client,
    state: sessions.SessionState,
) -> bool:
    """Whether the request can be approved now."""
    try:
        return next_step_of(services, c, auth_request, client, state) is None
    except ProtocolError:
        return False


def _prompt_request(request: AuthorizationRequest) -> PromptRequest:
    return PromptRequest(
        created_at=request.created_at,
        prompt=request.prompt,
        max_age=None if request.max_age is None else timedelta(seconds=request.max_age),
        essential_acr=request.essential_acr,
        subject=request.requested_subject,
    )


def _authentication_state(
    services: LoginContext,
    c: Connection,
    auth_request: AuthorizationRequest,
    client: Client,
    state: sessions.SessionState | None,
) -> interaction.AuthenticationState:
    if state is None:
        return interaction.AuthenticationState()
    sub = state.sub
    if sub is None and auth_request.requested_subject is not None:
        sub = subjects.subject_of(c, state.session.person_id, client.sector)
    same = consents.is_for(state.grant_purpose, state.grant_basis, client)  # both are None without a grant
    choice = representing.choice_of(c, auth_request, client, state.session.person_id, state.read_at)
    covered = same and consents.covers(state.grant_scopes, state.grant_claims, auth_request, client)
    acr = _reached_acr(c, auth_request, state)
    return interaction.AuthenticationState(
        auth_time=state.session.auth_time,
        methods=state.session.amr,
        password_due=state.session.password_due is not None,
        acr=acr,
        provable_ial=_provable_ial(services, c, auth_request, state.session, acr),
        sub=sub,
        knows_whom_for=choice.is_made,
        has_authenticator=state.has_authenticator,
        lacks_cryptographic_factor=state.needs_cryptographic_factor and not _is_cryptographic(state.session),
        consent_needed=not covered,
        consent_at=state.grant_at,
        refusals=0 if _before(state.refused_until, auth_request.created_at) else state.refusals,
    )


def _reached_acr(c: Connection, auth_request: AuthorizationRequest, state: sessions.SessionState) -> str:
    """The level of the session. If the request limits the age of evidence, only younger checks count (one read).

    The age is counted back from the request, so that an age of 0 asks once and not for ever.
    """
    within, reached = auth_request.essential_evidence_age, state.session.authentication
    if within is None:
        return reached.acr
    held = evidence.of(c, state.session.person_id)
    recent = (each for each in held if each.at >= auth_request.created_at - within)
    level = evidence.identity_assurance(recent, state.at)
    return str(assurance.Acr(min(level, reached.ial), reached.aal))


def _provable_ial(
    services: LoginContext, c: Connection, auth_request: AuthorizationRequest, session: sessions.Session, acr: str
) -> int:
    """What the person can prove in this channel. Read only if the request needs more than was reached."""
    rules = web_rules(services)
    if assurance.meets_any(auth_request.essential_acr, acr) or Step.PROOFING not in rules.steps:
        return 0
    level = services.proofing.highest_level(services.people.kinds_held(c, session.person_id))
    return min(level, rules.ceiling.ial)


def _before(moment: datetime | None, limit: datetime) -> bool:
    return moment is None or moment <= limit


def _is_cryptographic(session: sessions.Session) -> bool:
    """Two factors were proven, one of them cryptographic, as GB/T 22239 asks of staff."""
    return session.authentication.aal > 1 and not CRYPTOGRAPHIC.isdisjoint(session.amr)


def handle_of(services: LoginContext, request: Request) -> str | None:
    """The session handle that the browser sent, if it has the form of one."""
    handle = request.cookies.get(sessions.cookie_name(secure=services.settings.is_secure), "")
    return handle if is_handle(handle) else None


def web_rules(services: LoginContext) -> ChannelRules:
    """The rules of the web channel."""
    return services.channels[WEB]
