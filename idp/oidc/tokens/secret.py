"""The secrets that we issue: random, prefixed so that scanners find a leak, stored as SHA-256 digests only."""

from __future__ import annotations

import hashlib
import re
import secrets

_HANDLE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def new_secret(prefix: str) -> str:
    """256 random bits after the prefix, 49 characters."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What we store. A slow hash is not needed: 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).digest()


def is_handle(text: str) -> bool:
    """True if a cookie has the form of those that we set: 256 random bits in base64url."""
    return _HANDLE.fullmatch(text) is not None
