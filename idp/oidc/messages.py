"""Requests, replies and their parameters as plain values: the protocol knows no web framework.

Parameters are read once and strictly: what two parsers could read differently is refused here, in one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

import orjson

from idp.oidc.errors import BadParameters

MAX_PARAMETER_BYTES = 64 * 1024
MAX_FIELDS = 100
FORM = "application/x-www-form-urlencoded"

# RFC 6749 Appendix A admits printable characters; a tab or a newline in `state` or `redirect_uri` is an attack.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Parameters:
    """The fields of a query string or form body: each name at most once (RFC 6749 §3.1), all valid UTF-8."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    @classmethod
    def read(cls, encoded: str | bytes) -> Parameters:
        """The decoded parameters. A parameter without a value counts as omitted (RFC 6749 §3.1).

        Raises BadParameters on duplicates, more than 64 kB or 100 fields, control characters or broken UTF-8.
        """
        text = _ascii(encoded)
        fields: dict[str, str] = {}
        if text:
            pieces = text.split("&")
            if len(pieces) > MAX_FIELDS:
                raise BadParameters(f"more than {MAX_FIELDS} parameters; send only those the endpoint knows")
            for piece in pieces:
                _take(fields, piece)
        return cls({name: value for name, value in fields.items() if value})

    def get(self, name: str) -> str | None:
        """The value, or None when omitted or empty."""
        return self._fields.get(name)

    def __getitem__(self, name: str) -> str:
        """The value; raises BadParameters naming the parameter when it is missing."""
        try:
            return self._fields[name]
        except KeyError:
            raise BadParameters(f"the parameter {name} is missing; send it exactly once") from None

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Parameters({', '.join(sorted(self._fields))})"  # names only: values hold codes and secrets

    @property
    def names(self) -> frozenset[str]:
        """The names that came with a value."""
        return frozenset(self._fields)


def _ascii(encoded: str | bytes) -> str:
    if len(encoded) > MAX_PARAMETER_BYTES:
        raise BadParameters("the parameters are larger than 64 kB")
    if isinstance(encoded, str):
        return encoded
    try:
        return encoded.decode("utf-8")
    except UnicodeDecodeError:
        raise BadParameters("the parameters are not valid UTF-8; percent-encode them as UTF-8") from None


def _take(fields: dict[str, str], piece: str) -> None:
    if not piece:
        return
    name, _, value = piece.partition("=")
    if "%" in piece or "+" in piece:
        name, value = decode(name), decode(value)
    if name in fields:
        raise BadParameters("a parameter is given more than once; send each exactly once (RFC 6749 section 3.1)")
    if _CONTROL.search(name) or _CONTROL.search(value):
        raise BadParameters("a parameter holds a control character; remove it")
    fields[name] = value


def decode(text: str) -> str:
    """The form-urlencoded text decoded; raises BadParameters where it is not UTF-8."""
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise BadParameters("a parameter is not valid UTF-8; percent-encode it as UTF-8") from None


@dataclass(slots=True)
class _Read:
    form: Parameters | None = None
    arguments: Parameters | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are lower-case; `source` is the client's address as the front established it."""

    method: str
    path: str
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    source: str = ""
    _read: _Read = field(default_factory=_Read, repr=False, compare=False)

    @property
    def form(self) -> Parameters:
        """The body's parameters, parsed once; raises BadParameters, also for another content type."""
        if self._read.form is None:
            if self.content_type != FORM:
                raise BadParameters(f"the body must be sent as Content-Type: {FORM}")
            self._read.form = Parameters.read(self.body)
        return self._read.form

    @property
    def arguments(self) -> Parameters:
        """The query's parameters, parsed once; raises BadParameters."""
        if self._read.arguments is None:
            self._read.arguments = Parameters.read(self.query)
        return self._read.arguments

    @property
    def content_type(self) -> str:
        """The media type without its parameters, lower-case; empty when absent."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies; of two with one name the first counts, which is the most specific (RFC 6265 §5.4)."""
        found: dict[str, str] = {}
        for pair in self.headers.get("cookie", "").split(";"):
            name, separator, value = pair.strip().partition("=")
            if separator:
                found.setdefault(name, value.strip('"'))
        return found

    @property
    def bearer(self) -> str | None:
        """The token of an `Authorization: Bearer` header (RFC 6750 §2.1), or None."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP response, complete."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


NO_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))
JSON_TYPE = ("Content-Type", "application/json")
_JSON_NO_STORE = (JSON_TYPE, *NO_STORE)


def json_reply(status: int, content: object, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """A JSON reply that no cache keeps (RFC 6749 §5.1)."""
    return Reply(status, orjson.dumps(content), _JSON_NO_STORE + headers if headers else _JSON_NO_STORE)
