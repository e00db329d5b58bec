"""Dynamic registration in its simplest safe form (RFC 7591, OpenID Connect Registration 1.0; RFC 7592 §2.1, §2.3).

Nobody registers without an initial access token, which an administrator hands out with a policy: how often it may be
used, and what a client registered with it may ever ask for. What we do not fetch (`jwks_uri`, `sector_identifier_uri`)
is refused with the cure, so that no stranger's URL is ever opened from here. `request_uris` is left out of the answer
instead: it only allows what discovery says nobody can ask for, and refusing it would keep a client out for nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from authlib.oauth2.rfc7591 import ClientMetadataClaims
from joserfc.errors import JoseError

from accounts import audit
from accounts.database import Connection, new_id
from idp.oidc import urls
from idp.oidc.clients import assertions, authentication, registry
from idp.oidc.clients.registry import Client, NewClient
from idp.oidc.consent.claims import of_scopes, scopes_supported
from idp.oidc.endpoints.paths import REGISTRATION
from idp.oidc.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidRequest, InvalidToken
from idp.oidc.grants import GRANTS
from idp.oidc.messages import NO_STORE, Reply, Request, json_reply
from idp.oidc.provider import Provider
from idp.oidc.requests.validation import RESPONSE_TYPES
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest, new_secret
from idp.oidc.vocabulary import NONE, OFFLINE_ACCESS, OPENID, REGISTRATION_PREFIX, SIGNING_ALGORITHMS

_LONGEST_NAME = 100
_REALM = 'Bearer realm="Yitong"'
_REFUSED: Mapping[str, str] = {
    "jwks_uri": "jwks_uri is not fetched; send the public keys inline as jwks",
    "sector_identifier_uri": "sector_identifier_uri is not fetched; ask the administrator to set the sector",
    "id_token_encrypted_response_alg": "encrypted ID tokens are not supported; leave it out",
    "userinfo_signed_response_alg": "signed userinfo is not supported; leave it out",
    "userinfo_encrypted_response_alg": "encrypted userinfo is not supported; leave it out",
    "request_object_signing_alg": "request objects are not supported; leave it out",
    "software_statement": "software statements are not supported; leave it out",
}
_KEPT = ("client_uri", "contacts", "policy_uri", "tos_uri", "application_type")  # echoed; nothing here reads them


@dataclass(frozen=True, slots=True)
class Policy:
    """What a client registered with one initial access token may be."""

    division: str = "510500"
    legal_basis: str = "consent"
    purpose: str = "接入登记的业务"
    purpose_en: str = "the service it was registered for"
    scopes: tuple[str, ...] = (OPENID, OFFLINE_ACCESS, "profile")
    require_pkce: bool = True

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Policy:
        """The policy as `initial_access_tokens.policy` holds it. TypeError for an unknown member."""
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
        client, secret = registry.create(c, new, now=now)
        audit.append(c, "administrator:client:create", now=now, client=client.client_id, source=request.source)
    answer = {
        **_described(provider, client),
        "registration_access_token": registration_token,
        "client_id_issued_at": int(now.timestamp()),
    }
    if secret is not None:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return json_reply(201, answer)


def _read(provider: Provider, request: Request) -> Reply:
    """The registration, and the token that was shown for it (RFC 7592 §3); the secret is told once, when it is made."""
    described = _described(provider, _registered(provider, request))
    return json_reply(200, described | {"registration_access_token": request.bearer})


def _remove(provider: Provider, request: Request, now: datetime) -> Reply:
    """204: the client is disabled (RFC 7592 §2.3), and with it every token, grant and secret it has.

    Its row stays: audit and ledger go on naming whom something was released to.
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
        document = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise InvalidClientMetadata("the body is not JSON; send one object (RFC 7591 section 3.1)") from None
    if not isinstance(document, dict):
        raise InvalidClientMetadata("the body must be one JSON object (RFC 7591 section 3.1)")
    return document


def _spent(c: Connection, request: Request, now: datetime) -> Policy:
    """The policy of the initial access token, which has now one use less. A refused registration costs none."""
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


def _new_client(metadata: dict[str, Any], policy: Policy, token_digest: bytes) -> NewClient:
    """The client the metadata describes, within the policy. Where it is silent, the specifications' defaults hold."""
    _check_shape(metadata)
    scopes = _scopes(metadata, policy)
    name = metadata.get("client_name") or "未命名的接入系统"
    return NewClient(
        client_id=new_id(),
        name=name,
        name_en=metadata.get("client_name#en") or name,
        division=policy.division,
        purpose=policy.purpose,
        purpose_en=policy.purpose_en,
        legal_basis=policy.legal_basis,
        redirect_uris=tuple(metadata.get("redirect_uris", ())),
        post_logout_redirect_uris=tuple(metadata.get("post_logout_redirect_uris", ())),
        backchannel_logout_uri=metadata.get("backchannel_logout_uri"),
        backchannel_logout_session_required=metadata.get("backchannel_logout_session_required", False),
        scopes=scopes,
        claims_ceiling=of_scopes(scopes),
        grant_types=tuple(metadata.get("grant_types", ("authorization_code",))),
        token_endpoint_auth_method=metadata["token_endpoint_auth_method"],
        id_token_signed_response_alg=metadata.get("id_token_signed_response_alg", "RS256"),
        require_pkce=policy.require_pkce or metadata["token_endpoint_auth_method"] == NONE,
        home_uri=metadata.get("client_uri"),
        registration_token_digest=token_digest,
        metadata={key: metadata[key] for key in (*_KEPT, "jwks") if key in metadata},
    )


