"""Reading a JWT that a client signed with a key it registered. Nothing in the token itself chooses key or algorithm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from joserfc import jwk, jws
from joserfc.errors import JoseError

_MOST_CHARACTERS = 8192
_UNREADABLE = (JoseError, ValueError, KeyError, TypeError, RecursionError)  # nesting is what an attacker controls


class BadAssertion(Exception):
    """The token is not what a registered key signed."""


def issuer_of(token: str) -> str:
    """The `iss` the token claims, unverified: only to look up whose keys to try. Empty if it cannot be read."""
    return unproven_texts(token).get("iss", "")


def unproven_texts(token: str) -> dict[str, str]:
    """The claims that are texts, unverified and therefore anybody's; none if the token cannot be read."""
    try:
        claims = json.loads(jws.extract_compact(token[:_MOST_CHARACTERS].encode()).payload)
        return {name: value for name, value in claims.items() if isinstance(value, str)}
    except (*_UNREADABLE, AttributeError):
        return {}


def claims_of(token: str, jwks: Mapping[str, Any] | None, algorithms: tuple[str, ...]) -> dict[str, Any]:
    """The claims, when one of the registered keys signed them with an allowed algorithm. Raises BadAssertion."""
    if not jwks or len(token) > _MOST_CHARACTERS:
        raise BadAssertion
    try:
        keys = jwk.KeySet.import_key_set({"keys": list(jwks["keys"])})
        payload = jws.deserialize_compact(token, keys, algorithms=list(algorithms)).payload
        claims = json.loads(payload)
    except _UNREADABLE as error:
        raise BadAssertion from error
    if not isinstance(claims, dict):
        raise BadAssertion
    return claims
