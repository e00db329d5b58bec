"""The language of password recipes: `hex(md5(u+p+s))`. An administrator writes it; it is never executed as Python.

Names: `u` login name, `p` typed password, `s` salt, `h` the stored hash (only in `cut`, for salts kept inside it). `+`
joins. Everything else is a function of the table below. Reading a recipe refuses all other names, and bounds its cost:
at most MOST_ITERATIONS digests in Python, MOST_STRETCHING inside PBKDF2.
"""

from __future__ import annotations

import ast
import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from accounts.errors import AccountsError

MOST_ITERATIONS = 20_000  # about 10 ms: less than the Argon2id check that every guess costs anyway
MOST_STRETCHING = 600_000
_LONGEST = 300
_MOST_NODES = 80

Value = str | bytes
_Step = Callable[[Mapping[str, str]], Value]
DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sm3")
NAMES = frozenset("upsh")


class RecipeRefused(AccountsError):
    """The text is not a recipe. `cure` tells its author what to write instead."""

    code = "recipe_refused"

    def __init__(self, cure: str) -> None:
        super().__init__(detail=cure)
        self.cure = cure


@dataclass(frozen=True, slots=True)
class Expression:
    """A recipe that was read: what it computes, how the result is compared, what it uses and what it costs."""

    run: _Step
    form: str  # hex | base64 | exact
    names: frozenset[str]
    cost: int


@dataclass(slots=True)
class _Reading:
    """What was found while reading one recipe."""

    names: set[str]
    cost: int = 0
    digests_password: bool = False


def read(text: str) -> Expression:
    """The expression that the text spells. Raises RecipeRefused for anything outside the language."""
    tree = _tree(text)
    reading = _Reading(set())
    run = _step(tree, reading)
    if not reading.digests_password:
        _refuse("a recipe must digest the password p, e.g. hex(md5(p+s))")
    if reading.cost > MOST_ITERATIONS:
        _refuse(f"at most {MOST_ITERATIONS} iterations; costlier hashes are reset, not verified")
    return Expression(run, _form(tree), frozenset(reading.names), reading.cost)


