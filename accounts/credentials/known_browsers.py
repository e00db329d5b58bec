"""Browsers where a person signed in before: what such a browser keeps, and how it is known again.

Each login leaves a signed token in a cookie (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). The token
names nobody: only together with the person who is asked for can its signature be checked, so a stolen cookie does not
tell whose it is. It ends with the password it was earned with and with the person's status, and opens nothing: a guess
from a browser that is known counts in a counter of that browser instead of the ones that strangers fill.
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

KNOWN_FOR = timedelta(days=400)  # browsers keep no cookie longer; a pensioner proves to be alive once a year
MOST_PERSONS = 5  # of one browser: a family, not a library's reading room
_PURPOSE = "known browser"
_ID, _TIME = 16, 5  # bytes: a random name, and the second it was given
_TOKEN = re.compile(r"[A-Za-z0-9_-]{60,140}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a token hangs on: whom a guess is about, the password that was set then, the status given then."""

    subject: str
    password_since: datetime | None = None
    status_since: datetime | None = None

    def data(self, token: bytes) -> bytes:
        """What is signed: nothing of it but the token's own bytes leaves this process."""
        moments = (microseconds(self.password_since), microseconds(self.status_since))
        return b"|".join((token, self.subject.encode(), *(str(moment).encode() for moment in moments)))


class KnownBrowsers:
    """Makes and reads the cookie. Immutable: one for the process."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def known_as(self, cookie: str, standing: Standing, now: datetime) -> str | None:
        """The name under which this person's guesses from this browser count; None for a browser that is not known."""
        for text in _tokens(cookie):
            token = self._of(text, standing)
            if token is not None and now < _given_at(token) + KNOWN_FOR:
                return token[:_ID].hex()
        return None

    def remember(self, cookie: str, standing: Standing, now: datetime) -> str:
        """The cookie with a new token for this person first, in place of an old one, and the latest others behind it.

        The name changes with every login: whoever stole an earlier cookie shares no counter with its owner.
        """
        token = secrets.token_bytes(_ID) + int(now.timestamp()).to_bytes(_TIME)
        signature = self._vault.sign(standing.data(token), purpose=_PURPOSE)
        fresh = base64.urlsafe_b64encode(token + signature).rstrip(b"=").decode()
        others = [text for text in _tokens(cookie) if self._of(text, standing) is None]
        return ".".join([fresh, *others][:MOST_PERSONS])

    def _of(self, text: str, standing: Standing) -> bytes | None:
        """The token's own bytes, if it was given to this person as they stand now."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except binascii.Error:
            return None
        token, signature = raw[: _ID + _TIME], raw[_ID + _TIME :]
        return token if self._vault.signed(standing.data(token), signature, purpose=_PURPOSE) else None


def _tokens(cookie: str) -> Iterator[str]:
    """What may be tokens of ours; whatever else somebody put there is neither read nor sent back."""
    return (text for text in cookie.split(".", MOST_PERSONS)[:MOST_PERSONS] if _TOKEN.fullmatch(text))


def _given_at(token: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(token[_ID:]), UTC)
