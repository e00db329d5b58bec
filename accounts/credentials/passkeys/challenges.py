"""Challenges of passkeys: signed instead of stored, and spent by a row when they buy something.

A page that offers a passkey carries a challenge, and strangers may load such pages as often as they like. So a
challenge is its own proof: 256 random bits, its end, and the vault's signature over both and over what it is for.
Nothing is stored until a registered key has signed it. Then one statement inserts its digest, in the transaction that
signs in, and a second use finds the row (docs/decisions/0062-a-challenge-is-signed.md). The way to a platform and back
(accounts.credentials.external.federated_journeys) uses the same challenges.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime, insert_unless_present, metadata
from accounts.vault import Vault

VALID_FOR = timedelta(minutes=5)
_LONGEST = 200  # characters; ours have at most 144
_RANDOM, _TIME = 32, 5  # bytes: what nobody can guess, and the end in seconds
_PURPOSE = "passkey challenge"

spent_challenges = sa.Table(
    "spent_challenges",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Index("ix_spent_challenges_expires_at_digest", "expires_at", "digest"),
)
_SPEND = Statement(insert_unless_present(spent_challenges), columns=[c.key for c in spent_challenges.c])


class Purpose(StrEnum):
    """What a challenge may be used for."""

    LOGIN = "login"
    REGISTRATION = "registration"
    SECOND_FACTOR = "second_factor"
    FEDERATED_LOGIN = "federated_login"
    FEDERATED_BINDING = "federated_binding"


@dataclass(frozen=True, slots=True)
class Binding:
    """What a challenge is bound to: its purpose, one browser, and the request or person that it is about."""

    purpose: Purpose
    browser: str = field(repr=False)  # the value of a cookie that only this browser holds
    about: str = ""

    def data(self, token: bytes) -> bytes:
        """What is signed."""
        return b"|".join((token, self.purpose.encode(), self.about.encode(), self.browser.encode()))


class ChallengeOver(Exception):
    """The challenge has ended, was made for something else, or is not ours. A new page has a new one."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge that was ours, fits its binding, and has not ended."""

    raw: bytes = field(repr=False)
    expires_at: datetime


def issue(vault: Vault, binding: Binding, now: datetime, *, valid_for: timedelta = VALID_FOR) -> str:
    """A new challenge in base64url, for one page."""
    token = secrets.token_bytes(_RANDOM) + int((now + valid_for).timestamp()).to_bytes(_TIME)
    raw = token + vault.sign(binding.data(token), purpose=_PURPOSE)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read(vault: Vault, text: str, binding: Binding, now: datetime) -> Challenge:
    """The challenge in the text. Raises ChallengeOver. It may have been spent: only `spend` knows."""
    try:
        raw = base64.b64decode(text[:_LONGEST] + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ChallengeOver from None
    token, signature = raw[: _RANDOM + _TIME], raw[_RANDOM + _TIME :]
    if not vault.signed(binding.data(token), signature, purpose=_PURPOSE):
        raise ChallengeOver
    expires_at = datetime.fromtimestamp(int.from_bytes(token[_RANDOM:]), UTC)
    if expires_at <= now:
        raise ChallengeOver
    return Challenge(raw, expires_at)


def spend(c: Connection, challenge: Challenge) -> bool:
    """True for the one call that spends the challenge. It holds if the caller's transaction commits."""
    digest = hashlib.sha256(challenge.raw).digest()
    return c.execute(_SPEND, digest=digest, expires_at=challenge.expires_at) == 1
