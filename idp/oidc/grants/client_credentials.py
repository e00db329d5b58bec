"""client_credentials (RFC 6749 §4.4): a client acts for itself. One statement writes the token's row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from idp.oidc.clients.client import Client
from idp.oidc.consent.claims import scopes_supported
from idp.oidc.errors import InvalidClient, InvalidScope, UnauthorizedClient
from idp.oidc.gate import may_act_alone
from idp.oidc.grants.issue import TokenGrant, access_row, answer
from idp.oidc.messages import Parameters
from idp.oidc.provider import Provider
from idp.oidc.tokens import token_store
from idp.oidc.tokens.minting import TokenSubject


def redeem(provider: Provider, client: Client, form: Parameters, now: datetime) -> Mapping[str, Any]:
    """An access token whose subject is the client. It never has scopes that concern a person."""
    if client.is_public:
        raise UnauthorizedClient("client_credentials needs a client that authenticates")
    if may_act_alone(client) is not None:
        raise InvalidClient("the client is disabled; ask the administrator of your division")
    holder = TokenSubject(sub=client.client_id, scopes=_scopes(client, form.get("scope")))
    issue = TokenGrant(client, holder, ())
    token = provider.tokens.access_token(client.client_id, holder, now)
    provider.database.connection().execute(token_store.INSERT_ACCESS_TOKEN, **access_row(provider, issue, token, now))
    return answer(provider, issue, token, now)


def _scopes(client: Client, asked: str | None) -> tuple[str, ...]:
    own = tuple(scope for scope in client.scopes if scope not in _OF_PERSONS)
    if asked is None:
        return own
    given = tuple(scope for scope in dict.fromkeys(asked.split(" ")) if scope in own)
    if not given:
        raise InvalidScope("none of the scopes is registered for this client acting alone")
    return given


_OF_PERSONS = frozenset(scopes_supported())
