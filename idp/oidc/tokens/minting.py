"""The signed tokens: access tokens (RFC 9068), ID tokens (OIDC Core §2), logout tokens (Back-Channel Logout §2.4)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from idp.oidc.representation import ActsFor
from idp.oidc.tokens.keys import KeyRing, NotSignedByUs, left_half
from idp.oidc.vocabulary import AT_JWT, BACKCHANNEL_LOGOUT_EVENT, ID_JWT, LOGOUT_JWT


@dataclass(frozen=True, slots=True)
class TokenLifetimes:
    """The lifetimes of tokens. The access token's limits how long a copy is valid after a revocation."""

    access_token: timedelta = timedelta(minutes=10)
    id_token: timedelta = timedelta(minutes=10)
    logout_token: timedelta = timedelta(minutes=2)
    refresh_idle: timedelta = timedelta(days=30)
    refresh_end: timedelta = timedelta(days=180)
    refresh_replay: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class TokenSubject:
    """The holder of a token: the subject as this client knows it, and how and when the person authenticated."""

    sub: str
    scopes: tuple[str, ...]
    session_id: str | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    auth_time: datetime | None = None
    represents: ActsFor | None = None

    def ends_by(self, end: datetime) -> datetime:
        """That moment, or the end of the authority to act for somebody: no token outlives it."""
        authority = None if self.represents is None else self.represents.expires_at
        return end if authority is None else min(end, authority)


class Tokens:
    """Mints and reads the provider's own tokens."""

    def __init__(self, issuer: str, keys: KeyRing, lifetimes: TokenLifetimes) -> None:
        self.issuer = issuer
        self.lifetimes = lifetimes
        self._keys = keys

    def access_token(self, client_id: str, holder: TokenSubject, now: datetime) -> str:
        """A signed access token, always ES256. It is valid only once its row is written."""
        issued = _seconds(now)
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.issuer,
            "sub": holder.sub,
            "client_id": client_id,
            "iat": issued,
            "exp": _seconds(holder.ends_by(now + self.lifetimes.access_token)),
            "jti": secrets.token_urlsafe(16),
        }
        known = {
            "scope": " ".join(holder.scopes) or None,  # a scope is never empty (RFC 6749 §3.3)
            "acr": holder.acr,
            "auth_time": None if holder.auth_time is None else _seconds(holder.auth_time),
            "sid": holder.session_id,
        }
        claims |= {name: value for name, value in known.items() if value is not None}
        if holder.represents is not None:
            claims |= holder.represents.claims()
        return self._keys.signed(claims, alg="ES256", typ=AT_JWT, now=now)

    def id_token(
        self,
        client_id: str,
        holder: TokenSubject,
        now: datetime,
        *,
        alg: str,
        nonce: str | None,
        access_token: str | None,
        released: Mapping[str, Any],
    ) -> str:
        """A signed ID token with the client's registered algorithm; `released` are claims requested by name."""
        issued = _seconds(now)
        claims: dict[str, Any] = {
            **released,
            "iss": self.issuer,
            "sub": holder.sub,
            "aud": client_id,
            "iat": issued,
            "exp": _seconds(holder.ends_by(now + self.lifetimes.id_token)),
        }
        claims |= _proof(holder)
        if nonce is not None:
            claims["nonce"] = nonce
        if access_token is not None:
            claims["at_hash"] = left_half(access_token)
        return self._keys.signed(claims, alg=alg, typ=ID_JWT, now=now)

    def logout_token(
        self, client_id: str, now: datetime, *, alg: str, jti: str, sub: str | None, sid: str | None
    ) -> str:
        """A signed logout token of at most two minutes. Each attempt needs a new `jti`: clients refuse a known one."""
        issued = _seconds(now)
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": client_id,
            "iat": issued,
            "exp": issued + int(self.lifetimes.logout_token.total_seconds()),
            "jti": jti,
            "events": {BACKCHANNEL_LOGOUT_EVENT: {}},
        }
        claims |= {name: value for name, value in (("sub", sub), ("sid", sid)) if value is not None}
        return self._keys.signed(claims, alg=alg, typ=LOGOUT_JWT, now=now)

    def read_id_token(self, token: str, now: datetime) -> dict[str, Any]:
        """The claims of an ID token of ours, expired or not, as a hint needs them. Raises NotSignedByUs."""
        claims = self._keys.verified(token, typ=ID_JWT, now=now)
        if claims.get("iss") != self.issuer or not isinstance(claims.get("aud"), str):
            raise NotSignedByUs
        return claims


def _proof(holder: TokenSubject) -> dict[str, Any]:
    claims: dict[str, Any] = {}
    if holder.auth_time is not None:
        claims["auth_time"] = _seconds(holder.auth_time)
    if holder.acr is not None:
        claims |= {"acr": holder.acr, "amr": list(holder.amr)}
    if holder.session_id is not None:
        claims["sid"] = holder.session_id
    if holder.represents is not None:
        claims |= holder.represents.claims()
    return claims


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
