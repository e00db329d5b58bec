"""The checks of an authorization request, in one ordered table: what is checked, and at which entry.

The first two decide where an answer may go at all (client, redirect URI). They refuse with a page. All later checks
report to the client, in an error with `state` and `iss`. Each check returns the fields of the AuthorizationRequest that
it established, and neither sees nor changes the fields of another.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Flag, auto
from typing import Any, Protocol

from accounts.database import new_id
from idp.oidc import assurance
from idp.oidc.clients.assertions import unproven_texts
from idp.oidc.clients.client import Client
from idp.oidc.consent import claims
from idp.oidc.errors import (
    InvalidRequest,
    InvalidScope,
    LoginRequired,
    ProtocolError,
    RefusedToPerson,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from idp.oidc.requests import claims_parameter
from idp.oidc.requests.authorization_request import OPEN_FOR, AuthorizationRequest
from idp.oidc.urls import accepted
from idp.oidc.vocabulary import AUTHORIZATION_CODE, OFFLINE_ACCESS, REFRESH_TOKEN

_log = logging.getLogger(__name__)

RESPONSE_TYPES = ("code",)
RESPONSE_MODES = ("query", "form_post")
UI_LOCALES = {"zh": "zh-CN", "en": "en"}  # any variety of a requested language → the locale we have
PROMPTS = ("none", "login", "consent", "select_account")
MAX_LENGTHS = {"state": 2048, "nonce": 512, "scope": 2048, "claims": 4096, "id_token_hint": 8192, "acr_values": 1024}
_MOST_LOCALES = 10
_LONGEST_AGE = 10  # digits
_OLDEST_LOGIN = 2**31 - 1  # seconds: 68 years, longer than any session, and the column's maximum
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 7636 §4.2: BASE64URL of one SHA-256
_SCOPES = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")  # RFC 6749 §3.3

Fields = Mapping[str, Any]


class ClientLookup(Protocol):
    """Where clients are looked up (`idp.oidc.clients.registry.ClientCache` is one)."""

    def get(self, client_id: str) -> Client | None:
        """The client, or None."""


HintReader = Callable[[str], Mapping[str, Any] | None]  # an ID token of ours, expired or not → its claims


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """The input of one check."""

    parameters: Mapping[str, str]
    client: Client
    read_hint: HintReader

    def get(self, name: str) -> str | None:
        """The parameter, or None. Raises InvalidRequest if it is longer than allowed."""
        value = self.parameters.get(name)
        if value is not None and len(value) > MAX_LENGTHS.get(name, 2048):
            raise InvalidRequest(f"{name} is longer than {MAX_LENGTHS.get(name, 2048)} characters; shorten it")
        return value


@dataclass(frozen=True, slots=True)
class ResponseTarget:
    """Where and how an answer goes. The redirect URI has been checked."""

    client_id: str
    redirect_uri: str
    response_mode: str
    state: str | None


class AuthorizationError(Exception):
    """An error for the client: `error` says what, `to` says where."""

    def __init__(self, error: ProtocolError, to: ResponseTarget) -> None:
        super().__init__(str(error))
        self.error = error
        self.to = to


class Entry(Flag):
    """Where an authorization request can come in."""

    AUTHORIZE = auto()
    PUSHED = auto()


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table."""

    name: str
    entries: Entry
    run: Callable[[ValidationContext], Fields]


def known_client(clients: ClientLookup, parameters: Mapping[str, str]) -> Client:
    """The active client. Raises RefusedToPerson, because without a client nobody can receive an answer."""
    client_id = parameters.get("client_id")
    if client_id is None:
        raise RefusedToPerson("client_missing", "client_id is missing; send the one you were registered with")
    client = clients.get(client_id)
    if client is None:
        raise RefusedToPerson("client_unknown", "client_id is not registered; check it, or register the client")
    if client.status != "active":
        raise RefusedToPerson("client_disabled", "this client is disabled; ask the administrator who registered it")
    return client


