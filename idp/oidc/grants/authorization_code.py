"""authorization_code (RFC 6749 §4.1.3, RFC 7636 §4.6): one read, the checks, then one redemption that buys the tokens.

A code that comes back a second time takes with it everything the first time bought (RFC 6749 §4.1.2).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accounts import audit
from accounts.db import new_id
from idp.oidc import claims, store
from idp.oidc.clients import Client
from idp.oidc.errors import InvalidGrant, InvalidRequest
from idp.oidc.gate import may_proceed
from idp.oidc.grants.issue import Issue, access_row, answer, refresh_row
from idp.oidc.messages import Parameters
from idp.oidc.provider import Provider
from idp.oidc.secret import digest, new_secret
from idp.oidc.tokens import Holder
from idp.oidc.vocabulary import OFFLINE_ACCESS, OPENID, REFRESH_PREFIX, REFRESH_TOKEN

_REFUSED = "the code is unknown, expired, used, or was given to another client or redirect_uri"


def redeem(provider: Provider, client: Client, form: Parameters, now: datetime) -> Mapping[str, Any]:
    """Access token, ID token with `openid`, refresh token where the client may have one; the code is spent.

    Raises InvalidGrant; a replayed code revokes what it bought, a code in foreign hands is spoilt.
    """
    code = form.get("code")
    if code is None:
        raise InvalidRequest("code is missing")
    row = provider.database.connection().one(store.FIND_CODE, of_code=digest(code))
    _check(provider, client, form, row, now)
    issue = _issue(client, row)
    access_token = provider.tokens.access_token(client.client_id, issue.holder, now)
    refresh_token = new_secret(REFRESH_PREFIX) if _may_refresh(client, issue) else None
    if not _spend(provider, issue, row, access_token, refresh_token, now):
        _replayed(provider, row, now)
    return answer(
        provider,
        issue,
        access_token,
        refresh_token=refresh_token,
        id_token=_id_token(provider, issue, row, access_token, now) if OPENID in issue.holder.scopes else None,
    )


def _check(provider: Provider, client: Client, form: Parameters, row: Any, now: datetime) -> None:
    if row is None:
        raise InvalidGrant(_REFUSED)
    if row.state == "redeemed":
        _replayed(provider, row, now)
    if row.client_id != client.client_id:
        provider.database.connection().execute(store.SPOIL_CODE, of_code=row.code_digest)
        raise InvalidGrant(_REFUSED)
    if row.state != "approved" or now >= row.expires_at or form.get("redirect_uri") != row.redirect_uri:
        raise InvalidGrant(_REFUSED)
    _check_verifier(client, row.code_challenge, form.get("code_verifier"))
    refusal = may_proceed(
        client=client, person_status=row.person_status, grant_withdrawn=row.grant_withdrawn_at is not None
    )
    if refusal is not None:
        raise InvalidGrant("the person or the client may not proceed; start again")


def _check_verifier(client: Client, challenge: str | None, verifier: str | None) -> None:
    """S256 always; a verifier without a challenge is a downgrade and refused (RFC 9700 §4.8.2)."""
    if challenge is None:
        if client.require_pkce:
            raise InvalidGrant("the request was made without code_challenge; PKCE S256 is required")
        if verifier is not None:
            raise InvalidGrant("code_verifier was sent for a request without code_challenge")
        return
    made = base64.urlsafe_b64encode(hashlib.sha256((verifier or "").encode()).digest()).rstrip(b"=")
    if verifier is None or not hmac.compare_digest(made, challenge.encode()):
        raise InvalidGrant("code_verifier does not match code_challenge")


def _issue(client: Client, row: Any) -> Issue:
    holder = Holder(
        sub=row.sub,
        scopes=tuple(row.scopes),
        session_id=row.session_id,
        acr=row.acr,
        amr=tuple(row.amr),
        auth_time=row.auth_time,
    )
    names = claims.userinfo_names(row.released, row.scopes, row.claims)
    return Issue(client, holder, names, row.person_id, row.grant_id, row.id)


def _may_refresh(client: Client, issue: Issue) -> bool:
    return REFRESH_TOKEN in client.grant_types and OFFLINE_ACCESS in issue.holder.scopes


def _spend(
    provider: Provider, issue: Issue, row: Any, access_token: str, refresh_token: str | None, now: datetime
) -> bool:
    spend = {"of_code": row.code_digest, "of_client": issue.client.client_id, "now": now}
    buys = [access_row(provider, issue, access_token, now), _release_row(issue, row, now)]
    c = provider.database.connection()
    if refresh_token is None:
        return c.redeem(store.REDEEM_CODE, spend, *buys)
    ends_at = now + provider.policy.lifetimes.refresh_end
    buys.append(refresh_row(provider, issue, refresh_token, now, family=new_id(), ends_at=ends_at, offline=True))
    return c.redeem(store.REDEEM_CODE_FOR_REFRESH, spend, *buys)


def _release_row(issue: Issue, row: Any, now: datetime) -> dict[str, Any]:
    """The ledger's row: what is handed to whom, of whom, for what purpose and on what basis, kept three years."""
    return {
        "id": new_id(),
        "at": now,
        "person_id": row.person_id,
        "client_id": issue.client.client_id,
        "grant_id": row.grant_id,
        "request_id": row.id,
        "claims": row.released,
        "purpose": issue.client.purpose,
        "legal_basis": issue.client.legal_basis,
    }


def _replayed(provider: Provider, row: Any, now: datetime) -> None:
    with provider.database.transaction() as c:
        died = store.revoke_bought(c, row.id, now=now)
        detail = {"revoked": died, "kind": "code"}
        audit.append(
            c,
            "client:token:replay",
            now=now,
            person=row.person_id,
            client=row.client_id,
            outcome="refused",
            detail=detail,
        )
    raise InvalidGrant(_REFUSED)


def _id_token(provider: Provider, issue: Issue, row: Any, access_token: str, now: datetime) -> str:
    released: dict[str, Any] = {}
    if claims.id_token_names(row.released, row.claims):
        c = provider.database.connection()
        facts = claims.facts_of(
            c, provider.people, row.person_id, row.attributes, updated_at=row.person_updated_at, now=now
        )
        released = claims.id_token_claims(row.released, row.claims, facts)
    return provider.tokens.id_token(
        issue.client.client_id,
        issue.holder,
        now,
        alg=issue.client.id_token_signed_response_alg,
        nonce=row.nonce,
        access_token=access_token,
        released=released,
    )
