"""The front: a thin WSGI adapter that answers protocol paths with a Reply and gives the rest to Flask.

It limits the body, gives each request a place in its lane (`idp.web.admission`) and translates it. It knows no rule of
the protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import Any

from accounts.errors import Busy
from idp.oidc.messages import MAX_BODY, NO_STORE, Reply, Request, json_reply
from idp.web import failure
from idp.web.admission import BodyReaders, Lane
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
_AGAIN = ("Retry-After", str(int(Busy.retry_after.total_seconds())))
# Written by hand: a refused request must cost nothing, and rendering a page needs a place.
_CROWDED_PAGE = (
    "<!doctype html><html lang='zh-CN'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    "<title>现在人多，请稍等</title><h1>现在人多，请稍等</h1><p>同时登录的人太多，您的这一次没有办成，也不算试错。"
    "请过几秒钟再试一次。</p><p lang='en'>Too many people are logging in. Nothing was changed and nothing counts "
    "against you. Please try again in a few seconds.</p></html>"
).encode()
_PAGE_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    *NO_STORE,
    _AGAIN,
)


def _never(_: Environ) -> bool:
    return False


class _BodyRefused(Exception):
    """The body is refused. `description` says why and what to do.

    `length` is the declared length, or the number of bytes read of a chunked body.
    """

    def __init__(self, status: int, length: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.length = length
        self.description = description


def _plainly(path: str, status: int, description: str) -> Reply:  # noqa: ARG001 - the same for every path
    return json_reply(status, {"error": "invalid_request", "error_description": description})


class Front:
    """The WSGI application. Each given path has one handler; Flask answers when a handler returns None or is missing.

    Flask also reports what a handler raises (`idp.web.failure`): a request that failed is never run again. A refused
    body is answered with Flask's page at a path `for_people` and at each path without a handler, and by `refuse` at
    every other. A path with a handler but no lane needs no place. `pages` is the lane of paths without a handler.
    `is_full` refuses a request at once.
    """

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        fallback: Wsgi,
        refuse: Refuse = _plainly,
        for_people: frozenset[str] = frozenset(),
        source: SourceAddress | None = None,
        lanes: Mapping[str, Lane] | None = None,
        pages: Lane | None = None,
        is_full: Callable[[Environ], bool] = _never,
    ) -> None:
        self._handlers = handlers
        self._fallback = fallback
        self._refusal = refuse
        self._for_people = for_people
        self._source = source or SourceAddress()
        self._lanes = dict[str, Lane | None](dict.fromkeys(handlers)) | dict(lanes or {})
        self._pages = pages
        self._is_full = is_full
        self._readers = BodyReaders()
        self._constants: dict[str, Reply] = {}  # answers of handlers that every GET of their path gets

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request. `REMOTE_ADDR` becomes the client's address. The body is read at most once."""
        path = environ["PATH_INFO"]
        constant = self._constants.get(path)
        if constant is not None and environ["REQUEST_METHOD"] == "GET":
            return _respond(constant, start_response, "GET")
        if self._source.is_unreadable(environ):
            return _respond(_plainly(path, 400, "a forwarding header is not ASCII"), start_response, "POST")
        environ["REMOTE_ADDR"] = self._source.of(environ)
        handler = self._handlers.get(path)
        try:
            body = _body(environ, self._readers)
            lane = self._enter(path, environ)
        except _BodyRefused as refused:
            return self._refuse(environ, start_response, refused)
        except Busy:
            return self._turn_away(path, start_response)
        if lane is None:
            return self._answer(handler, environ, body, start_response)
        try:
            return self._answer(handler, environ, body, start_response)
        finally:
            lane.leave()

    def _enter(self, path: str, environ: Environ) -> Lane | None:
        """The lane in which this request now has a place; None where it needs none. Raises Busy."""
        lane = self._lanes.get(path, self._pages)
        if lane is None:
            return None
        if self._is_full(environ):
            raise Busy
        lane.enter()
        return lane

    def _answer(
        self, handler: Handler | None, environ: Environ, body: bytes, start_response: StartResponse
    ) -> Iterable[bytes]:
        try:
            reply = None if handler is None else handler(_request(environ, body))
        except Exception as error:  # noqa: BLE001 - Flask reports it with a page
            failure.keep(environ, error)
            reply = None
        if reply is not None:
            if reply.constant and environ["REQUEST_METHOD"] == "GET":
                self._constants[environ["PATH_INFO"]] = reply
            return _respond(reply, start_response, environ["REQUEST_METHOD"])
        if handler is not None or body:
            _hand_over(environ, BytesIO(body), len(body))
        return self._fallback(environ, start_response)

    def _refuse(self, environ: Environ, start_response: StartResponse, refused: _BodyRefused) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path in self._handlers and path not in self._for_people:
            return _respond(self._refusal(path, refused.status, refused.description), start_response, "POST")
        _hand_over(environ, BytesIO(), refused.length)
        if self._pages is None:
            return self._fallback(environ, start_response)
        try:
            self._pages.enter()
        except Busy:
            return self._turn_away(path, start_response)
        try:
            return self._fallback(environ, start_response)
        finally:
            self._pages.leave()

    def _turn_away(self, path: str, start_response: StartResponse) -> Iterable[bytes]:
        if path in self._handlers and path not in self._for_people:
            reply = self._refusal(path, 503, "too many requests wait; try again after the time in Retry-After")
            return _respond(Reply(reply.status, reply.body, (*reply.headers, _AGAIN)), start_response, "POST")
        return _respond(Reply(503, _CROWDED_PAGE, _PAGE_HEADERS), start_response, "POST")


