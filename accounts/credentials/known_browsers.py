"""Browsers where a person signed in before: the cookie they keep, and how it is verified.

Each login adds a signed token to a cookie (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). The token
names nobody. Its signature can be checked only together with the person who is asked for, so a stolen cookie does not
reveal its owner. It ends when the password or the status of the person changes, and opens nothing. A guess from a known
browser counts in that browser's counter instead of those that strangers fill.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from accounts.database.statements import microseconds
from accounts.vault import Vault

KNOWN_FOR = timedelta(days=400)  # browsers keep no cookie longer; pensioners log in once a year to prove they are alive
YOUNG = timedelta(days=1)  # of an account or a password: no browser can be known yet
MOST_PERSONS = 5  # per browser: enough for a family, not for a library's reading room
_PURPOSE = "known browser"
_ID, _TIME = 16, 5  # bytes: a random name, and the time of issue in seconds
_TOKEN = re.compile(r"[A-Za-z0-9_-]{60,140}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AccountState:
    """The state that a token is bound to: who is asked for, when the password was set, when the status was set."""

    subject: str
    password_since: datetime | None = None
    status_since: datetime | None = None

    def data(self, token: bytes) -> bytes:
        """What is signed. Only the token's own bytes leave this process."""
        moments = (microseconds(self.password_since), microseconds(self.status_since))
        return b"|".join((token, self.subject.encode(), *(str(moment).encode() for moment in moments)))


class KnownBrowsers:
    """Makes and reads the cookie. Immutable: one for the process."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def known_as(self, cookie: str, state: AccountState, now: datetime) -> str | None:
        """The name for counting this person's guesses from this browser. None if the browser is not known."""
        for text in _tokens(cookie):
            token = self._of(text, state)
            if token is not None and now < _given_at(token) + KNOWN_FOR:
                return token[:_ID].hex()
        return None

    def is_new(self, cookie: str, state: AccountState, now: datetime) -> bool:
        """Whether the person must be told of a login here: they never signed in here, and could have elsewhere."""
        since = state.password_since or state.status_since
        is_young = since is None or since > now - YOUNG
        return not is_young and self.known_as(cookie, state, now) is None

    def remember(self, cookie: str, state: AccountState, now: datetime) -> str:
        """The cookie: a new token of this person first, which replaces an old one, then the latest tokens of others.

        The name changes with every login, so that somebody who stole an earlier cookie shares no counter with its
        owner.
        """
        token = secrets.token_bytes(_ID) + int(now.timestamp()).to_bytes(_TIME)
        signature = self._vault.sign(state.data(token), purpose=_PURPOSE)
        fresh = base64.urlsafe_b64encode(token + signature).rstrip(b"=").decode()
        others = [text for text in _tokens(cookie) if self._of(text, state) is None]
        return ".".join([fresh, *others][:MOST_PERSONS])

    def _of(self, text: str, state: AccountState) -> bytes | None:
        """The token's bytes, if it was given to this person and neither password nor status has changed; else None."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except binascii.Error:
            return None
        token, signature = raw[: _ID + _TIME], raw[_ID + _TIME :]
        return token if self._vault.signed(state.data(token), signature, purpose=_PURPOSE) else None


def _tokens(cookie: str) -> Iterator[str]:
    """The parts that can be tokens. Anything else in the cookie is neither read nor sent back."""
    return (text for text in cookie.split(".", MOST_PERSONS)[:MOST_PERSONS] if _TOKEN.fullmatch(text))


def _given_at(token: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(token[_ID:]), UTC)
