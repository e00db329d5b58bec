"""What the grants share: the rows that they write and the answer that they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts import audit
from idp.oidc.clients.client import Client
from idp.oidc.consent import release
from idp.oidc.errors import InvalidScope
from idp.oidc.provider import Provider
from idp.oidc.tokens import token_store
from idp.oidc.tokens.minting import TokenSubject
from idp.oidc.tokens.secret import digest

_RESTS_ON_NOTHING = {"delegation_id": None, "through_id": None, "relation_id": None}


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """For whom and under which grant a token is issued. `claims` are the names that UserInfo will answer.

    The access token ends with the session `session_id`. None if it does not depend on a session.
    """

    client: Client
    holder: TokenSubject
    claims: tuple[str, ...]
    person_id: str | None = None
    grant_id: str | None = None
    request_id: str | None = None
    session_id: str | None = None


def registered_scopes(client: Client, scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the given scopes that the client is registered for today. Raises InvalidScope when none is left."""
    left = release.scopes_within_ceiling(scopes, client)
    if scopes and not left:
        raise InvalidScope("the client is not registered for any of these scopes any more")
    return left


def access_row(provider: Provider, token_grant: TokenGrant, token: str, now: datetime) -> dict[str, Any]:
    """The access token's row. Without the row, the token is not valid."""
    represents = token_grant.holder.represents
    return {
        "digest": digest(token),
        "grant_id": token_grant.grant_id,
        "request_id": token_grant.request_id,
        "client_id": token_grant.client.client_id,
        "person_id": token_grant.person_id,
        "session_id": token_grant.session_id,
        "sub": token_grant.holder.sub,
        "scopes": list(token_grant.holder.scopes),
        "claims": list(token_grant.claims),
        "represents": None if represents is None else represents.stored(),
        **(_RESTS_ON_NOTHING if represents is None else represents.rests_on()),
        "acr": token_grant.holder.acr,
        "auth_time": token_grant.holder.auth_time,
        "issued_at": now,
        "expires_at": token_grant.holder.ends_by(now + provider.policy.lifetimes.access_token),
        "revoked_at": None,
    }


def refresh_row(
    provider: Provider, token_grant: TokenGrant, token: str, now: datetime, *, ends_at: datetime
) -> dict[str, Any]:
    """A refresh token's row. Every successor inherits the request that it came from, and `ends_at`."""
    represents, ends_at = token_grant.holder.represents, token_grant.holder.ends_by(ends_at)
    return {
        "digest": digest(token),
        "grant_id": token_grant.grant_id,
        "request_id": token_grant.request_id,
        "client_id": token_grant.client.client_id,
        "person_id": token_grant.person_id,
        "session_id": token_grant.holder.session_id,
        "sub": token_grant.holder.sub,
        "scopes": list(token_grant.holder.scopes),
        "claims": list(token_grant.claims),
        "represents": None if represents is None else represents.stored(),
        "amr": list(token_grant.holder.amr),
        "acr": token_grant.holder.acr,
        "auth_time": token_grant.holder.auth_time,
        "issued_at": now,
        "expires_at": min(now + provider.policy.lifetimes.refresh_idle, ends_at),
        "ends_at": ends_at,
        "used_at": None,
    }


def answer(
    provider: Provider, token_grant: TokenGrant, access_token: str, now: datetime, **more: str | None
) -> Mapping[str, Any]:
    """The token endpoint's success response (RFC 6749 §5.1). Members that are None are left out."""
    ends = token_grant.holder.ends_by(now + provider.policy.lifetimes.access_token)
    document = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": int((ends - now).total_seconds()),
        "scope": " ".join(token_grant.holder.scopes) or None,
        **more,
    }
    return {name: value for name, value in document.items() if value is not None}


def end_replayed(
    provider: Provider, request_id: str, kind: str, *, person_id: str, client_id: str, now: datetime
) -> None:
    """A used code or refresh token came back: everything from the same code is revoked, and this is audited.

    One of the two holders is a thief, and nobody can tell which (RFC 6749 §4.1.2, RFC 9700 §4.14.2).
    """
    with provider.database.transaction() as c:
        token_store.revoke_bought(c, request_id, now=now)
        detail = {"kind": kind}
        audit.append(
            c, "client:token:replay", now=now, person=person_id, client=client_id, outcome="refused", detail=detail
        )
