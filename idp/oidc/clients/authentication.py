"""Client authentication at the machine endpoints: a table of methods, and one method for each request."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeGuard
from urllib.parse import unquote_to_bytes

from accounts.database import Connection
from idp.oidc.clients import assertions
from idp.oidc.clients.client import Client, ClientCache
from idp.oidc.errors import InvalidClient, InvalidRequest
from idp.oidc.messages import Parameters, Request
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest
from idp.oidc.vocabulary import CLIENT_SECRET_BASIC, CLIENT_SECRET_POST, JWT_BEARER, NONE, PRIVATE_KEY_JWT

ASSERTION_AUDIENCE = "assertion_audience"  # in a client's metadata, set by an operator only
ISSUER, TOKEN_ENDPOINT = "issuer", "token_endpoint"
ASSERTION_AUDIENCES = (ISSUER, TOKEN_ENDPOINT)
ASSERTION_ALGORITHMS = ("ES256", "RS256", "PS256")
_MOST_AHEAD = timedelta(minutes=10)
_SKEW = timedelta(seconds=10)
_END_OF_TIME = 32_503_680_000  # the year 3000
_CHALLENGE = (("WWW-Authenticate", 'Basic realm="Yitong", charset="UTF-8"'),)
_NOBODY = digest("nobody")


@dataclass(frozen=True, slots=True)
class AuthenticationAttempt:
    """The input of authentication for one request."""

    request: Request
    form: Parameters
    clients: ClientCache
    connection: Callable[[], Connection]
    issuer: str
    token_endpoint: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Method:
    """One way a client authenticates: how to recognise it in a request, and how to check it."""

    name: str
    is_used: Callable[[Request, Parameters], bool]
    authenticate: Callable[[AuthenticationAttempt], Client]


def authenticated(attempt: AuthenticationAttempt) -> Client:
    """The active client that made the request, authenticated by the method that it registered.

    Raises InvalidRequest when two methods are used at once (RFC 6749 §2.3), InvalidClient (401) for all else.
    """
    used = [method for method in METHODS if method.is_used(attempt.request, attempt.form)]
    if len(used) > 1:
        raise InvalidRequest("more than one client authentication method; use the one that is registered")
    if not used:
        _refuse("client authentication is missing; send the registered method")
    client = used[0].authenticate(attempt)
    if client.token_endpoint_auth_method != used[0].name:
        _refuse(f"the client is registered for another method than {used[0].name}")
    if client.status != "active":
        _refuse("the client is disabled; ask the administrator of your division")
    return client


def _refuse(description: str = "the client or its secret is wrong") -> NoReturn:
    raise InvalidClient(description, headers=_CHALLENGE)


def _is_basic(request: Request, form: Parameters) -> bool:  # noqa: ARG001 - one signature for all methods
    return request.headers.get("authorization", "")[:6].lower() == "basic "


def _basic(attempt: AuthenticationAttempt) -> Client:
    """RFC 6749 §2.3.1: id and secret are form-encoded before they are joined and base64-encoded."""
    try:
        text = base64.b64decode(attempt.request.headers["authorization"][6:].strip(), validate=True).decode()
        client_id, colon, secret = text.partition(":")
        client_id, secret = _form_decoded(client_id), _form_decoded(secret)
    except (binascii.Error, ValueError):
        _refuse("the Authorization header is not base64 of client_id:client_secret")
    named = attempt.form.get("client_id")
    if not colon or (named is not None and named != client_id):
        _refuse("the Authorization header and client_id do not agree")
    return _by_secret(attempt, client_id, secret)


def _form_decoded(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode()


def _is_post(request: Request, form: Parameters) -> bool:  # noqa: ARG001 - as above
    return "client_secret" in form


def _post(attempt: AuthenticationAttempt) -> Client:
    return _by_secret(attempt, attempt.form.get("client_id", ""), attempt.form["client_secret"])


def _by_secret(attempt: AuthenticationAttempt, client_id: str, secret: str) -> Client:
    """The work is the same whether the client exists or not."""
    client = attempt.clients.get(client_id)
    given = digest(secret)
    live = (client.secret_digest, client.previous_secret_digest) if client else (None, None)
    matches = [hmac.compare_digest(given, known or _NOBODY) and known is not None for known in live]
    if client is None or not any(matches):
        _refuse()
    return client


def _is_assertion(request: Request, form: Parameters) -> bool:  # noqa: ARG001 - as above
    return "client_assertion" in form or "client_assertion_type" in form


def _assertion(attempt: AuthenticationAttempt) -> Client:
    """RFC 7523 §3. `aud` must name us and nobody else (docs/decisions/0046), and each `jti` is spent once."""
    if attempt.form.get("client_assertion_type") != JWT_BEARER:
        _refuse(f"client_assertion_type must be {JWT_BEARER}")
    assertion = attempt.form.get("client_assertion", "")
    client = attempt.clients.get(assertions.issuer_of(assertion))
    if client is None or client.token_endpoint_auth_method != PRIVATE_KEY_JWT:
        _refuse()
    if attempt.form.get("client_id", client.client_id) != client.client_id:
        _refuse("the client assertion and client_id do not agree")
    try:
        claims = assertions.claims_of(assertion, client.metadata.get("jwks"), ASSERTION_ALGORITHMS)
    except assertions.BadAssertion:
        _refuse("the client assertion is not signed by a registered key")
    _check_claims(claims, client, attempt)
    return client


def _check_claims(claims: dict[str, Any], client: Client, attempt: AuthenticationAttempt) -> None:
    expires, not_before = claims.get("exp"), claims.get("nbf", 0)
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        _refuse("iss and sub of the client assertion must be the client_id")
    if not _is_for_us(claims.get("aud"), client, attempt):
        _refuse("aud of the client assertion must be the issuer, and only the issuer")
    if not _is_time(expires) or not _lives(expires, attempt.now):
        _refuse("exp of the client assertion must be at most ten minutes ahead and not past")
    if not _is_time(not_before) or datetime.fromtimestamp(not_before, UTC) > attempt.now + _SKEW:
        _refuse("nbf of the client assertion is in the future; set the clock")
    if not isinstance(claims.get("jti"), str) or not _spent(attempt, client, claims["jti"], expires):
        _refuse("jti of the client assertion is missing or was used before; make a new one for each request")


def _is_for_us(audience: Any, client: Client, attempt: AuthenticationAttempt) -> bool:
    """True if `aud` names only us, by the names that this client may use for us (docs/decisions/0046)."""
    lenient = client.metadata.get(ASSERTION_AUDIENCE) == TOKEN_ENDPOINT
    ours = (attempt.issuer, attempt.token_endpoint) if lenient else (attempt.issuer,)
    named = audience if isinstance(audience, list) else [audience]
    return 0 < len(named) <= len(ours) and all(name in ours for name in named)


def _is_time(value: Any) -> TypeGuard[float]:
    """True for a NumericDate of this era (RFC 7519 §2): no boolean, no infinity."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _END_OF_TIME