def _tree(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        _refuse(f"a recipe has at most {_LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        _refuse("write one expression, e.g. hex(md5(u+p+s)); look for a missing bracket")
    if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
        _refuse("the recipe is too long to be one of a password table")
    return tree


def _step(node: ast.expr, reading: _Reading) -> _Step:
    if isinstance(node, ast.Name):
        return _name(node.id, reading)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        constant = node.value
        return lambda _: constant
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined(_step(node.left, reading), _step(node.right, reading))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _call(node.func.id, node.args, reading)
    return _refuse("only u, p, s, texts in quotes, + and the listed functions may be used")


def _name(name: str, reading: _Reading) -> _Step:
    if name not in NAMES or name == "h":  # h+p would let every password in; `cut` alone may read it
        _refuse(f"unknown name {name!r}: use u (login name), p (password), s (salt); h only as cut(h, start, stop)")
    reading.names.add(name)
    return lambda given: given[name]


def _joined(left: _Step, right: _Step) -> _Step:
    def run(given: Mapping[str, str]) -> Value:
        first, second = left(given), right(given)
        if isinstance(first, str) and isinstance(second, str):
            return first + second
        return octets(first) + octets(second)

    return run


def _call(name: str, arguments: list[ast.expr], reading: _Reading) -> _Step:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(arguments, reading)
    function = _PLAIN.get(name)
    if function is None:
        _refuse(f"unknown function {name!r}: use one of {', '.join(sorted((*_PLAIN, *_SPECIAL)))}")
    count, apply = function
    if len(arguments) != count or any(isinstance(a, ast.Starred) for a in arguments):
        _refuse(f"{name} takes exactly {count} argument{'s' * (count > 1)} in brackets")
    steps = [_step(a, reading) for a in arguments]
    if (name in DIGESTS or name.startswith("hmac_")) and any(_mentions_password(a) for a in arguments):
        reading.digests_password = True
    return lambda given: apply(*(step(given) for step in steps))


def _mentions_password(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "p" for part in ast.walk(node))


def _iterate(arguments: list[ast.expr], reading: _Reading) -> _Step:
    """iterate(md5, 1024, x): the digest of the digest …, the first of them over x."""
    if len(arguments) != 3 or not isinstance(arguments[0], ast.Name) or arguments[0].id not in DIGESTS:  # noqa: PLR2004
        _refuse("write iterate(sha1, 1024, p+s): a digest, how often, and what is digested first")
    algorithm, times = arguments[0].id, _number(arguments[1], 1)
    reading.cost += times
    reading.digests_password |= _mentions_password(arguments[2])
    first = _step(arguments[2], reading)

    def run(given: Mapping[str, str]) -> Value:
        value = octets(first(given))
        for _ in range(times):
            value = hashlib.new(algorithm, value, usedforsecurity=False).digest()
        return value

    return run


def _pbkdf2(arguments: list[ast.expr], reading: _Reading) -> _Step:
    """pbkdf2(sha256, p, s, 10000, 32): digest, password, salt, iterations, length in bytes."""
    if len(arguments) != 5 or not isinstance(arguments[0], ast.Name) or arguments[0].id not in DIGESTS:  # noqa: PLR2004
        _refuse("write pbkdf2(sha256, p, s, 10000, 32): digest, password, salt, iterations, length")
    algorithm, times, length = arguments[0].id, _number(arguments[3], 1), _number(arguments[4], 1)
    if times > MOST_STRETCHING or length > 64:  # noqa: PLR2004 - no digest of ours is longer
        _refuse(f"pbkdf2 takes at most {MOST_STRETCHING} iterations and 64 bytes")
    reading.digests_password |= _mentions_password(arguments[1])
    password, salt = _step(arguments[1], reading), _step(arguments[2], reading)
    return lambda given: hashlib.pbkdf2_hmac(algorithm, octets(password(given)), octets(salt(given)), times, length)


def _cut(arguments: list[ast.expr], reading: _Reading) -> _Step:
    """cut(x, 8, 24): characters 8 to 23. cut(h, …) reads a salt that the stored hash carries."""
    if len(arguments) != 3:  # noqa: PLR2004
        _refuse("write cut(hex(md5(p)), 8, 24): what, from which character, to which")
    start, stop = _number(arguments[1], 0), _number(arguments[2], 1)
    if isinstance(arguments[0], ast.Name) and arguments[0].id == "h":
        reading.names.add("h")
        return lambda given: given["h"][start:stop]
    whole = _step(arguments[0], reading)
    return lambda given: whole(given)[start:stop]


def _number(node: ast.expr, least: int) -> int:
    if not isinstance(node, ast.Constant) or type(node.value) is not int or node.value < least:
        _refuse("counts and positions are written as whole numbers")
    return node.value


def octets(value: Value) -> bytes:
    """The bytes of a value; text is UTF-8."""
    return value.encode() if isinstance(value, str) else value


def _text(value: Value) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _digest(algorithm: str) -> Callable[..., Value]:
    return lambda x: hashlib.new(algorithm, octets(x), usedforsecurity=False).digest()


def _keyed(algorithm: str) -> Callable[..., Value]:
    return lambda key, x: hmac.new(octets(key), octets(x), algorithm).digest()


def _unbase64(value: Value) -> Value:
    return base64.b64decode(octets(value) + b"=" * (-len(value) % 4), validate=True)


_PLAIN: dict[str, tuple[int, Callable[..., Value]]] = {
    **{name: (1, _digest(name)) for name in DIGESTS},
    **{f"hmac_{name}": (2, _keyed(name)) for name in DIGESTS},
    "hex": (1, lambda x: octets(x).hex()),
    "unhex": (1, lambda x: bytes.fromhex(_text(x))),
    "base64": (1, lambda x: base64.b64encode(octets(x)).decode()),
    "unbase64": (1, _unbase64),
    "upper": (1, lambda x: _text(x).upper()),
    "lower": (1, lambda x: _text(x).lower()),
    "gbk": (1, lambda x: _text(x).encode("gbk")),
    "utf16": (1, lambda x: _text(x).encode("utf-16-le")),
}
_SPECIAL: dict[str, Callable[[list[ast.expr], _Reading], _Step]] = {
    "iterate": _iterate,
    "pbkdf2": _pbkdf2,
    "cut": _cut,
}


def _form(node: ast.expr) -> str:
    """How the result is written, so that case and padding never decide. The outermost hex or base64 says it."""
    if isinstance(node, ast.BinOp):
        forms = {_form(node.left), _form(node.right)}
        return "hex" if forms == {"hex"} else "exact"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in {"hex", "base64"}:
            return node.func.id
        if node.func.id in {"cut", "upper", "lower"} and node.args:
            return _form(node.args[0]) if not isinstance(node.args[0], ast.Name) else "hex"
    return "exact"


def _refuse(cure: str) -> NoReturn:
    raise RecipeRefused(cure)


FAILURES = (UnicodeError, ValueError, binascii.Error)  # what a row's odd value may raise while a recipe runs
