"""refresh_token (RFC 6749 §6): confidential clients keep theirs, public clients rotate (docs/decisions/0008).

The successor is derived from the used token, so a repeat within ten seconds, after a lost answer, gives the same
successor. A later repeat, or one after the successor was used, ends the whole family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

from accounts import audit
from idp.oidc import representation
from idp.oidc.clients.client import Client
from idp.oidc.consent import claims, consents, release
from idp.oidc.errors import InvalidGrant, InvalidRequest, InvalidScope
from idp.oidc.gate import is_token_active
from idp.oidc.grants.issue import TokenGrant, access_row, answer, end_replayed, refresh_row, registered_scopes
from idp.oidc.messages import Parameters
from idp.oidc.provider import Provider
from idp.oidc.representation import ActsFor
from idp.oidc.tokens import token_store
from idp.oidc.tokens.keys import encoded
from idp.oidc.tokens.minting import TokenSubject
from idp.oidc.tokens.secret import digest
from idp.oidc.vocabulary import OPENID, REFRESH_PREFIX

_REFUSED = (
    "the refresh token is unknown, expired, revoked, used, another client's, or for another purpose; "
    "ask the person to sign in again"
)


def redeem(provider: Provider, client: Client, form: Parameters, now: datetime) -> Mapping[str, Any]:
    """A new access token, an ID token with `openid`, and for public clients the successor of the refresh token."""
    token = form.get("refresh_token")
    if token is None:
        raise InvalidRequest("refresh_token is missing")
    row = provider.database.connection().one(token_store.FIND_REFRESH_TOKEN, of_token=digest(token))
    _check(provider, client, row, now)
    issue = _token_grant(client, row, form.get("scope"), _represents(provider, client, row, now))
    access_token = provider.tokens.access_token(client.client_id, issue.holder, now)
    kept = _rotate(provider, issue, row, token, access_token, now) if client.is_public else token
    if not client.is_public:
        _keep(provider, issue, row, access_token, now)
    id_token = _id_token(provider, issue, access_token, now) if OPENID in issue.holder.scopes else None
    return answer(provider, issue, access_token, now, refresh_token=kept, id_token=id_token)


def _check(provider: Provider, client: Client, row: Any, now: datetime) -> None:
    if row is None or row.client_id != client.client_id:
        raise InvalidGrant(_REFUSED)
    if _comes_back_late(provider, row, now):
        _end_family(provider, row, now)
    if not is_token_active(row, client, now):
        raise InvalidGrant(_REFUSED)
    if not consents.is_for(row.grant_purpose, row.grant_basis, client):
        raise InvalidGrant(_REFUSED)


def _comes_back_late(provider: Provider, row: Any, now: datetime) -> bool:
    """True if a used token comes back after the replay window. That is a theft, whatever else is wrong.

    The token's own time may be over while the family lives, or the scope may not be granted. A family that has ended
    is not ended again.
    """
    spent = row.used_at is not None and now - row.used_at > provider.policy.lifetimes.refresh_replay
    return spent and row.bought_stands


def _represents(provider: Provider, client: Client, row: Any, now: datetime) -> ActsFor | None:
    """The authority of today. Raises InvalidGrant after its end has ended all that came from the code.

    Raises RegistryUnavailable when nobody can tell; the refresh token is kept.
    """
    held = representation.read(row.represents)
    c = provider.database.connection()
    may_act, today = representation.current(provider.authority, c, row.person_id, held, client, now)
    if may_act:
        return today
    with provider.database.transaction() as c:
        if token_store.revoke_bought(c, row.request_id, now=now):
            detail = {"because": "not_allowed"}
            audit.append(c, "client:token:revoke", now=now, person=row.person_id, client=row.client_id, detail=detail)
    raise InvalidGrant("the person may not act for this organisation or person any more; ask them to sign in again")


def _token_grant(client: Client, row: Any, asked: str | None, represents: ActsFor | None) -> TokenGrant:
    holder = TokenSubject(
        sub=row.sub,
        scopes=registered_scopes(client, _narrowed(tuple(row.scopes), asked)),
        session_id=row.session_id,
        acr=row.acr,
        amr=tuple(row.amr),
        auth_time=row.auth_time,
        represents=represents,
    )
    left_out = frozenset(claims.of_scopes(frozenset(row.scopes) - frozenset(holder.scopes)))
    names = release.within_ceiling((name for name in row.claims if name not in left_out), client)
    return TokenGrant(client, holder, names, row.person_id, row.grant_id, row.request_id)


def _narrowed(given: tuple[str, ...], asked: str | None) -> tuple[str, ...]:
    """The requested ones of the granted scopes. Raises InvalidScope for any other (RFC 6749 §6)."""
    if asked is None:
        return given
    wanted = frozenset(asked.split(" "))
    if not wanted <= frozenset(given):
        raise InvalidScope("scope may only narrow what was given")
    return tuple(scope for scope in given if scope in wanted)


def _keep(provider: Provider, issue: TokenGrant, row: Any, access_token: str, now: datetime) -> None:
    spend = {"of_token": row.digest, "now": now, "new_expiry": _idle_end(provider, row, now)}
    bought = access_row(provider, issue, access_token, now)
    if not provider.database.connection().redeem(token_store.KEEP_REFRESH_TOKEN, spend, bought):
        raise InvalidGrant(_REFUSED)


def _rotate(provider: Provider, issue: TokenGrant, row: Any, token: str, access_token: str, now: datetime) -> str:
    successor = REFRESH_PREFIX + encoded(provider.keys.derived(token.encode(), purpose="refresh successor")).decode()
    fresh = refresh_row(provider, _whole(issue, row), successor, now, ends_at=row.ends_at)
    bought = access_row(provider, issue, access_token, now)
    c = provider.database.connection()
    spent = row.used_at is None and c.redeem(
        token_store.ROTATE_REFRESH_TOKEN, {"of_token": row.digest, "now": now}, fresh, bought
    )
    if not spent:
        _repeat(provider, row, successor, bought, now)
    return successor


def _whole(issue: TokenGrant, row: Any) -> TokenGrant:
    """The successor keeps every scope, even if this access token was narrowed."""
    held = replace(issue.holder, scopes=tuple(row.scopes))
    return TokenGrant(issue.client, held, tuple(row.claims), issue.person_id, issue.grant_id, issue.request_id)


def _repeat(provider: Provider, row: Any, successor: str, bought: dict[str, Any], now: datetime) -> None:
    """The token was used before. Within the window, and while its successor is unused, the answer is repeated."""
    c = provider.database.connection()
    used_at: datetime | None = row.used_at or c.one(token_store.FIND_REFRESH_TOKEN, of_token=row.digest).used_at
    if used_at is not None and now - used_at <= provider.policy.lifetimes.refresh_replay:
        spend = {"of_token": digest(successor), "now": now, "new_expiry": _idle_end(provider, row, now)}
        if c.redeem(token_store.KEEP_REFRESH_TOKEN, spend, bought):
            return
    _end_family(provider, row, now)


def _end_family(provider: Provider, row: Any, now: datetime) -> NoReturn:
    end_replayed(provider, row.request_id, "refresh_token", person_id=row.person_id, client_id=row.client_id, now=now)
    raise InvalidGrant(_REFUSED)


def _idle_end(provider: Provider, row: Any, now: datetime) -> datetime:
    ends_at: datetime = row.ends_at
    return min(now + provider.policy.lifetimes.refresh_idle, ends_at)


def _id_token(provider: Provider, issue: TokenGrant, access_token: str, now: datetime) -> str:
    """The ID token of OpenID Connect Core §12.2: the first login's `auth_time`, no nonce."""
    return provider.tokens.id_token(
        issue.client.client_id,
        issue.holder,
        now,
        alg=issue.client.id_token_signed_response_alg,
        nonce=None,
        access_token=access_token,
        released={},
    )
