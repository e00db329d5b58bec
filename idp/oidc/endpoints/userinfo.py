"""UserInfo (OpenID Connect Core §5.3): the claims that this token's request was granted. One indexed read.

Finding the row by the token's digest proves that the token is ours and not revoked, so no signature is checked here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.merging import linking
from accounts.people import PersonPhone
from idp.oidc import representation
from idp.oidc.clients.client import Client
from idp.oidc.consent import claims, release
from idp.oidc.errors import InsufficientScope, InvalidRequest, InvalidToken
from idp.oidc.gate import is_token_active
from idp.oidc.messages import Reply, Request, json_reply
from idp.oidc.provider import Provider
from idp.oidc.representation import ActsFor
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest
from idp.oidc.vocabulary import OPENID

_REALM = 'Bearer realm="Yitong"'


def handle(provider: Provider, request: Request, now: datetime) -> Reply:
    """`sub` and the released claims as JSON. Raises InvalidToken or InsufficientScope with their challenge."""
    token = _token(request)
    row = provider.database.connection().one(token_store.FIND_ACCESS_TOKEN_WITH_PERSON, of_token=digest(token))
    client = None if row is None else provider.clients.get(row.client_id)
    if row is None or client is None or row.person_id is None or not is_token_active(row, client, now):
        raise _invalid()
    if OPENID not in release.scopes_within_ceiling(row.scopes, client):
        raise InsufficientScope(
            "the token is not good for openid; ask for it at /authorize", headers=_challenge("insufficient_scope")
        )
    names = release.within_ceiling(row.claims, client)
    represents = representation.read(row.represents)
    acting = {} if represents is None else represents.claims()
    facts = _facts(provider, client, row, represents, now)
    return json_reply(200, {"sub": row.sub, **acting, **release.values(names, facts)})


def _token(request: Request) -> str:
    """The token in the header, or in the form of a POST (RFC 6750 §2.1, §2.2). Never both, never in the query."""
    held = request.bearer
    in_form = None
    if request.method == "POST" and request.body:
        in_form = request.form.get("access_token")
    if held is not None and in_form is not None:
        raise InvalidRequest("the access token was sent twice", headers=_challenge("invalid_request"))
    token = held or in_form
    if token is None:
        raise InvalidToken(
            "the access token is missing; send it as Authorization: Bearer", headers=(("WWW-Authenticate", _REALM),)
        )
    return token


def _invalid() -> InvalidToken:
    return InvalidToken("the access token is unknown, expired or revoked", headers=_challenge("invalid_token"))


def _challenge(error: str) -> tuple[tuple[str, str], ...]:
    return (("WWW-Authenticate", f'{_REALM}, error="{error}"'),)


def _facts(
    provider: Provider, client: Client, row: Any, represents: ActsFor | None, now: datetime
) -> claims.ClaimSources:
    people, connection = provider.people, provider.database.connection
    return claims.ClaimSources(
        attributes=people.attributes(row.attributes),
        updated_at=row.person_updated_at,
        now=now,
        phones=lambda: _phones(provider, row),
        identifiers=lambda: people.identifiers(connection(), row.person_id),
        legacy_sub=lambda: _legacy_sub(provider, client, row),
        organisation=lambda: claims.organisation_facts(connection(), people, represents),
    )


def _phones(provider: Provider, row: Any) -> tuple[PersonPhone, ...]:
    if row.phone_sealed is None:
        return ()
    return (provider.people.opened_phone(row.phone_sealed, is_primary=True, verified_at=row.phone_verified_at),)


def _legacy_sub(provider: Provider, client: Client, row: Any) -> str | None:
    if client.legacy_system is None:
        return None
    return linking.legacy_sub(provider.database.connection(), row.person_id, client.legacy_system)
