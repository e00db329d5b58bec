"""authorization_code (RFC 6749 §4.1.3, RFC 7636 §4.6): the checks, then one redemption that buys the tokens.

A code that is redeemed a second time revokes everything that the first redemption bought (RFC 6749 §4.1.2).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from accounts.database import new_id
from idp.oidc import representation
from idp.oidc.clients.client import Client
from idp.oidc.consent import claims, release
from idp.oidc.errors import InvalidGrant, InvalidRequest, InvalidScope
from idp.oidc.gate import may_proceed
from idp.oidc.grants import collecting
from idp.oidc.grants.issue import TokenGrant, access_row, answer, end_replayed, refresh_row, registered_scopes
from idp.oidc.messages import Parameters
from idp.oidc.provider import Provider
from idp.oidc.requests.code import Redeemable, answers_for
from idp.oidc.tokens import token_store
from idp.oidc.tokens.keys import encoded
from idp.oidc.tokens.minting import TokenSubject
from idp.oidc.tokens.secret import digest, new_secret
from idp.oidc.vocabulary import OFFLINE_ACCESS, OPENID, REFRESH_PREFIX, REFRESH_TOKEN

_REFUSED = "the code is unknown, expired, used, or was given to another client or redirect_uri"

_NOT_ALLOWED = "the person may not act for this organisation or person any more; start again"


def redeem(provider: Provider, client: Client, form: Parameters, now: datetime) -> Mapping[str, Any]:
    """Access token, ID token with `openid`, refresh token where the client may have one. The code is spent.

    Raises InvalidGrant, or InvalidScope when the client has lost every scope. A replayed code revokes what it bought. A
    code that another client sends becomes invalid. Raises RegistryUnavailable, and keeps the code, when nobody can tell
    whether the person may act for the organisation.
    """
    text = form.get("code")
    if text is None:
        raise InvalidRequest("code is missing")
    held = answers_for(provider.people.vault, text, lambda request_id: _stored(provider, request_id))
    if held is None:
        raise InvalidGrant(_REFUSED)
    wrong = _wrong(client, form, held, now)
    if wrong is not None:
        raise _refused(provider, client, text, held, wrong, now)
    try:
        held = _as_of_today(client, held)
    except InvalidScope:
        _refused(provider, client, text, held, _REFUSED, now)  # a replay counts whatever the client may have today
        raise
    may_act, represents = representation.current(
        provider.authority, provider.database.connection(), held.person_id, held.represents, client, now
    )
    if not may_act:
        raise _refused(provider, client, text, held, _NOT_ALLOWED, now)
    held = replace(held, represents=represents) if represents else held
    issue = _token_grant(client, held)
    access_token = provider.tokens.access_token(client.client_id, issue.holder, now)
    refresh_token = new_secret(REFRESH_PREFIX) if _may_refresh(client, issue) else None
    if not _spend(provider, issue, held, text, access_token, refresh_token, now):
        raise _refused(provider, client, text, held, _REFUSED, now)
    return answer(
        provider,
        issue,
        access_token,
        now,
        refresh_token=refresh_token,
        id_token=_id_token(provider, issue, held, access_token, now) if OPENID in issue.holder.scopes else None,
    )


def _stored(provider: Provider, request_id: str) -> Any:
    return provider.database.connection().one(token_store.FIND_APPROVED, of_request=request_id)


def _wrong(client: Client, form: Parameters, held: Redeemable, now: datetime) -> str | None:
    """The mismatch, as the client reads it, or None if the code may be spent."""
    if held.client_id != client.client_id or now >= held.expires_at or form.get("redirect_uri") != held.redirect_uri:
        return _REFUSED
    return _wrong_verifier(client, held.code_challenge, form.get("code_verifier"))


def _refused(provider: Provider, client: Client, text: str, held: Redeemable, why: str, now: datetime) -> InvalidGrant:
    """The error, after a replay has revoked what it bought, or another client's use has made the code invalid.

    A code that a later one replaced, because the person pressed twice, has no consequences: it bought nothing.
    """
    row = _stored(provider, held.id)
    if row is None and held.unstored is not None and held.client_id != client.client_id:
        collecting.invalidate(provider.database.connection(), held, text, now)
    if row is None or not hmac.compare_digest(row.code_digest or b"", digest(text)):
        return InvalidGrant(_REFUSED)
    if row.state == "redeemed":
        end_replayed(provider, held.id, "code", person_id=held.person_id, client_id=held.client_id, now=now)
        return InvalidGrant(_REFUSED)
    if held.client_id != client.client_id:
        collecting.invalidate(provider.database.connection(), held, text, now)
        return InvalidGrant(_REFUSED)
    refusal = may_proceed(
        client=client, person_status=row.person_status, grant_withdrawn=row.grant_withdrawn_at is not None
    )
    return InvalidGrant(why if refusal is None else "the person or the client may not proceed; start again")


def _wrong_verifier(client: Client, challenge: str | None, verifier: str | None) -> str | None:
    """S256 only. A verifier without a challenge is a downgrade and is refused (RFC 9700 §4.8.2)."""
    if challenge is None:
        if client.require_pkce:
            return "the request was made without code_challenge; PKCE S256 is required"
        return None if verifier is None else "code_verifier was sent for a request without code_challenge"
    made = encoded(hashlib.sha256((verifier or "").encode()).digest())
    fits = verifier is not None and hmac.compare_digest(made, challenge.encode())
    return None if fits else "code_verifier does not match code_challenge"


def _as_of_today(client: Client, held: Redeemable) -> Redeemable:
    """The code within the client's ceiling, which may have been lowered in the minute since the approval."""
    scopes, released = registered_scopes(client, held.scopes), release.within_ceiling(held.released, client)
    if (scopes, released) == (held.scopes, held.released):
        return held
    return replace(held, scopes=scopes, released=released)


