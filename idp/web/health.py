"""Health checks for load balancers and operators. The front answers them, apart from all that may queue.

`/livez` and `/healthz` say that the process answers; they ask nothing else. `/readyz` asks the database, in a lane of
its own.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from accounts.database import Database, Statement
from accounts.errors import Unavailable
from idp.oidc.messages import NO_STORE, Headers, Reply, Request

ALIVE = ("/livez", "/healthz")
READY = "/readyz"
_ALIVE = Statement(sa.select(sa.literal(1).label("one")))
_METHODS = ("GET", "HEAD")
_HEADERS: Headers = (
    ("Content-Type", "text/plain"),
    *NO_STORE,
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Content-Security-Policy", "default-src 'none'; script-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
)
_OK = Reply(200, b"ok\n", _HEADERS)
_WRONG_METHOD = Reply(405, b"", (("Allow", "GET, HEAD"), *_HEADERS))
_NOT_READY = Reply(503, b"the database does not answer\n", (("Retry-After", "2"), *_HEADERS))


def alive(request: Request) -> Reply:
    """200: the process answers."""
    return _OK if request.method in _METHODS else _WRONG_METHOD


def ready(database: Database) -> Callable[[Request], Reply]:
    """A handler that answers 200 if the database answers, and 503 if it does not."""

    def handle(request: Request) -> Reply:
        if request.method not in _METHODS:
            return _WRONG_METHOD
        try:
            database.connection().one(_ALIVE)
        except Unavailable:
            return _NOT_READY
        return _OK

    return handle
