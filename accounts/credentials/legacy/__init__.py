"""Passwords of older systems: verified once by their own recipe, then replaced by ours.

A recipe is data in the mapping of its source: either an expression of `recipe_language`, or the name of a family of
formats that libpass reads (`ldap`, `crypt` …). Digests are compared in constant time. The cost that a row itself names
is bounded: a hostile hash that asks for a billion rounds verifies nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, Protocol

import passlib.hash
from passlib.exc import MissingBackendError, PasswordSizeError

from accounts.credentials.legacy.recipe_language import FAILURES, RecipeRefused, octets, read

__all__ = ["LegacySecret", "Recipe", "RecipeRefused", "derivable_values"]

_LDAP_DIGESTS = ("ldap_salted_sha1", "ldap_sha1", "ldap_salted_md5", "ldap_md5", "ldap_salted_sha256")
_LDAP_COSTLY = ("ldap_salted_sha512", "ldap_pbkdf2_sha1", "ldap_pbkdf2_sha256", "ldap_pbkdf2_sha512")
_LDAP_CRYPT = ("ldap_sha512_crypt", "ldap_sha256_crypt", "ldap_bcrypt", "ldap_md5_crypt", "ldap_bsdi_crypt")
FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ldap", (*_LDAP_DIGESTS, *_LDAP_COSTLY, *_LDAP_CRYPT, "ldap_des_crypt")),
    ("crypt", ("sha512_crypt", "sha256_crypt", "bcrypt", "md5_crypt", "bsdi_crypt", "des_crypt")),
    ("bcrypt", ("bcrypt",)),
    ("phpass", ("phpass",)),
    ("django", ("django_pbkdf2_sha256", "django_pbkdf2_sha1", "django_salted_sha1", "django_salted_md5")),
    ("apache", ("apr_md5_crypt",)),
    ("ntlm", ("nthash",)),
    ("mssql", ("mssql2005", "mssql2000")),
    ("mysql", ("mysql41", "mysql323")),
    ("oracle", ("oracle11",)),
)
_FAMILY = dict(FAMILIES)
# The largest `rounds` a stored hash may ask for: log2 for bcrypt and phpass, a count for the others.
_MOST_ROUNDS = {"bcrypt": 12, "ldap_bcrypt": 12, "phpass": 14}
_MOST_OTHER_ROUNDS = 600_000
_MOST_CRYPT_ROUNDS = 50_000
_COSTLY = frozenset({"crypt", "bcrypt", "phpass", "django"})


@dataclass(frozen=True, slots=True)
class LegacySecret:
    """What an older system stored about one password. `login_name` is the one that the recipe mixes in.

    `found_by` is the login name that people type, where the two differ.
    """

    digest: str = field(repr=False)
    salt: str = field(default="", repr=False)
    login_name: str | None = field(default=None, repr=False)
    found_by: str | None = field(default=None, repr=False)

    def to_text(self) -> str:
        """For sealing."""
        return json.dumps([self.digest, self.salt, self.login_name, *([self.found_by] if self.found_by else [])])

    @classmethod
    def from_text(cls, text: str) -> LegacySecret:
        """What `to_text` gave."""
        return cls(*json.loads(text))


class _LdapSha2:
    """The schemes of OpenLDAP's pw-sha2 module that libpass lacks, as a libpass handler."""

    name = "ldap_sha2"
    _SCHEME = re.compile(r"\{S?SHA(256|384|512)\}([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)

    @classmethod
    def identify(cls, digest: str) -> bool:
        """Whether the stored value names one of these schemes."""
        return cls._SCHEME.fullmatch(digest) is not None

    @classmethod
    def verify(cls, password: str, digest: str) -> bool:
        """Whether the digest matches password and salt. The salt follows the digest; plain schemes have none."""
        found = cls._SCHEME.fullmatch(digest)
        assert found is not None  # noqa: S101 - only what was identified is verified
        held, size = base64.b64decode(found[2], validate=True), int(found[1]) // 8
        computed = hashlib.new(f"sha{found[1]}", password.encode() + held[size:]).digest()
        return hmac.compare_digest(computed, held[:size])


class _Check(Protocol):
    def __call__(self, secret: LegacySecret, password: str, user: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one older system turned a password into the value that it stored."""

    text: str
    names: frozenset[str]
    is_costly: bool  # too costly to try every account's default passwords in an import
    _check: _Check = field(repr=False, compare=False)
    _reads: Callable[[str], bool] = field(default=bool, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """The recipe that the text spells. Raises RecipeRefused, with the cure."""
        return _parsed(text.strip())

    def reads(self, secret: LegacySecret) -> bool:
        """Whether any password could verify. False for an unknown scheme and for one too costly for a login."""
        return self._reads(secret.digest)

    def verify(self, secret: LegacySecret, password: str, login_name: str = "") -> bool:
        """Whether the older system would accept this password. A malformed row verifies nothing and raises nothing.

        `login_name` is what was typed. The spelling that is stored with the secret takes precedence.
        """
        if not secret.digest or not password:
            return False
        return self._check(secret, password, login_name if secret.login_name is None else secret.login_name)


@cache
def _parsed(text: str) -> Recipe:
    if text in _FAMILY:
        return _family(text)
    expression = read(text)
    canonical = _CANONICAL[expression.form]

    def check(secret: LegacySecret, password: str, user: str) -> bool:
        given = {"u": user, "p": password, "s": secret.salt, "h": secret.digest}
        try:
            computed = expression.run(given)
            return hmac.compare_digest(canonical(octets(computed)), canonical(secret.digest.strip().encode()))
        except FAILURES:
            return False

    return Recipe(text, expression.names, expression.cost > 1000 or "pbkdf2" in text, check)  # noqa: PLR2004


def _family(name: str) -> Recipe:
    handlers = [getattr(passlib.hash, handler) for handler in _FAMILY[name]]
    if name == "ldap":
        handlers.append(_LdapSha2)

    def handler_of(digest: str) -> Any:
        handler = next((h for h in handlers if _is_of(h, digest)), None)
        return handler if handler is not None and _affordable(handler, digest) else None

    def check(secret: LegacySecret, password: str, user: str) -> bool:  # noqa: ARG001 - these formats know no user
        handler = handler_of(secret.digest)
        if handler is None:
            return False
        try:
            return bool(handler.verify(password, secret.digest))
        except (MissingBackendError, PasswordSizeError, TypeError, *FAILURES):
            return False

    return Recipe(name, frozenset("p"), name in _COSTLY, check, lambda digest: handler_of(digest) is not None)


def _is_of(handler: Any, digest: str) -> bool:
    try:
        return bool(handler.identify(digest))
    except FAILURES:
        return False


def _affordable(handler: Any, digest: str) -> bool:
    """Whether the rounds that the hash names are cheap enough for a login."""
    inner = getattr(handler, "wrapped", handler)
    plain = digest if inner is handler else handler.orig_prefix + digest[len(handler.prefix) :]
    try:
        rounds = getattr(inner.from_string(plain), "rounds", None)
    except (AttributeError, TypeError, *FAILURES):
        return True  # no structure to read: the format has no rounds
    most = _MOST_ROUNDS.get(handler.name, _MOST_CRYPT_ROUNDS if "crypt" in handler.name else _MOST_OTHER_ROUNDS)
    return rounds is None or rounds <= most


def _lower(value: bytes) -> bytes:
    return value.lower()


def _unpadded(value: bytes) -> bytes:
    return value.rstrip(b"=")


def _same(value: bytes) -> bytes:
    return value


_CANONICAL: dict[str, Callable[[bytes], bytes]] = {"hex": _lower, "base64": _unpadded, "exact": _same}
_USUAL = ("123456", "888888", "666666", "000000", "111111", "12345678", "88888888", "password")


def derivable_values(
    *, number: str = "", phone: str = "", birth_date: date | None = None, login_name: str = ""
) -> Iterator[str]:
    """Passwords that somebody who knows the person, or the system's habits, would try first.

    An account that opens with one of them proves nothing: it is linked but cannot log in.
    """
    yield from _USUAL
    if number:
        yield from (number[-6:], number[-8:], number[-6:].lower(), number[6:14], number[8:14], number)
    if birth_date:
        yield from (birth_date.strftime("%Y%m%d"), birth_date.strftime("%y%m%d"))
    if phone:
        yield from (phone[-6:], phone[-8:], phone[-11:])
    if login_name:
        yield from (login_name, login_name + "123", login_name + "123456")
