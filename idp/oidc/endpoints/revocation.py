"""Revocation (RFC 7009): a client revokes its token. Unknown and foreign tokens get the same 200 and are unchanged."""

from __future__ import annotations

from datetime import datetime

from accounts import audit
from accounts.database import Connection
from idp.oidc.clients.client import Client
from idp.oidc.endpoints.token import client_of
from idp.oidc.errors import InvalidRequest
from idp.oidc.messages import NO_STORE, Reply, Request
from idp.oidc.provider import Provider
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest
from idp.oidc.vocabulary import REFRESH_PREFIX


def handle(provider: Provider, request: Request, now: datetime) -> Reply:
    """The token is revoked once this returns. A refresh token ends its family and their access tokens, too."""
    client = client_of(provider, request, now)
    token = request.form.get("token")
    if token is None:
        raise InvalidRequest("token is missing")
    with provider.database.transaction() as c:
        revoke = _revoke_refresh if token.startswith(REFRESH_PREFIX) else _revoke_access
        revoke(c, client, digest(token), now)
    return Reply(200, b"", NO_STORE)


def _revoke_access(c: Connection, client: Client, key: bytes, now: datetime) -> None:
    row = c.one(token_store.FIND_ACCESS_TOKEN, of_token=key)
    if (
        row is not None
        and row.client_id == client.client_id
        and c.execute(token_store.REVOKE_ACCESS_TOKEN, of=key, now=now)
    ):
        audit.append(c, "client:token:revoke", now=now, person=row.person_id, client=client.client_id)


def _revoke_refresh(c: Connection, client: Client, key: bytes, now: datetime) -> None:
    row = c.one(token_store.FIND_REFRESH_TOKEN, of_token=key)
    if row is None or row.client_id != client.client_id or not token_store.revoke_bought(c, row.request_id, now=now):
        return
    audit.append(c, "client:token:revoke", now=now, person=row.person_id, client=client.client_id)
