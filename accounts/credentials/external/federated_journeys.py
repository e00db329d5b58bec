"""The way to a platform and back: what binds the callback to the browser that left, once.

`state` goes through addresses and the platform's hands, so it proves nothing by itself: it is the digest of a challenge
that stays in a cookie of this browser. The challenge is signed by us over its purpose, this browser and where the
journey leads. Strangers may begin journeys as often as they like: nothing is stored until one ends.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from accounts.credentials.passkeys import challenges
from accounts.credentials.passkeys.challenges import Binding, Challenge, ChallengeOver, Purpose
from accounts.database import Connection
from accounts.vault import Vault

VALID_FOR = timedelta(minutes=10)  # people look for the phone, unlock it and scan


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the journey leads: `about` is a client's request, or the person who binds; `after` a path of this site."""

    purpose: Purpose
    provider: str
    about: str = ""
    after: str = ""

    def text(self) -> str:
        """In one line. No part has a blank."""
        return f"{self.purpose} {self.provider} {self.about} {self.after}"


@dataclass(frozen=True, slots=True)
class Departure:
    """What the browser carries: `state` in the address, `cookie` in a cookie."""

    state: str
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A journey that came back to its browser in time. It may have ended before: only `end` knows."""

    destination: Destination
    challenge: Challenge


def begin(vault: Vault, destination: Destination, browser: str, now: datetime) -> Departure:
    """A journey of this browser. `state` has 64 hexadecimal digits: WeChat accepts letters and digits alone."""
    challenge = challenges.issue(vault, _binding(destination, browser), now, valid_for=VALID_FOR)
    where = base64.urlsafe_b64encode(destination.text().encode()).rstrip(b"=").decode()
    return Departure(_state(challenge), f"{challenge}.{where}")


def read(vault: Vault, cookie: str, state: str, browser: str, now: datetime) -> Arrival:
    """The journey to which cookie and state belong. Raises ChallengeOver: too late, another browser, or not ours."""
    challenge, _, where = cookie.partition(".")
    if not secrets.compare_digest(_state(challenge).encode(), state.encode("utf-8", "replace")):
        raise ChallengeOver
    destination = _destination(where)
    return Arrival(destination, challenges.read(vault, challenge, _binding(destination, browser), now))


def end(c: Connection, arrival: Arrival) -> None:
    """The journey has ended, in the caller's transaction. Raises ChallengeOver for every call but the first."""
    if not challenges.spend(c, arrival.challenge):
        raise ChallengeOver


def _binding(destination: Destination, browser: str) -> Binding:
    return Binding(destination.purpose, browser, destination.text())


def _state(challenge: str) -> str:
    return hashlib.sha256(challenge.encode("utf-8", "replace")).hexdigest()


def _destination(where: str) -> Destination:
    try:
        parts = base64.b64decode(where + "=" * (-len(where) % 4), altchars=b"-_", validate=True).decode().split(" ")
        purpose, provider, about, after = parts
        return Destination(Purpose(purpose), provider, about, after)
    except (binascii.Error, ValueError):
        raise ChallengeOver from None