def response_target(client: Client, parameters: Mapping[str, str]) -> ResponseTarget:
    """Where the answer goes. Raises RefusedToPerson for a missing or unregistered URI: nobody is redirected."""
    uri = parameters.get("redirect_uri")
    if uri is None:
        raise RefusedToPerson("redirect_uri_missing", "redirect_uri is missing; send one that is registered")
    if not accepted(client.redirect_uris, uri):
        raise RefusedToPerson(
            "redirect_uri_unregistered", "redirect_uri is not registered for this client; register exactly this URI"
        )
    mode, state = (from_query_or_object(parameters, name) for name in ("response_mode", "state"))
    return ResponseTarget(
        client.client_id,
        uri,
        mode if mode in RESPONSE_MODES else RESPONSE_MODES[0],
        state if state is not None and len(state) <= MAX_LENGTHS["state"] else None,
    )


def from_query_or_object(parameters: Mapping[str, str], name: str) -> str | None:
    """The parameter, or its value in a request object.

    The object itself is refused later; this reads only how to report that. Its value is the sender's text, as a
    parameter is, and the address has been checked. An unprintable value is dropped, because JSON can hold what a
    parameter cannot.
    """
    beside = parameters.get(name)
    if beside is not None or "request" not in parameters:
        return beside
    inside = unproven_texts(parameters["request"]).get(name, "")
    return inside if inside and inside.isprintable() else None


def unsupported(context: ValidationContext) -> Fields:
    """Raises an error for request objects and inline registration, so that their content is never silently ignored."""
    if "request" in context.parameters:
        raise RequestNotSupported("request is not supported; send the parameters themselves")
    if "request_uri" in context.parameters:
        raise RequestUriNotSupported("request_uri is not supported; send the parameters themselves")
    if "registration" in context.parameters:
        raise RegistrationNotSupported("registration is not supported; register at the registration endpoint")
    return {}


def response_type(context: ValidationContext) -> Fields:
    """The type is `code`, and the client may use it (RFC 6749 §4.1.2.1)."""
    value = context.get("response_type")
    if value is None:
        raise InvalidRequest("response_type is missing; send response_type=code")
    if value not in RESPONSE_TYPES:
        raise UnsupportedResponseType("response_type is not supported; send response_type=code")
    if value not in context.client.response_types or AUTHORIZATION_CODE not in context.client.grant_types:
        raise UnauthorizedClient("this client is not registered for response_type=code")
    return {}


def response_mode(context: ValidationContext) -> Fields:
    """`query` or `form_post`. In a fragment, scripts of the page could read the code."""
    value = context.get("response_mode") or RESPONSE_MODES[0]
    if value not in RESPONSE_MODES:
        raise InvalidRequest("response_mode is not supported; send query or form_post")
    return {"response_mode": value}


def scope(context: ValidationContext) -> Fields:
    """The requested scopes within the client's ceiling. Raises InvalidScope only if none is left or it is malformed."""
    value = context.get("scope")
    if value is None or not _SCOPES.fullmatch(value):
        raise InvalidScope("scope is missing or malformed; send space-separated scopes, for example scope=openid")
    wanted = tuple(dict.fromkeys(value.split(" ")))
    kept = tuple(name for name in wanted if _may_ask(context.client, name))
    if not kept:
        raise InvalidScope("none of these scopes is registered for this client; ask for those of its registration")
    _note_dropped(context.client, [name for name in wanted if name not in kept])
    return {"scopes": kept}


def _may_ask(client: Client, name: str) -> bool:
    if name == OFFLINE_ACCESS and REFRESH_TOKEN not in client.grant_types:
        return False
    return name in client.scopes


def _note_dropped(client: Client, dropped: list[str]) -> None:
    """Log known names only: an unknown scope is the sender's text and may hold anything."""
    known = [name for name in dropped if name in claims.scopes_supported()]
    if dropped:
        _log.info("client %s: %d scopes beyond its ceiling dropped: %s", client.client_id, len(dropped), known)


