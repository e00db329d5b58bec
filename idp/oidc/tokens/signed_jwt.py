"""The one reader of signed JWTs: our own tokens that come back, and what clients sign.

Nothing in the token chooses key or algorithm. Extensions of JWS are refused as one: we understand none, so whatever
`crit` names may not be ignored, an empty or ill-formed `crit` must not exist (RFC 7515 §4.1.11), and a JWT must not use
`b64` (RFC 7797 §7).
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
    """The token is no signed JWT, or this key did not sign it. The error says no more, because an attacker reads it."""


def header_of(token: str) -> dict[str, Any]:
    """The protected header, unverified, to look up whose key to try. Raises UnreadableJwt."""
    return _unproven(token)[0]


def unproven_claims(token: str) -> dict[str, Any]:
    """The claims, unverified: anybody may have written them. Raises UnreadableJwt."""
    return _unproven(token)[1]


def claims_of(token: str, key: Key, algorithms: tuple[str, ...]) -> dict[str, Any]:
    """The claims that the key (or one of the set) signed with an allowed algorithm. Raises UnreadableJwt.

    The caller checks time, issuer, audience and type, because each reader has its own.
    """
    _unproven(token)  # before the library, whose own reader of the header has no bounds
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
