"""The front door: a thin WSGI adapter that maps protocol paths straight onto Reply, and gives the rest to Flask.

It has the client's address decided, caps the body, and translates; it knows no rule of the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import Any

from idp.oidc.messages import MAX_BODY, Reply, Request, json_reply
from idp.web.source_address import SourceAddress

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]
Handler = Callable[[Request], Reply | None]
Refuse = Callable[[str, int, str], Reply]  # path, status and why → the answer to a body that was not taken

_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_MOST_DIGITS = 20
_TOO_LARGE = "the body exceeds 64 kB; send less"
_WITHOUT_LENGTH = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class _BodyRefused(Exception):
    """The body is given to nobody; `description` says why and what to do. `length` is what it claims to have."""

    def __init__(self, status: int, length: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.length = length
        self.description = description


def _plainly(path: str, status: int, description: str) -> Reply:  # noqa: ARG001 - the same for every path
    return json_reply(status, {"error": "invalid_request", "error_description": description})


class Front:
    """The WSGI application: each path it was given has one handler; one that answers None leaves it to Flask.

    At a path `for_people` a body that is refused is answered with Flask's page, at every other by `refuse`.
    """

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        fallback: Wsgi,
        refuse: Refuse = _plainly,
        for_people: frozenset[str] = frozenset(),
        source: SourceAddress | None = None,
    ) -> None:
        self._handlers = handlers
        self._fallback = fallback
        self._refusal = refuse
        self._for_people = for_people
        self._source = source or SourceAddress()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """One request. `REMOTE_ADDR` is the client's address from here on; the body is read at most once."""
        environ["REMOTE_ADDR"] = self._source.of(environ)
        handler = self._handlers.get(environ["PATH_INFO"])
        if handler is None:
            return self._fallback(environ, start_response)
        try:
            body = _body(environ)
        except _BodyRefused as refused:
            return self._refuse(environ, start_response, refused)
        reply = handler(_request(environ, body))
        if reply is not None:
            return _respond(reply, start_response, environ["REQUEST_METHOD"])
        _hand_over(environ, BytesIO(body), len(body))
        return self._fallback(environ, start_response)

    def _refuse(self, environ: Environ, start_response: StartResponse, refused: _BodyRefused) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path not in self._for_people:
            return _respond(self._refusal(path, refused.status, refused.description), start_response, "POST")
        _hand_over(environ, BytesIO(), refused.length)
        return self._fallback(environ, start_response)


def _body(environ: Environ) -> bytes:
    """The whole body. Raises _BodyRefused when it is larger than we read, or ends before it is whole (RFC 9112 §8)."""
    declared = environ.get("CONTENT_LENGTH") or ""
    if declared.isascii() and declared.isdigit():
        return _declared_body(environ, int(declared) if len(declared) < _MOST_DIGITS else MAX_BODY + 1)
    if "HTTP_TRANSFER_ENCODING" not in environ:
        return b""
    body: bytes = environ["wsgi.input"].read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise _BodyRefused(413, len(body), _TOO_LARGE)
    return body


def _declared_body(environ: Environ, length: int) -> bytes:
    if length > MAX_BODY:
        raise _BodyRefused(413, length, _TOO_LARGE)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    if len(body) < length:
        raise _BodyRefused(400, length, "the body is shorter than its Content-Length; send it again, whole")
    return body


def _hand_over(environ: Environ, body: BytesIO, length: int) -> None:
    """Flask finds a body of that length, chunked or not; one that is not there it refuses itself, with a page."""
    environ["wsgi.input"] = body
    environ["CONTENT_LENGTH"] = str(length)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.pop("wsgi.input_terminated", None)  # or an early end would look like the whole


def _request(environ: Environ, body: bytes) -> Request:
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        query=environ.get("QUERY_STRING", ""),
        headers=_Headers(environ),
        body=body,
        source=environ["REMOTE_ADDR"],
    )


class _Headers(Mapping[str, str]):
    """The request's headers under their lower-case names, read from WSGI's only when asked for."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        value: str = self._environ[_environ_key(name)]
        return value

    def get(self, name: str, otherwise: Any = None, /) -> Any:
        """As Mapping has it, without an exception for each header that is absent."""
        return self._environ.get(_environ_key(name), otherwise)

    def __iter__(self) -> Any:
        return (key[5:].lower().replace("_", "-") for key in self._environ if key.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=256)  # the names are ours: no request brings one
def _environ_key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _respond(reply: Reply, start_response: StartResponse, method: str) -> Iterable[bytes]:
    """HEAD has the length of what GET would have sent, and sends nothing (RFC 9110 §8.6)."""
    headers = [*reply.headers]
    if reply.status not in _WITHOUT_LENGTH:
        headers.append(("Content-Length", str(len(reply.body))))
    start_response(_STATUS[reply.status], headers)
    return [] if method == "HEAD" else [reply.body]