def pkce(context: ValidationContext) -> Fields:
    """S256, or nothing for a client registered so. `plain`, even as the default, is refused (RFC 7636)."""
    challenge, method = context.get("code_challenge"), context.get("code_challenge_method")
    if challenge is None:
        if context.client.require_pkce or method is not None:
            raise InvalidRequest("code_challenge is missing; send the S256 challenge of RFC 7636")
        return {}
    if method != "S256":
        raise InvalidRequest("code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("code_challenge must be the 43 characters of BASE64URL(SHA256(code_verifier))")
    return {"code_challenge": challenge}


def state_and_nonce(context: ValidationContext) -> Fields:
    """Both unchanged, within their lengths."""
    return {"client_state": context.get("state"), "nonce": context.get("nonce")}


def prompt(context: ValidationContext) -> Fields:
    """Known words only. `none` excludes all others (OpenID Connect Core §3.1.2.1)."""
    words = frozenset((context.get("prompt") or "").split())
    if not words <= frozenset(PROMPTS):
        raise InvalidRequest("prompt holds a value that is not supported; send none, login, consent or select_account")
    if "none" in words and len(words) > 1:
        raise InvalidRequest("prompt=none cannot be combined with another value")
    return {"prompt": words}


def max_age(context: ValidationContext) -> Fields:
    """Whole seconds, at most 68 years, because no session is older."""
    value = context.get("max_age")
    if value is None:
        return {}
    if not (value.isascii() and value.isdigit() and len(value) <= _LONGEST_AGE):
        raise InvalidRequest("max_age must be a whole number of seconds, 0 or more")
    return {"max_age": min(int(value), _OLDEST_LOGIN)}


def acr(context: ValidationContext) -> Fields:
    """The requested levels. Values that are not ours have no meaning here and are left out."""
    wished = (context.get("acr_values") or "").split()
    return {"acr_values": tuple(value for value in dict.fromkeys(wished) if assurance.parse(value))}


def claims_and_hint(context: ValidationContext) -> Fields:
    """The `claims` parameter and the subject of `id_token_hint`, which equals `claims.id_token.sub.value`."""
    requested = claims_parameter.read_claims(context.get("claims"))
    subject = _hinted_subject(context)
    if subject is None:
        return {"claims": requested}
    if claims_parameter.requested_subject(requested) not in (None, subject):
        raise LoginRequired("id_token_hint and the claims parameter name different persons")
    return {"claims": claims_parameter.with_subject(requested, subject)}


def _hinted_subject(context: ValidationContext) -> str | None:
    hint = context.get("id_token_hint")
    if hint is None:
        return None
    known = context.read_hint(hint)
    if known is None or not _is_for(known, context.client.client_id):
        raise InvalidRequest("id_token_hint is not an ID token that was issued here to this client")
    subject: str = known["sub"]
    return subject


def _is_for(known: Mapping[str, Any], client_id: str) -> bool:
    audience = known.get("aud")
    return client_id in (audience if isinstance(audience, list) else [audience]) and isinstance(known.get("sub"), str)


def locales(context: ValidationContext) -> Fields:
    """The requested locales that we have. `claims_locales` and `display` change nothing."""
    wished = (context.parameters.get("ui_locales") or "").split()[:_MOST_LOCALES]
    ours = (UI_LOCALES.get(tag.partition("-")[0].lower()) for tag in wished)
    return {"ui_locales": tuple(dict.fromkeys(tag for tag in ours if tag))}


_BOTH = Entry.AUTHORIZE | Entry.PUSHED
CHECKS: tuple[Check, ...] = (
    Check("unsupported", _BOTH, unsupported),
    Check("response_type", _BOTH, response_type),
    Check("response_mode", _BOTH, response_mode),
    Check("scope", _BOTH, scope),
    Check("pkce", _BOTH, pkce),
    Check("state_and_nonce", _BOTH, state_and_nonce),
    Check("prompt", _BOTH, prompt),
    Check("max_age", _BOTH, max_age),
    Check("acr", _BOTH, acr),
    Check("claims_and_hint", _BOTH, claims_and_hint),
    Check("locales", _BOTH, locales),
)

_CHECKS_AT = {entry: tuple(check for check in CHECKS if entry & check.entries) for entry in Entry}


def validate(
    parameters: Mapping[str, str],
    clients: ClientLookup,
    read_hint: HintReader,
    now: datetime,
    entry: Entry = Entry.AUTHORIZE,
) -> AuthorizationRequest:
    """The request, after every check of its entry. Raises RefusedToPerson, or AuthorizationError for the client."""
    client = known_client(clients, parameters)
    to = response_target(client, parameters)
    context = ValidationContext(parameters, client, read_hint)
    fields: dict[str, Any] = {}
    try:
        for check in _CHECKS_AT[entry]:
            fields.update(check.run(context))
    except ProtocolError as error:
        raise AuthorizationError(error, to) from None
    return AuthorizationRequest(
        id=new_id(),
        client_id=client.client_id,
        redirect_uri=to.redirect_uri,
        created_at=now,
        expires_at=now + OPEN_FOR,
        **fields,
    )
