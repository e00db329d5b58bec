"""Binding to a browser: a request is answered where it began, so a link to it is useless in another browser.

A cookie holds one random value for each browser. Each open request of the browser keeps the digest of that value, so
several tabs do not disturb each other.
"""

from __future__ import annotations

import secrets

from idp.oidc.clients.client import Client
from idp.oidc.messages import Request
from idp.oidc.requests.authorization_request import OPEN_FOR
from idp.oidc.tokens.secret import digest, is_handle


class BrowserMismatch(Exception):
    """The request of that client was started in another browser and can be answered only there."""

    def __init__(self, client: Client) -> None:
        super().__init__("another browser")
        self.client = client


def value(request: Request, *, secure: bool) -> str:
    """The value that identifies this browser: the one in its cookie, or a new one if that is not valid."""
    known = request.cookies.get(_name(secure=secure), "")
    return known if is_handle(known) else secrets.token_urlsafe(32)


def cookie(known_by: str, *, secure: bool) -> tuple[str, str]:
    """The header that makes the browser keep the value as long as a request stays open."""
    age = int(OPEN_FOR.total_seconds())
    only = "; Secure" if secure else ""
    return "Set-Cookie", f"{_name(secure=secure)}={known_by}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{only}"


def matches(request: Request, bound: bytes | None, *, secure: bool) -> bool:
    """Whether the browser that sent this request is the one with the digest `bound`."""
    sent = digest(request.cookies.get(_name(secure=secure), ""))
    return bound is not None and secrets.compare_digest(bound, sent)


def _name(*, secure: bool) -> str:
    return "__Host-yt_browser" if secure else "yt_browser"
