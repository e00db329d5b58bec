"""The machine endpoints as one table: each Request gets a Reply, and nothing is ever raised.

One transaction a request: each handler commits what it did before it answers, also before an error answer.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus

from accounts.errors import Unavailable
from idp.oidc.endpoints import ENDPOINTS, Endpoint
from idp.oidc.errors import ProtocolError
from idp.oidc.messages import NO_STORE, Headers, Reply, Request, json_reply
from idp.oidc.provider import Provider

_log = logging.getLogger("idp.oidc")
# A page of another origin may call, and read why it was refused and when to retry.
_CORS: Headers = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After"),
)
_PREFLIGHT: Headers = (
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
    ("Access-Control-Max-Age", "600"),
)
_EVERY: Headers = (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"))


class EndpointRouter:
    """Serves ENDPOINTS for one provider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.endpoints: Mapping[str, Endpoint] = {endpoint.at.path: endpoint for endpoint in ENDPOINTS}

    def handle(self, request: Request) -> Reply | None:
        """The answer, or None if no endpoint has the path."""
        endpoint = self.endpoints.get(request.path)
        if endpoint is None:
            return None
        return _framed(endpoint, self._answer(endpoint, request))

    def refuse(self, path: str, status: int, description: str) -> Reply:
        """The answer to a request that was not processed, with the headers of that endpoint's answers."""
        error = "temporarily_unavailable" if status == HTTPStatus.SERVICE_UNAVAILABLE else "invalid_request"
        document = {"error": error, "error_description": description}
        reply, endpoint = json_reply(status, document, NO_STORE), self.endpoints.get(path)
        return reply if endpoint is None else _framed(endpoint, reply)

    def _answer(self, endpoint: Endpoint, request: Request) -> Reply:
        if request.method == "OPTIONS" and endpoint.at.for_browsers:
            return Reply(204, b"", _PREFLIGHT)
        method = "GET" if request.method == "HEAD" else request.method
        if method not in endpoint.at.methods:
            return _wrong_method(endpoint.at.methods)
        return self._guarded(endpoint.handle, request)

    def _guarded(self, handle: Callable[[Provider, Request, datetime], Reply], request: Request) -> Reply:
        try:
            return handle(self._provider, request, self._provider.now())
        except ProtocolError as error:
            return json_reply(error.status, error.document(), (*NO_STORE, *error.headers))
        except Unavailable as error:
            return _unavailable(error)
        except Exception as error:  # noqa: BLE001 - the last net: an answer with a log id, never a traceback
            return _failed(error)


def _framed(endpoint: Endpoint, reply: Reply) -> Reply:
    """The one place that adds CORS headers: browsers refuse an answer that has one twice (Fetch standard, §4.9)."""
    cors = _CORS if endpoint.at.for_browsers else ()
    return Reply(reply.status, reply.body, (*reply.headers, *_EVERY, *cors), reply.constant)


def _wrong_method(allowed: tuple[str, ...]) -> Reply:
    """405 with Allow (RFC 9110 §15.5.6)."""
    listed = ", ".join(allowed)
    document = {"error": "invalid_request", "error_description": f"this endpoint takes {listed} only"}
    return json_reply(405, document, (("Allow", listed), *NO_STORE))


def _unavailable(error: Unavailable) -> Reply:
    _log.warning("unavailable code=%s", error.code)
    document = {"error": "temporarily_unavailable", "error_description": "try again after the time in Retry-After"}
    return json_reply(503, document, (*NO_STORE, ("Retry-After", str(int(error.retry_after.total_seconds())))))


def _failed(error: Exception) -> Reply:
    """Type and place of the failure go to the log; its text may hold personal data and stays out."""
    log_id = secrets.token_hex(6)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace is not None else ""
    _log.error("server_error log_id=%s type=%s place=%s", log_id, type(error).__name__, place)
    description = f"the provider failed; tell the administrator this log id: {log_id}"
    return json_reply(500, {"error": "server_error", "error_description": description})
