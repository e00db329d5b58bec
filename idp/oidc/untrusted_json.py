"""JSON from outside: only this module reads it. What it returns can be walked, stored and written again.

A reader must not accept more than the writers behind it. orjson reads 1,024 levels and writes 254. The standard
library's reader ends in RecursionError and accepts lone surrogates and NaN. PostgreSQL stores no NUL.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

MOST_DEPTH = 32  # levels; a JWK Set has three, the `claims` parameter four
MOST_BYTES = 64 * 1024  # the longest body


class UnreadableJson(ValueError):
    """The text is not JSON (RFC 8259), or too deep, too long, or has a NUL in a string."""


def read_json(raw: str | bytes, *, most_bytes: int = MOST_BYTES) -> Any:
    """The value. Raises UnreadableJson."""
    try:
        text = raw.encode() if isinstance(raw, str) else raw
        if len(text) > most_bytes:
            raise UnreadableJson("too long")
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise UnreadableJson("no JSON") from None
    if b"\\u0000" in text:  # the only spelling, because a raw NUL is not JSON
        raise UnreadableJson("a NUL in a text")
    if not _is_shallow(value):
        raise UnreadableJson("nested too deeply")
    return value


def read_object(raw: str | bytes, *, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """The same for an object. Raises UnreadableJson for any other value."""
    value = read_json(raw, most_bytes=most_bytes)
    if not isinstance(value, dict):
        raise UnreadableJson("no object")
    return value


def read_compact(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWS in compact form (RFC 7515 §7.1), unverified. Raises UnreadableJson.

    Call it before a library gets the token, because the library's header reader has no limits.
    """
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        raise UnreadableJson("no compact JWS")
    return read_object(_decoded(parts[0])), read_object(_decoded(parts[1]))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableJson("no base64url") from None


def _is_shallow(value: Any) -> bool:
    level = _containers((value,))
    for _ in range(MOST_DEPTH):
        level = [inner for outer in level for inner in _containers(outer)]
        if not level:
            return True
    return False


def _containers(outer: Any) -> list[Any]:
    members = outer.values() if isinstance(outer, dict) else outer
    return [inner for inner in members if isinstance(inner, dict | list)]
