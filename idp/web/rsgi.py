"""The same application behind granian's RSGI, which keeps apart header names that WSGI merges.

In WSGI both `X-Forwarded-For` and `X_Forwarded_For` are HTTP_X_FORWARDED_FOR (RFC 3875 §4.1.18). A proxy writes the
first and passes on the client's second, and granian keeps one of them. Then the client could choose its own address.
Here a header whose name has an underscore is dropped, as nginx and gunicorn do. `yitong serve` starts this application
wherever such a header is believed. It costs a request some 0.3 ms more than WSGI, and 0.5 ms with a body.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

from idp.oidc.messages import MAX_BODY
from idp.settings import SERVER_THREADS
from idp.web.front import Environ, Wsgi

log = logging.getLogger(__name__)

_BODY_WITHIN = 30  # seconds; a body that does not arrive holds a connection no longer, and no thread at all
_CONSTANT: Environ = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


class RsgiApplication:
    """A WSGI application that granian calls by RSGI. Bodies are read here, then a thread answers."""

    def __init__(self, application: Wsgi, threads: int) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answers one request. A chunked body that is too large is cut one byte past the limit. A late one gets 408."""
        try:
            body = await _body(scope, protocol)
        except TimeoutError:
            protocol.response_empty(408, [])
            return
        except Exception:  # noqa: BLE001 - the sender hung up before the body was whole: nobody is left to answer
            return
        environ = environ_of(scope, body)
        await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, environ, protocol)

    def _answer(self, environ: Environ, protocol: Any) -> None:
        started: list[tuple[int, list[tuple[str, str]]]] = []
        written: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> Callable[[bytes], None]:
            started[:] = [(int(status[:3]), headers)]
            return written.append  # PEP 3333: what is written comes before what is returned

        try:
            body = _joined(written, self._application(environ, start_response))
        except Exception as error:  # noqa: BLE001 - the outermost layer: the application has reported what it could
            log.error("application_failed type=%s", type(error).__name__)  # noqa: TRY400 - a trace may hold what was typed
            protocol.response_empty(500, [])
            return
        protocol.response_bytes(*started[0], body)


def environ_of(scope: Any, body: bytes) -> Environ:
    """The request as a WSGI environment (PEP 3333), without headers whose name has an underscore."""
    server, _, port = scope.server.rpartition(":")
    environ = {
        **_CONSTANT,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "REMOTE_ADDR": scope.client,  # with its port: the front reads both
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(body),
    }
    environ.update(_headers(scope.headers))
    environ.setdefault("HTTP_HOST", scope.authority or "")  # HTTP/2 has no Host header
    return environ


def _headers(headers: Any) -> dict[str, str]:
    """Each header once; several lines of one header are joined (RFC 9110 §5.3; cookies: RFC 9113 §8.2.3).

    A header that is not ASCII is empty, as in WSGI. The pages report cookies that cannot be read.
    """
    return {
        _key(name): ("; " if name == "cookie" else ",").join(headers.get_all(name))
        for name in headers.keys()  # noqa: SIM118 - no mapping: iterating it is not defined
        if "_" not in name
    }


def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


async def _body(scope: Any, protocol: Any) -> bytes:
    """The body. If its declared length is too large, nothing is read: the front refuses it. Raises TimeoutError."""
    headers = scope.headers
    declared, is_chunked = headers.get("content-length") or "", "transfer-encoding" in headers
    if not declared and not is_chunked:
        return b""
    if declared.isascii() and declared.isdigit() and (len(declared) > len(str(MAX_BODY)) or int(declared) > MAX_BODY):
        return b""
    read = bytearray()
    async with asyncio.timeout(_BODY_WITHIN):
        if not is_chunked:
            return bytes(await protocol())  # never longer than declared
        async for part in protocol:
            read += part
            if len(read) > MAX_BODY:
                break
    return bytes(read[: MAX_BODY + 1])


def _joined(written: list[bytes], parts: Iterable[bytes]) -> bytes:
    try:
        for part in parts:  # one by one: making a part may write more
            written.append(part)  # noqa: PERF402 - `extend` does not promise that
        return b"".join(written)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()


def served() -> RsgiApplication:
    """The application of one process; `granian --interface rsgi --factory idp.web.rsgi:served`."""
    from wsgi import application  # noqa: PLC0415 - it reads the settings and connects when it is imported

    return RsgiApplication(application, SERVER_THREADS)