def _token_grant(client: Client, held: Redeemable) -> TokenGrant:
    holder = TokenSubject(held.sub, held.scopes, held.session_id, held.acr, held.amr, held.auth_time, held.represents)
    names = release.userinfo_names(held.released, held.scopes, held.claims)
    return TokenGrant(client, holder, names, held.person_id, held.grant_id, held.id, held.session_id)


def _may_refresh(client: Client, issue: TokenGrant) -> bool:
    return REFRESH_TOKEN in client.grant_types and OFFLINE_ACCESS in issue.holder.scopes


def _spend(
    provider: Provider,
    issue: TokenGrant,
    held: Redeemable,
    text: str,
    access_token: str,
    refresh_token: str | None,
    now: datetime,
) -> bool:
    ends_at = now + provider.policy.lifetimes.refresh_end
    return collecting.spend(
        provider.database.connection(),
        held,
        text,
        access=access_row(provider, issue, access_token, now),
        release=_release_row(issue, held, now),
        refresh=None if refresh_token is None else refresh_row(provider, issue, refresh_token, now, ends_at=ends_at),
        now=now,
    )


def _release_row(issue: TokenGrant, held: Redeemable, now: datetime) -> dict[str, Any]:
    """The ledger's row: claims, client, person, purpose and legal basis, kept three years."""
    return {
        "id": new_id(),
        "at": now,
        "person_id": held.person_id,
        "client_id": issue.client.client_id,
        "grant_id": held.grant_id,
        "request_id": held.id,
        "claims": held.released,
        "purpose": issue.client.purpose,
        "legal_basis": issue.client.legal_basis,
    }


def _id_token(provider: Provider, issue: TokenGrant, held: Redeemable, access_token: str, now: datetime) -> str:
    names = release.id_token_names(held.released, held.claims)
    return provider.tokens.id_token(
        issue.client.client_id,
        issue.holder,
        now,
        alg=issue.client.id_token_signed_response_alg,
        nonce=held.nonce,
        access_token=access_token,
        released=release.id_token_claims(held.released, held.claims, _facts(provider, held, now)) if names else {},
    )


def _facts(provider: Provider, held: Redeemable, now: datetime) -> claims.ClaimSources:
    """What is known of the person now. Only a claim requested by name for the ID token costs this read."""
    c, row = provider.database.connection(), _stored(provider, held.id)
    return claims.claim_sources(
        c, provider.people, row.person_id, row.attributes, updated_at=row.person_updated_at, now=now
    )
