"""Logout: a relying system's request (RP-Initiated Logout 1.0), and the clients to notify (Back-Channel Logout 1.0).

An ID token of ours proves who asks and for whom. Without a valid one, the person is asked first, so that a link on a
foreign page signs nobody out. The browser is never redirected to a URI that is not registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp.oidc.clients.client import Client
from idp.oidc.errors import BadParameters, RefusedToPerson
from idp.oidc.messages import Parameters, Request
from idp.oidc.provider import Provider
from idp.oidc.requests.validation import MAX_LENGTHS, ClientLookup
from idp.oidc.tokens.keys import NotSignedByUs
from idp.oidc.urls import accepted


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """The checked request. `session_id` and `sub` come from a valid hint; the redirect URI is registered."""

    client: Client | None = None
    post_logout_redirect_uri: str | None = None
    state: str | None = None
    session_id: str | None = None
    sub: str | None = None
    ui_locales: tuple[str, ...] = ()

    @property
    def is_proven(self) -> bool:
        """True if it came with an ID token of ours."""
        return self.sub is not None


@dataclass(frozen=True, slots=True)
class LogoutTarget:
    """One relying system to notify that a session has ended."""

    client_id: str
    uri: str
    sub: str
    sid: str | None


def read_logout(provider: Provider, request: Request, now: datetime) -> LogoutRequest:
    """The request to end a session. Raises RefusedToPerson: a page, never a redirect."""
    parameters = _parameters(request)
    hint = _hint(provider, parameters, now)
    client = _client(provider.clients, parameters, hint)
    believed = hint is not None or "id_token_hint" not in parameters
    state = parameters.get("state")
    return LogoutRequest(
        client=client,
        post_logout_redirect_uri=_redirect_uri(client if believed else None, parameters),
        state=state if state is not None and len(state) <= MAX_LENGTHS["state"] else None,
        session_id=None if hint is None else hint.get("sid"),
        sub=None if hint is None else hint["sub"],
        ui_locales=tuple((parameters.get("ui_locales") or "").split()[:10]),
    )


def must_confirm(logout: LogoutRequest, *, session_id: str | None, sub: str | None) -> bool:
    """True if the person must confirm first. `sub` is what that client calls the person who is signed in here.

    False if nobody is signed in here, or if the hint is about this session or this person.
    """
    if session_id is None:
        return False
    if not logout.is_proven:
        return True
    return logout.session_id != session_id and logout.sub != sub


def targets(clients: ClientLookup, members: Iterable[tuple[str, str]], session_id: str) -> tuple[LogoutTarget, ...]:
    """The clients to notify that this session has ended. `members` are the (client_id, sub) that took part in it."""
    found = ((clients.get(client_id), sub) for client_id, sub in members)
    return tuple(
        LogoutTarget(client.client_id, client.backchannel_logout_uri, sub, session_id)
        for client, sub in found
        if client is not None and client.backchannel_logout_uri is not None
    )


def _parameters(request: Request) -> Parameters:
    try:
        return request.form if request.method == "POST" else request.arguments
    except BadParameters as error:
        raise RefusedToPerson("request_unreadable", error.description) from None


def _hint(provider: Provider, parameters: Parameters, now: datetime) -> Mapping[str, Any] | None:
    """The claims of the hint, even an expired one, or None: an unreadable hint proves nothing and is no error."""
    token = parameters.get("id_token_hint")
    if token is None or len(token) > MAX_LENGTHS["id_token_hint"]:
        return None
    try:
        claims = provider.tokens.read_id_token(token, now)
    except NotSignedByUs:
        return None
    return claims if isinstance(claims.get("sub"), str) else None


def _client(clients: ClientLookup, parameters: Parameters, hint: Mapping[str, Any] | None) -> Client | None:
    named = parameters.get("client_id")
    audience = None if hint is None else hint.get("aud")
    if named is not None and audience is not None and named != audience:
        raise RefusedToPerson("logout_client_mismatch", "client_id is not the client that id_token_hint was issued to")
    client_id = named or audience
    if client_id is None:
        return None
    client = clients.get(client_id)
    if client is None:
        raise RefusedToPerson("client_unknown", "client_id is not registered; check it, or register the client")
    return client


def _redirect_uri(client: Client | None, parameters: Parameters) -> str | None:
    """A registered URI of that client. None without an active client: then there is no redirect."""
    uri = parameters.get("post_logout_redirect_uri")
    if uri is None or client is None or client.status != "active":
        return None
    if not accepted(client.post_logout_redirect_uris, uri):
        raise RefusedToPerson(
            "post_logout_redirect_uri_unregistered",
            "post_logout_redirect_uri is not registered for this client; register exactly this URI",
        )
    return uri