def _lives(expires: float, now: datetime) -> bool:
    return now - _SKEW < datetime.fromtimestamp(expires, UTC) <= now + _MOST_AHEAD + _SKEW


def _spent(attempt: AuthenticationAttempt, client: Client, jti: str, expires: float) -> bool:
    """True if this request is the one that spends the `jti`."""
    key = hashlib.sha256(json.dumps([client.client_id, jti]).encode()).digest()
    until = datetime.fromtimestamp(expires, UTC) + _SKEW
    return attempt.connection().execute(token_store.SPEND_ASSERTION, digest=key, expires_at=until) == 1


def _is_none(request: Request, form: Parameters) -> bool:
    return "client_id" in form and not any(used(request, form) for used in (_is_basic, _is_post, _is_assertion))


def _none(attempt: AuthenticationAttempt) -> Client:
    client = attempt.clients.get(attempt.form["client_id"])
    if client is None or not client.is_public:
        _refuse("client authentication is missing; send the registered method")
    return client


METHODS: tuple[Method, ...] = (
    Method(CLIENT_SECRET_BASIC, _is_basic, _basic),
    Method(CLIENT_SECRET_POST, _is_post, _post),
    Method(PRIVATE_KEY_JWT, _is_assertion, _assertion),
    Method(NONE, _is_none, _none),
)
AUTHENTICATION_METHODS: tuple[str, ...] = tuple(method.name for method in METHODS)