def _body(environ: Environ, readers: BodyReaders) -> bytes:
    """The whole body. Raises _BodyRefused when it is too large or ends before its declared length (RFC 9112 §8).

    Raises Busy when too many bodies are being read.
    """
    declared = environ.get("CONTENT_LENGTH") or ""
    if declared.isascii() and declared.isdigit():
        return _declared_body(environ, int(declared) if len(declared) < _MOST_DIGITS else MAX_BODY + 1, readers)
    if "HTTP_TRANSFER_ENCODING" not in environ:
        return b""
    body = readers.read(environ["wsgi.input"], MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise _BodyRefused(413, len(body), _TOO_LARGE)
    return body


def _declared_body(environ: Environ, length: int, readers: BodyReaders) -> bytes:
    if length > MAX_BODY:
        raise _BodyRefused(413, length, _TOO_LARGE)
    body = readers.read(environ["wsgi.input"], length) if length else b""
    if len(body) < length:
        raise _BodyRefused(400, length, "the body is shorter than its Content-Length; send it again, whole")
    return body


def _hand_over(environ: Environ, body: BytesIO, length: int) -> None:
    """Flask reads this body with this length, chunked or not. If the body is shorter, Flask refuses it with a page."""
    environ["wsgi.input"] = body
    environ["CONTENT_LENGTH"] = str(length)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.pop("wsgi.input_terminated", None)  # otherwise a body cut short would look whole


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
    """The request's headers under lower-case names. A header is read from the environment only when asked for."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        value: str = self._environ[_environ_key(name)]
        return value

    def get(self, name: str, otherwise: Any = None, /) -> Any:
        """As in Mapping, without an exception for each absent header."""
        return self._environ.get(_environ_key(name), otherwise)

    def __iter__(self) -> Any:
        return (key[5:].lower().replace("_", "-") for key in self._environ if key.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=256)  # the names come from the code, never from a request
def _environ_key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _respond(reply: Reply, start_response: StartResponse, method: str) -> Iterable[bytes]:
    """HEAD has the Content-Length of the GET response and no body (RFC 9110 §8.6)."""
    headers = [*reply.headers]
    if reply.status not in _WITHOUT_LENGTH:
        headers.append(("Content-Length", str(len(reply.body))))
    start_response(_STATUS[reply.status], headers)
    return [] if method == "HEAD" else [reply.body]
