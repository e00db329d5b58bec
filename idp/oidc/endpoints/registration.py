"""Dynamic registration in its simplest safe form (RFC 7591, OpenID Connect Registration 1.0; RFC 7592 §2.1, §2.3).

Each registration needs an initial access token, which an administrator issues with a policy: how often it may be used,
and what its clients may be. `client_metadata` has the meaning of each member. Only what the answer shows is registered.
This module opens no URL that a client sent.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts import audit
from accounts.database import Connection, new_id
from idp.oidc.clients import client_metadata, client_names, registry
from idp.oidc.clients.client import Client, NewClient
from idp.oidc.consent.claims import of_scopes, scopes_supported
from idp.oidc.endpoints.paths import REGISTRATION
from idp.oidc.errors import InvalidClientMetadata, InvalidRequest, InvalidToken
from idp.oidc.messages import NO_STORE, Reply, Request, json_reply
from idp.oidc.provider import Provider
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest, new_secret
from idp.oidc.untrusted_json import UnreadableJson, read_object
from idp.oidc.vocabulary import (
    AUTHORIZATION_CODE,
    CLIENT_SECRET_BASIC,
    NONE,
    OFFLINE_ACCESS,
    OPENID,
    REFRESH_TOKEN,
    REGISTRATION_PREFIX,
)

_REALM = 'Bearer realm="Yitong"'
_CREATED = "administrator:client:create"
_NAMELESS = "未命名的接入系统"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a client registered with one initial access token may be."""

    division: str = "510500"
    legal_basis: str = "consent"
    purpose: str = "接入登记的业务"
    purpose_en: str = "the service it was registered for"
    scopes: tuple[str, ...] = (OPENID, OFFLINE_ACCESS, "profile")
    grant_types: tuple[str, ...] = (AUTHORIZATION_CODE, REFRESH_TOKEN)
    require_pkce: bool = True

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Policy:
        """The policy as `initial_access_tokens.policy` holds it. Raises TypeError for an unknown member."""
        members: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        return cls(**members)


def handle(provider: Provider, request: Request, now: datetime) -> Reply:
    """POST registers (201), GET reads, DELETE removes. Raises InvalidToken and the errors of RFC 7591 §3.2.2."""
    if request.method == "DELETE":
        return _remove(provider, request, now)
    return _register(provider, request, now) if request.method == "POST" else _read(provider, request)


def _register(provider: Provider, request: Request, now: datetime) -> Reply:
    metadata = _document(request)
    with provider.database.transaction() as c:
        policy = _spent(c, request, now)
        registration_token = new_secret(REGISTRATION_PREFIX)
        new = _new_client(metadata, policy, digest(registration_token))
        _check_names(c, new)
        client, secret = registry.create(c, new, now=now)
        left_out = list(client_metadata.left_out(metadata))
        detail = {"left_out": left_out} if left_out else None
        audit.append(c, _CREATED, now=now, client=client.client_id, source=request.source, detail=detail)
    answer = {
        **_described(provider, client),
        "registration_access_token": registration_token,
        "client_id_issued_at": int(now.timestamp()),
    }
    if secret is not None:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return json_reply(201, answer)


def _read(provider: Provider, request: Request) -> Reply:
    """The registration, and the token that was sent for it (RFC 7592 §3). The secret is shown only when it is made."""
    described = _described(provider, _registered(provider, request))
    return json_reply(200, described | {"registration_access_token": request.bearer})


def _remove(provider: Provider, request: Request, now: datetime) -> Reply:
    """204: the client is disabled (RFC 7592 §2.3), and with it every token, grant and secret it has.

    Its row stays, because audit and ledger name it as a recipient.
    """
    client = _registered(provider, request)
    with provider.database.transaction() as c:
        registry.change_status(c, client.client_id, "disabled", now=now)
        audit.append(c, "administrator:client:disable", now=now, client=client.client_id, source=request.source)
    return Reply(204, b"", NO_STORE)


def _registered(provider: Provider, request: Request) -> Client:
    """The active client of `?client_id=`, proven by its registration access token. Raises InvalidToken."""
    client = provider.clients.get(request.arguments.get("client_id", ""))
    token = request.bearer
    held = None if client is None or client.status != "active" else client.registration_token_digest
    if client is None or token is None or held is None or not hmac.compare_digest(held, digest(token)):
        raise _refused_token()
    return client


