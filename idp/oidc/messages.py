"""HTTP requests and replies as plain values: what the protocol reads of a request, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
Parameters = Mapping[str, str]
_NAME = re.compile(r"[a-z]{1,20}(?:_[a-z]{1,20}){0,4}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def parameters(raw: str | bytes) -> Parameters:
    """Form or query parameters, parsed once and immutable. Empty values count as absent (RFC 6749 §3.1).

    Raises BadParameters for a duplicate, a control character, broken UTF-8, too many fields or too many bytes.
    Otherwise two readers could read one ambiguous message differently.
    """
    text = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape")
    if len(text) > MAX_BODY:
        raise BadParameters("the parameters exceed 64 kB; send fewer")
    return MappingProxyType(_parsed(_legible(text)) if text else {})


def _parsed(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    pairs = text.split("&", MAX_PARAMETERS)
    if len(pairs) > MAX_PARAMETERS:
        raise BadParameters("more than 100 parameters; send fewer")
    for pair in pairs:
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            name, value = _decoded(name), _decoded(value)
        if name in values:
            raise BadParameters(f"the parameter {_printable(name)} is repeated; send it once")
        values[name] = value
    return {name: value for name, value in values.items() if value}


def _decoded(text: str) -> str:
    return _legible(unquote_to_bytes(text.replace("+", " ")))


def _legible(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadParameters("a parameter is not UTF-8; encode it as UTF-8") from None
    if not text.isprintable() and _CONTROL.search(text):
        raise BadParameters("a parameter holds a control character; remove it")
    return text


def _printable(name: str) -> str:
    """The name if it looks like one of the specifications. Other text may be anything, even a person's number."""
    return name if _NAME.fullmatch(name) else "(unknown)"


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
        return parameters(self.query)

    @cached_property
    def form(self) -> Parameters:
        """The body's parameters. Raises BadParameters unless the body is declared as a form."""
        declared = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if declared != FORM:
            raise BadParameters(f"the Content-Type must be {FORM}")
        return parameters(self.body)

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """The cookies. The first of two with one name wins, because browsers send the most specific first."""
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
    """One HTTP answer. If `constant`, it is the same for every GET of its path while the process lives."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    constant: bool = False

    @property
    def location(self) -> str | None:
        """The URI that the reply redirects to, or None."""
        return next((value for name, value in self.headers if name == "Location"), None)


def json_reply(status: int, document: object, headers: Headers = NO_STORE) -> Reply:
    """The document as JSON, with `no-store` unless the headers say otherwise."""
    return Reply(status, orjson.dumps(document), (("Content-Type", "application/json"), *headers))
