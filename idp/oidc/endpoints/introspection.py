"""Introspection (RFC 7662): whether a token is active. Only its own client and resource servers learn it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from idp.oidc import representation
from idp.oidc.clients.client import Client
from idp.oidc.consent import release
from idp.oidc.endpoints.token import client_of
from idp.oidc.errors import InvalidRequest, UnauthorizedClient
from idp.oidc.gate import is_token_active
from idp.oidc.messages import Reply, Request, json_reply
from idp.oidc.provider import Provider
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest
from idp.oidc.vocabulary import REFRESH_PREFIX

_INACTIVE = {"active": False}


def handle(provider: Provider, request: Request, now: datetime) -> Reply:
    """The token's state as JSON. For a foreign, an ended and an unknown token alike, `active` is false."""
    client = client_of(provider, request, now)
    if client.is_public:
        raise UnauthorizedClient("introspection needs a client that authenticates")
    token = request.form.get("token")
    if token is None:
        raise InvalidRequest("token is missing")
    statement = token_store.FIND_REFRESH_TOKEN if token.startswith(REFRESH_PREFIX) else token_store.FIND_ACCESS_TOKEN
    row = provider.database.connection().one(statement, of_token=digest(token))
    holder = None if row is None else provider.clients.get(row.client_id)
    if row is None or holder is None or not _may_see(client, row) or not is_token_active(row, holder, now):
        return json_reply(200, _INACTIVE)
    if getattr(row, "used_at", None) is not None:  # a refresh token that was used
        return json_reply(200, _INACTIVE)
    scopes = release.scopes_within_ceiling(row.scopes, holder)
    if row.scopes and not scopes:  # none of its scopes is left: a refresh is refused, too
        return json_reply(200, _INACTIVE)
    return json_reply(200, _described(provider, row, scopes, statement is token_store.FIND_ACCESS_TOKEN))


def _may_see(client: Client, row: Any) -> bool:
    """True for its own tokens; a registered resource server may see all."""
    return row.client_id == client.client_id or client.metadata.get("resource_server") is True


def _described(
    provider: Provider,
    row: Any,
    scopes: tuple[str, ...],
    is_access: bool,  # noqa: FBT001 - a fact of the row
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "active": True,
        "iss": provider.issuer,
        "client_id": row.client_id,
        "sub": row.sub,
        "iat": int(row.issued_at.timestamp()),
        "exp": int(row.expires_at.timestamp()),
    }
    if scopes:
        document["scope"] = " ".join(scopes)
    if is_access:
        document |= {"token_type": "Bearer", "aud": provider.issuer}
    if row.auth_time is not None:
        document |= {"acr": row.acr, "auth_time": int(row.auth_time.timestamp())}
    represents = representation.read(row.represents)
    return document if represents is None else document | represents.claims()