def _document(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest("the Content-Type must be application/json")
    try:
        return read_object(request.body)
    except UnreadableJson as error:
        raise InvalidClientMetadata(f"the body cannot be read ({error}); send one object (RFC 7591 3.1)") from None


def _spent(c: Connection, request: Request, now: datetime) -> Policy:
    """The policy of the initial access token, which now has one use less. A refused registration costs no use."""
    token = request.bearer
    if token is None:
        raise InvalidToken("an initial access token is required", headers=(("WWW-Authenticate", _REALM),))
    if c.execute(token_store.SPEND_INITIAL_ACCESS, of_digest=digest(token), now=now) != 1:
        raise _refused_token()
    return Policy.of(c.one(token_store.FIND_INITIAL_ACCESS, of_digest=digest(token)).policy)


def _refused_token() -> InvalidToken:
    return InvalidToken(
        "the token is unknown, expired or used up; ask the administrator for another",
        headers=(("WWW-Authenticate", f'{_REALM}, error="invalid_token"'),),
    )


def _new_client(document: dict[str, Any], policy: Policy, token_digest: bytes) -> NewClient:
    """The client that the document describes, within the policy. Missing members get the specifications' defaults."""
    given = client_metadata.read(document)
    grant_types = _grant_types(given, policy)
    scopes = _scopes(given, grant_types, policy)
    name = given.get("client_name", _NAMELESS)
    method = given.get("token_endpoint_auth_method", CLIENT_SECRET_BASIC)
    return NewClient(
        client_id=new_id(),
        name=name,
        name_en=given.get("client_name#en", name),
        division=policy.division,
        purpose=policy.purpose,
        purpose_en=policy.purpose_en,
        legal_basis=policy.legal_basis,
        redirect_uris=given.get("redirect_uris", ()),
        post_logout_redirect_uris=given.get("post_logout_redirect_uris", ()),
        backchannel_logout_uri=given.get("backchannel_logout_uri"),
        backchannel_logout_session_required=given.get("backchannel_logout_session_required", False),
        scopes=scopes,
        claims_ceiling=of_scopes(scopes),
        grant_types=grant_types,
        token_endpoint_auth_method=method,
        id_token_signed_response_alg=given.get("id_token_signed_response_alg", "RS256"),
        require_pkce=policy.require_pkce or method == NONE,
        home_uri=given.get("client_uri"),
        registration_token_digest=token_digest,
        metadata={m.name: given[m.name] for m in client_metadata.MEMBERS if m.attribute is None and m.name in given},
    )


def _check_names(c: Connection, new: NewClient) -> None:
    official = registry.every(c)
    for name in {new.name, new.name_en} - {_NAMELESS}:
        client_names.check_name(name, official)


def _grant_types(given: Mapping[str, Any], policy: Policy) -> tuple[str, ...]:
    """The requested grant types. Raises InvalidClientMetadata unless the policy allows all: fewer make another client.

    Without a request, the code grant (RFC 7591 §2), or all that the policy allows if the code grant is not among it.
    """
    usual = (AUTHORIZATION_CODE,) if AUTHORIZATION_CODE in policy.grant_types else policy.grant_types
    wanted: tuple[str, ...] = given.get("grant_types", usual)
    refused = [name for name in wanted if name not in policy.grant_types]
    if refused:
        raise InvalidClientMetadata(
            f"the initial access token does not allow {refused[0]}; leave it out, or ask the administrator for another"
        )
    if "response_types" in given and not client_metadata.response_types_of(wanted):
        raise InvalidClientMetadata("response_types needs authorization_code among grant_types (RFC 7591 section 2.1)")
    return wanted


def _scopes(given: Mapping[str, Any], grant_types: tuple[str, ...], policy: Policy) -> tuple[str, ...]:
    """The requested scopes within the policy, or all scopes of the policy that these grants can use."""
    useful = frozenset(policy.scopes)
    if not client_metadata.has_scopes_of_its_own(grant_types):
        useful &= frozenset(scopes_supported())
    kept = tuple(name for name in given.get("scope", policy.scopes) if name in useful)
    if not kept:
        raise InvalidClientMetadata("none of these scopes is within the initial access token's policy")
    return kept


def _described(provider: Provider, client: Client) -> dict[str, Any]:
    """The registration as RFC 7591 §3.2.1 shows it."""
    return {
        "client_id": client.client_id,
        **dict(client_metadata.described(client)),
        "subject_type": "pairwise",
        "require_pkce": client.require_pkce,
        "registration_client_uri": f"{provider.issuer}{REGISTRATION.path}?client_id={client.client_id}",
    }
