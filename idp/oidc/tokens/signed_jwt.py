"""The one reader of signed JWTs: our own tokens that come back, and what clients sign.

The token chooses neither key nor algorithm. All extensions of JWS are refused. We support none, so whatever `crit`
names may not be ignored, an empty or ill-formed `crit` must not exist (RFC 7515 §4.1.11), and a JWT must not use `b64`
(RFC 7797 §7).
"""

from __future__ import annotations

from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError

from idp.oidc.untrusted_json import UnreadableJson, read_compact, read_object

_EXTENDING = frozenset({"crit", "b64"})
_UNREADABLE = (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError)  # an attacker writes it

Key = jwk.Key | jwk.KeySet


class UnreadableJwt(Exception):
    """The token is no signed JWT, or this key did not sign it. No details are given, as an attacker reads it."""


def header_of(token: str) -> dict[str, Any]:
    """The protected header, unverified, to find the key to try. Raises UnreadableJwt."""
    return _unproven(token)[0]


def unproven_claims(token: str) -> dict[str, Any]:
    """The claims, unverified: anybody may have written them. Raises UnreadableJwt."""
    return _unproven(token)[1]


def claims_of(token: str, key: Key, algorithms: tuple[str, ...]) -> dict[str, Any]:
    """The claims that the key (or one of the set) signed with an allowed algorithm. Raises UnreadableJwt.

    The caller checks time, issuer, audience and type, because each reader has its own.
    """
    _unproven(token)  # first, because the library's own header reader has no limits
    try:
        return read_object(jws.deserialize_compact(token, key, algorithms=list(algorithms)).payload)
    except _UNREADABLE as error:
        raise UnreadableJwt from error


def _unproven(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        header, claims = read_compact(token)
    except UnreadableJson as error:
        raise UnreadableJwt from error
    if not _EXTENDING.isdisjoint(header):
        raise UnreadableJwt
    return header, claims
