"""The one reader of signed JWTs: our own tokens that come back, and what clients sign.

Nothing in the token chooses key or algorithm. Extensions of JWS are refused as one: we understand none, so whatever
`crit` names may not be ignored, an empty or ill-formed `crit` must not exist (RFC 7515 §4.1.11), and a JWT must not use
`b64` (RFC 7797 §7).
"""

from __future__ import annotations

import json
from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError

_EXTENDING = frozenset({"crit", "b64"})
_UNREADABLE = (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError)  # an attacker writes it

Key = jwk.Key | jwk.KeySet


class UnreadableJwt(Exception):
    """The token is no signed JWT, or not what this key signed. It says no more, for an attacker reads it."""


def header_of(token: str) -> dict[str, Any]:
    """The protected header, unverified: only to look up whose key to try. Raises UnreadableJwt."""
    try:
        header = dict(jws.extract_compact(token.encode()).headers())
    except _UNREADABLE as error:
        raise UnreadableJwt from error
    if not _EXTENDING.isdisjoint(header):
        raise UnreadableJwt
    return header


def unproven_claims(token: str) -> dict[str, Any]:
    """The claims, unverified and therefore anybody's. Raises UnreadableJwt."""
    header_of(token)
    try:
        return _object(jws.extract_compact(token.encode()).payload)
    except _UNREADABLE as error:
        raise UnreadableJwt from error


def claims_of(token: str, key: Key, algorithms: tuple[str, ...]) -> dict[str, Any]:
    """The claims, when the key (or one of the set) signed them with an allowed algorithm. Raises UnreadableJwt.

    Time, issuer, audience and type are the caller's to check, for each reader has its own.
    """
    header_of(token)
    try:
        return _object(jws.deserialize_compact(token, key, algorithms=list(algorithms)).payload)
    except _UNREADABLE as error:
        raise UnreadableJwt from error


def _object(payload: bytes) -> dict[str, Any]:
    claims = json.loads(payload)
    if not isinstance(claims, dict):
        raise TypeError(payload)
    return claims
