"""HTTP in and out as plain values: what the protocol needs of a request, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

import orjson

from idp.oidc.errors import BadParameters

MAX_BODY = 64 * 1024
MAX_PARAMETERS = 100
FORM = "application/x-www-form-urlencoded"
Headers = tuple[tuple[str, str], ...]
NO_STORE: Headers = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Parameters(Mapping[str, str]):
    """Form or query parameters, parsed once. Empty values count as absent (RFC 6749 §3.1).

    Raises BadParameters for a duplicate, a control character, broken UTF-8, too many fields or too many bytes:
    two readers of one ambiguous message would otherwise disagree about what it says.
    """

    __slots__ = ("_values",)

    def __init__(self, raw: str | bytes) -> None:
        text = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape")
        if len(text) > MAX_BODY:
            raise BadParameters("the parameters exceed 64 kB; send fewer")
        self._values = _parsed(text) if text else {}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def names(self) -> frozenset[str]:
        """The names that carry a value."""
        return frozenset(self._values)


def _parsed(text: bytes) -> dict[str, str]:
    values: dict[str, str] = {}
    seen: set[str] = set()
    pairs = text.split(b"&", MAX_PARAMETERS)
    if len(pairs) > MAX_PARAMETERS:
        raise BadParameters("more than 100 parameters; send fewer")
    for pair in pairs:
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition(b"=")
        name, value = _decoded(raw_name), _decoded(raw_value)
        if name in seen:
            raise BadParameters(f"the parameter {_printable(name)} is repeated; send it once")
        seen.add(name)
        if value:
            values[name] = value
    return values


def _decoded(raw: bytes) -> str:
    if b"+" in raw or b"%" in raw:
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadParameters("a parameter is not UTF-8; encode it as UTF-8") from None
    if not text.isprintable() and _CONTROL.search(text):
        raise BadParameters("a parameter holds a control character; remove it")
    return text


def _printable(name: str) -> str:
    safe = "".join(c for c in name[:40] if c.isascii() and (c.isalnum() or c in "_-."))
    return safe or "(unreadable)"


@dataclass(frozen=True)
class Request:
    """One HTTP request. Header names are lower-case; `source` is the client's address as the edge knows it."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes = b""
    source: str = ""

    @cached_property
    def arguments(self) -> Parameters:
        """The query parameters."""
        return Parameters(self.query)

    @cached_property
    def form(self) -> Parameters:
        """The body's parameters. BadParameters unless the body is declared as a form."""
        declared = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if declared != FORM:
            raise BadParameters(f"the Content-Type must be {FORM}")
        return Parameters(self.body)

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """The cookies; the first of two with one name wins, as browsers send the most specific first."""
        found: dict[str, str] = {}
        for pair in self.headers.get("cookie", "").split(";"):
            name, _, value = pair.strip().partition("=")
            found.setdefault(name, value)
        return found

    @property
    def bearer(self) -> str | None:
        """The token of an `Authorization: Bearer` header (RFC 6750 §2.1)."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    headers: Headers = ()

    @property
    def location(self) -> str | None:
        """Where the reply redirects to, if it does."""
        return next((value for name, value in self.headers if name == "Location"), None)


def json_reply(status: int, document: object, headers: Headers = NO_STORE) -> Reply:
    """The document as JSON, not to be stored unless the headers say otherwise."""
    return Reply(status, orjson.dumps(document), (("Content-Type", "application/json"), *headers))
