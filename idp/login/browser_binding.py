"""Which browser asked: a request is answered where it began, so that a link to it is worth nothing in another browser.

A cookie holds one random value a browser; its digest stands on each of its open requests, so that tabs do not fight.
"""

from __future__ import annotations

import secrets

from idp.oidc.clients.client import Client
from idp.oidc.messages import Request
from idp.oidc.requests.authorization_request import OPEN_FOR
from idp.oidc.tokens.secret import digest, is_handle


class BrowserMismatch(Exception):
    """The request of that client was started in another browser and is answered nowhere else."""

    def __init__(self, client: Client) -> None:
        super().__init__("another browser")
        self.client = client


def value(request: Request, *, secure: bool) -> str:
    """What this browser is known by: what its cookie says, or something new where that is nothing of ours."""
    known = request.cookies.get(_name(secure=secure), "")
    return known if is_handle(known) else secrets.token_urlsafe(32)


def cookie(known_by: str, *, secure: bool) -> tuple[str, str]:
    """The header that has the browser keep it as long as a request stays open."""
    age = int(OPEN_FOR.total_seconds())
    only = "; Secure" if secure else ""
    return "Set-Cookie", f"{_name(secure=secure)}={known_by}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{only}"


def matches(request: Request, bound: bytes | None, *, secure: bool) -> bool:
    """Whether the browser that sent this is the one whose digest is `bound`."""
    sent = digest(request.cookies.get(_name(secure=secure), ""))
    return bound is not None and secrets.compare_digest(bound, sent)


def _name(*, secure: bool) -> str:
    return "__Host-yt_browser" if secure else "yt_browser"
