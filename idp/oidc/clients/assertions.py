"""The keys that a client registers, and the JWTs that it signs. The token chooses neither key nor algorithm."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from joserfc import jwk
from joserfc.errors import JoseError

from idp.oidc.errors import InvalidClientMetadata
from idp.oidc.tokens import signed_jwt

_MOST_CHARACTERS = 8192
_MOST_KEYS = 10
_RSA_BITS = range(2048, 8193)
_MOST_E = 64  # bits of the exponent
_UNREADABLE = (JoseError, ValueError, KeyError, TypeError)


class BadAssertion(Exception):
    """No registered key signed the token."""


def issuer_of(token: str) -> str:
    """The token's `iss`, unverified, only to find the keys to try. Empty if it cannot be read."""
    return unproven_texts(token).get("iss", "")


def unproven_texts(token: str) -> dict[str, str]:
    """The claims that are texts, unverified: anybody may have written them. Empty if the token is unreadable."""
    try:
        claims = signed_jwt.unproven_claims(token[:_MOST_CHARACTERS])
    except signed_jwt.UnreadableJwt:
        return {}
    return {name: value for name, value in claims.items() if isinstance(value, str)}


def claims_of(token: str, jwks: Mapping[str, Any] | None, algorithms: tuple[str, ...]) -> dict[str, Any]:
    """The claims, if one of the registered keys signed them with an allowed algorithm. Raises BadAssertion."""
    if not jwks or len(token) > _MOST_CHARACTERS:
        raise BadAssertion
    try:
        keys = jwk.KeySet.import_key_set({"keys": list(jwks["keys"])})
        return signed_jwt.claims_of(token, keys, algorithms)
    except (signed_jwt.UnreadableJwt, *_UNREADABLE) as error:
        raise BadAssertion from error


def check_keys(jwks: Any) -> None:
    """The JWK Set has only readable public keys that can sign an assertion. Raises InvalidClientMetadata.

    Private keys are refused: a private key that reaches us is no longer private.
    """
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= _MOST_KEYS or not all(isinstance(k, dict) for k in keys):
        raise InvalidClientMetadata(f"jwks must be a JWK Set of 1 to {_MOST_KEYS} keys")
    if any("d" in key or "k" in key or key.get("kty") not in ("EC", "RSA") for key in keys):
        raise InvalidClientMetadata("jwks must hold public EC or RSA keys only; replace the keys you sent")
    if not all(_is_strong(key) for key in keys):
        raise InvalidClientMetadata("jwks takes P-256 keys, and RSA keys of 2048 to 8192 bits; make a new key")
    try:
        jwk.KeySet.import_key_set({"keys": keys})
    except _UNREADABLE as error:
        raise InvalidClientMetadata("jwks holds a key that cannot be read; see RFC 7517 section 4") from error


def _is_strong(key: Mapping[str, Any]) -> bool:
    """True if the key cannot be guessed, can sign an assertion, and is cheap to try (RFC 7518 §3.3, §3.4)."""
    if key["kty"] == "EC":
        return key.get("crv") == "P-256"
    return _bits(key.get("n")) in _RSA_BITS and 1 < _bits(key.get("e")) <= _MOST_E


def _bits(number: Any) -> int:
    """The size of a base64url number in bits (RFC 7518 §2). 0 for anything else."""
    try:
        return int.from_bytes(base64.urlsafe_b64decode(number + "=="), "big").bit_length()
    except (TypeError, ValueError):
        return 0
