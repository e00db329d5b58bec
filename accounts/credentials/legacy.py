"""Older systems' password hashes: recipes as data, checked once at login and then replaced by Argon2id.

A recipe is a small expression an administrator writes beside known password/hash pairs, such as
`hex(md5(u + p + s))`, or the name of a standard scheme (`ldap`, `crypt`, `bcrypt`, `phpass`, …) that libpass verifies.
The evaluator knows the functions below and nothing else: no attribute, no lambda, no name it was not given.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from accounts.errors import AccountsError

MOST_ROUNDS = 20_000
_MOST_CHARACTERS = 300
_DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sm3")
# name of a standard scheme → the verifiers of libpass that read it
_SCHEMES: Mapping[str, tuple[str, ...]] = {
    "ldap": (
        "ldap_salted_sha1", "ldap_sha1", "ldap_salted_md5", "ldap_md5", "ldap_salted_sha256", "ldap_salted_sha512",
        "ldap_pbkdf2_sha256", "ldap_sha512_crypt", "ldap_sha256_crypt", "ldap_md5_crypt", "ldap_des_crypt",
    ),
    "crypt": ("sha512_crypt", "sha256_crypt", "md5_crypt", "des_crypt", "bsdi_crypt"),
    "phpass": ("phpass",),
    "django": ("django_pbkdf2_sha256", "django_salted_sha1", "django_salted_md5"),
    "pbkdf2_sha256": ("pbkdf2_sha256",),
    "nthash": ("nthash",),
    "mysql41": ("mysql41",),
    "mssql2005": ("mssql2005",),
    "oracle11": ("oracle11",),
}  # fmt: skip


class BadRecipe(AccountsError):
    """A recipe says something the evaluator does not know; `detail` names it."""

    code = "bad_recipe"


@dataclass(frozen=True, slots=True)
class LegacySecret:
    """A hash as the older system stored it, with its salt."""

    digest: str = field(repr=False)
    salt: str = field(default="", repr=False)
    login_name: str | None = field(default=None, repr=False)

    def to_text(self) -> str:
        """For sealing."""
        return json.dumps([self.digest, self.salt, self.login_name])

    @classmethod
    def from_text(cls, text: str) -> LegacySecret:
        """What `to_text` gave."""
        return cls(*json.loads(text))


class Recipe:
    """How one older system made its hashes."""

    def __init__(self, text: str, check: Callable[[LegacySecret, str, str], bool]) -> None:
        self.text = text
        self._check = check

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """The recipe. Raises BadRecipe for anything outside the small language, before any password is seen."""
        return _parsed(text)

    def verify(self, secret: LegacySecret, password: str, *, login_name: str) -> bool:
        """Whether the older system would have accepted the password. A malformed hash accepts none."""
        try:
            return self._check(secret, password, secret.login_name or login_name)
        except (ValueError, TypeError, UnicodeError):
            return False


@lru_cache(maxsize=64)
def _parsed(text: str) -> Recipe:
    if text in _SCHEMES:
        return Recipe(text, _scheme_check(_SCHEMES[text]))
    expression = _Expression(text)
    return Recipe(text, expression.accepts)


def _scheme_check(names: tuple[str, ...]) -> Callable[[LegacySecret, str, str], bool]:
    from passlib.context import CryptContext  # noqa: PLC0415 - loaded when the first legacy scheme is met

    context = CryptContext(schemes=list(names))
    return lambda secret, password, _: bool(context.verify(password, secret.digest))


class _Expression:
    """A recipe written as an expression over p (password), s (salt), u (login name)."""

    def __init__(self, text: str) -> None:
        if len(text) > _MOST_CHARACTERS:
            raise BadRecipe(detail="the recipe is too long")
        try:
            self._tree = ast.parse(text, mode="eval").body
        except SyntaxError:
            raise BadRecipe(detail="the recipe is not an expression") from None
        self._value(self._tree, {"p": "p", "s": "s", "u": "u"})

    def accepts(self, secret: LegacySecret, password: str, login_name: str) -> bool:
        """Digests are compared as bytes in constant time, so case and padding do not matter."""
        made = self._value(self._tree, {"p": password, "s": secret.salt, "u": login_name})
        stored = secret.digest.strip()
        given = made if isinstance(made, str) else base64.b64encode(made).decode()
        if _is_hex(stored) and _is_hex(given):
            stored, given = stored.lower(), given.lower()
        return hmac.compare_digest(given.rstrip("=").encode(), stored.rstrip("=").encode())

    def _value(self, node: ast.expr, names: Mapping[str, str]) -> Any:
        if isinstance(node, ast.Name) and node.id in names:
            return names[node.id]
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int):
            return node.value
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return _joined(self._value(node.left, names), self._value(node.right, names))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id, [self._value(a, names) for a in node.args])
        raise BadRecipe(detail=f"{type(node).__name__} is not part of the language")

    def _call(self, name: str, arguments: list[Any]) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise BadRecipe(detail=f"there is no function {name}")
        try:
            return function(*arguments)
        except (TypeError, LookupError) as error:
            raise BadRecipe(detail=f"{name} was given the wrong arguments") from error


def _is_hex(text: str) -> bool:
    return bool(text) and all(c in "0123456789abcdefABCDEF" for c in text)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _joined(left: str | bytes, right: str | bytes) -> str | bytes:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    return _bytes(left) + _bytes(right)


def _digest(name: str) -> Callable[[str | bytes], bytes]:
    return lambda value: hashlib.new(name, _bytes(value), usedforsecurity=False).digest()


def _rounds(name: str, value: str | bytes, count: int) -> bytes:
    """The digest of the digest, so many times in all. More rounds than MOST_ROUNDS would tie up a thread."""
    if name not in _DIGESTS or not 1 <= count <= MOST_ROUNDS:
        raise BadRecipe(detail=f"rounds knows {', '.join(_DIGESTS)} and at most {MOST_ROUNDS} rounds")
    made = _bytes(value)
    for _ in range(count):
        made = hashlib.new(name, made, usedforsecurity=False).digest()
    return made


def _hmac(name: str, key: str | bytes, value: str | bytes) -> bytes:
    if name not in _DIGESTS:
        raise BadRecipe(detail=f"hmac knows {', '.join(_DIGESTS)}")
    return hmac.new(_bytes(key), _bytes(value), name).digest()


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{name: _digest(name) for name in _DIGESTS},
    "hex": lambda value: _bytes(value).hex(),
    "base64": lambda value: base64.b64encode(_bytes(value)).decode(),
    "upper": lambda text: text.upper(),
    "lower": lambda text: text.lower(),
    "middle": lambda text: text[8:24],  # the 16 of 32 characters that old ASP systems kept
    "gbk": lambda text: text.encode("gb18030"),
    "utf16": lambda text: text.encode("utf-16-le"),
    "rounds": _rounds,
    "hmac": _hmac,
}