def _check_shape(metadata: dict[str, Any]) -> None:
    """Types, known values, and nothing that we would have to fetch. Completes `token_endpoint_auth_method`."""
    for name, cure in _REFUSED.items():
        if metadata.get(name):
            raise InvalidClientMetadata(cure)
    for name in ("redirect_uris", "post_logout_redirect_uris", "grant_types", "response_types", "contacts"):
        _strings(metadata, name)
    for name in ("client_name", "client_name#en", "client_uri", "backchannel_logout_uri", "policy_uri", "tos_uri"):
        _text(metadata, name)
    _flag(metadata, "backchannel_logout_session_required")
    _check_uris(metadata)
    if metadata.get("jwks") is not None:
        assertions.check_keys(metadata["jwks"])
    _validated_by_library(metadata)
    _one_of(metadata, "token_endpoint_auth_method", [method.name for method in authentication.METHODS])
    _one_of(metadata, "id_token_signed_response_alg", SIGNING_ALGORITHMS)
    _one_of(metadata, "subject_type", ("pairwise",))
    _one_of(metadata, "application_type", ("web", "native"))
    _each_of(metadata, "grant_types", [grant.grant_type for grant in GRANTS])
    _each_of(metadata, "response_types", RESPONSE_TYPES)


def _check_uris(metadata: Mapping[str, Any]) -> None:
    """Before anything else about them: what cannot be registered has its own error (RFC 7591 §3.2.2)."""
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        for uri in metadata.get(name, ()):
            urls.check_uri(uri, name=name)
    for name in ("client_uri", "policy_uri", "tos_uri", "backchannel_logout_uri"):
        try:
            urls.check_uri(metadata.get(name, "https://absent.invalid"), name=name)
        except InvalidRedirectUri as error:
            raise InvalidClientMetadata(error.description) from None


def _validated_by_library(metadata: dict[str, Any]) -> None:
    """Authlib knows the shape of each field of RFC 7591 §2, and fills in the default authentication method."""
    library = ClientMetadataClaims(metadata, {}, {}, {})
    try:
        library.validate()  # type: ignore[no-untyped-call]
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        field = getattr(error, "claim", None) or "a field"
        raise InvalidClientMetadata(f"{field} is malformed; see RFC 7591 section 2") from error
    metadata["token_endpoint_auth_method"] = library["token_endpoint_auth_method"]


def _scopes(metadata: Mapping[str, Any], policy: Policy) -> tuple[str, ...]:
    """What was asked within the policy, or all the policy allows."""
    asked = metadata.get("scope")
    if asked is not None and not isinstance(asked, str):
        raise InvalidClientMetadata("scope must be one string of space-separated scopes")
    wanted = policy.scopes if asked is None else tuple(dict.fromkeys(asked.split()))
    kept = tuple(name for name in wanted if name in policy.scopes and name in scopes_supported())
    if not kept:
        raise InvalidClientMetadata("none of these scopes is within the initial access token's policy")
    return kept


def _strings(metadata: Mapping[str, Any], name: str) -> None:
    value = metadata.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item.isprintable() for item in value):
        raise InvalidClientMetadata(f"{name} must be an array of printable strings")


def _text(metadata: Mapping[str, Any], name: str) -> None:
    value = metadata.get(name, "")
    longest = _LONGEST_NAME if name.startswith("client_name") else 2000
    if not isinstance(value, str) or len(value) > longest or not value.isprintable() or value.isspace():
        raise InvalidClientMetadata(f"{name} must be a printable string of at most {longest} characters, not blank")


def _flag(metadata: Mapping[str, Any], name: str) -> None:
    if not isinstance(metadata.get(name, False), bool):
        raise InvalidClientMetadata(f"{name} must be true or false")


def _one_of(metadata: Mapping[str, Any], name: str, known: list[str] | tuple[str, ...]) -> None:
    if name in metadata and metadata[name] not in known:
        raise InvalidClientMetadata(f"{name} must be one of {', '.join(known)}")


def _each_of(metadata: Mapping[str, Any], name: str, known: list[str] | tuple[str, ...]) -> None:
    if not set(metadata.get(name, ())) <= set(known):
        raise InvalidClientMetadata(f"{name} may hold {', '.join(known)} only")


def _described(provider: Provider, client: Client) -> dict[str, Any]:
    """The registration as RFC 7591 §3.2.1 shows it: an allow-list, so that no digest can ever slip in."""
    described = {
        "client_id": client.client_id,
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "backchannel_logout_session_required": client.backchannel_logout_session_required,
        "grant_types": list(client.grant_types),
        "response_types": list(client.response_types),
        "scope": " ".join(client.scopes),
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "id_token_signed_response_alg": client.id_token_signed_response_alg,
        "subject_type": "pairwise",
        "require_pkce": client.require_pkce,
        "registration_client_uri": f"{provider.issuer}{REGISTRATION.path}?client_id={client.client_id}",
        **{key: client.metadata[key] for key in (*_KEPT, "jwks") if key in client.metadata},
    }
    return {name: value for name, value in described.items() if value is not None}
