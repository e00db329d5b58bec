"""Secrets we hand out: random, prefixed so that scanners find a leak, kept as SHA-256 digests only."""

from __future__ import annotations

import hashlib
import secrets


def new_secret(prefix: str) -> str:
    """256 random bits behind the prefix, 49 characters."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What we store. No slow hash: 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).digest()
