"""Form tokens: they prove that a form was on a page of this site, in this browser.

The browser holds a random cookie, and the form holds a keyed digest of it. Another site can neither read the cookie nor
compute the digest. Each page draws its own salt, so the token is never the same text twice. Otherwise an attacker who
can make pages repeat a chosen text could read it from compressed pages, byte by byte.
"""

from __future__ import annotations

import hmac
import secrets

from accounts.vault import Vault

_COOKIE_LENGTH = 43
_SALT_LENGTH = 11
_PURPOSE = "form"


def new_cookie() -> str:
    """A value for a browser that has none: 256 random bits."""
    return secrets.token_urlsafe(32)


def is_cookie(value: str) -> bool:
    """Whether the value has the form of such a cookie."""
    return len(value) == _COOKIE_LENGTH and value.isascii()


def token(vault: Vault, cookie: str) -> str:
    """A token for the forms of one page, for the browser with this cookie."""
    salt = secrets.token_urlsafe(8)
    return salt + _digest(vault, salt, cookie)


def matches(vault: Vault, cookie: str, claimed: str) -> bool:
    """Whether the token was made for the browser with this cookie, under the key in use now."""
    if not is_cookie(cookie) or not claimed.isascii():
        return False
    salt, digest = claimed[:_SALT_LENGTH], claimed[_SALT_LENGTH:]
    return hmac.compare_digest(digest, _digest(vault, salt, cookie))


def _digest(vault: Vault, salt: str, cookie: str) -> str:
    return vault.pepper(f"{salt}.{cookie}".encode(), purpose=_PURPOSE).hex()
