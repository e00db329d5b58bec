"""The human check: a little work by the browser instead of a puzzle, or a short wait where no script runs.

It is asked only where guesses have accumulated, and never in a browser that knows the person. Work does not tell people
from machines; it makes each guess cost something, beside the throttle, which bounds their number. ALTCHA's challenge
(altcha.org, PBKDF2 with a counter to find) is signed, bound to one browser, good for ten minutes, and spent once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import altcha
import orjson
import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime, insert_unless_present, metadata
from accounts.vault import Vault

GOOD_FOR = timedelta(minutes=10)
WAIT = timedelta(seconds=30)
LONGEST = 2000  # characters of a challenge, and of a solution
_ALGORITHM, _ROUNDS = "PBKDF2/SHA-256", 2000  # about a millisecond on a desktop, for each counter that is tried
_FEWEST, _MOST = 100, 400  # counters: some seconds on an old telephone
_PURPOSE = "human check"

spent_human_checks = sa.Table(
    "spent_human_checks",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Index("ix_spent_human_checks_expires_at_digest", "expires_at", "digest"),
)
_SPEND = Statement(insert_unless_present(spent_human_checks), list(spent_human_checks.c.keys()))


@dataclass(frozen=True, slots=True)
class HumanCheck:
    """A check for one form: the text that the form carries, and from when on waiting was enough."""

    challenge: str
    waited_at: datetime


@dataclass(frozen=True, slots=True)
class _Asked:
    challenge: altcha.Challenge
    browser: str
    at: datetime


class HumanChecks:
    """Asks and verifies. Immutable: one for the process. After a rotation of keys a check that was open fails once."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def ask(self, browser: str, now: datetime) -> HumanCheck:
        """A check for the browser with this secret value (its form cookie). Nothing is stored."""
        challenge = altcha.create_challenge(
            _ALGORITHM,
            _ROUNDS,
            counter=_FEWEST + secrets.randbelow(_MOST - _FEWEST),
            data={"browser": self._name(browser), "at": int(now.timestamp())},
            hmac_secret=self._secret(),
        )
        return HumanCheck(base64.b64encode(orjson.dumps(challenge.to_dict())).decode(), now + WAIT)

    def is_passed(self, c: Connection, challenge: str, solution: str, *, browser: str, now: datetime) -> bool:
        """Whether this browser did the work, or waited long enough; then the check is spent. One statement at most.

        `solution` is `counter:derived key in hexadecimal`, or empty where no script ran. False for anything else:
        another browser's, too old, changed, or spent. Call it outside a transaction, so that it stays spent.
        """
        asked = self._read(challenge)
        if asked is None or not hmac.compare_digest(asked.browser, self._name(browser)):
            return False
        if not asked.at <= now < asked.at + GOOD_FOR:
            return False
        if now < asked.at + WAIT and not self._is_solved(asked.challenge, solution):
            return False
        digest = hashlib.sha256(challenge.encode()).digest()
        return c.execute(_SPEND, digest=digest, expires_at=asked.at + GOOD_FOR) == 1

    def _read(self, text: str) -> _Asked | None:
        """What we asked, or None for a text that we did not write."""
        if len(text) > LONGEST or not text.isascii():
            return None
        try:
            raw = base64.b64decode(text, validate=True)
            challenge = altcha.Challenge.from_dict(orjson.loads(raw))
        except (binascii.Error, ValueError, KeyError, TypeError, AttributeError):
            return None
        signed = challenge.to_dict()
        if base64.b64encode(orjson.dumps(signed)).decode() != text or not self._is_ours(challenge):
            return None
        data = challenge.parameters.data or {}
        return _Asked(challenge, data["browser"], datetime.fromtimestamp(data["at"], UTC))

    def _is_ours(self, challenge: altcha.Challenge) -> bool:
        nothing = altcha.Solution(0, "")
        found = altcha.verify_solution(altcha.Payload(challenge, nothing), self._secret())
        return found.invalid_signature is False

    def _is_solved(self, challenge: altcha.Challenge, solution: str) -> bool:
        counter, _, derived = solution[:LONGEST].partition(":")
        if not (counter.isascii() and counter.isdigit() and int(counter) <= _MOST):
            return False
        payload = altcha.Payload(challenge, altcha.Solution(int(counter), derived))
        return bool(altcha.verify_solution(payload, self._secret()).verified)

    def _name(self, browser: str) -> str:
        return self._vault.pepper(browser.encode("utf-8", "replace"), purpose=f"{_PURPOSE} browser").hex()

    def _secret(self) -> bytes:
        return self._vault.pepper(b"challenge", purpose=_PURPOSE)
