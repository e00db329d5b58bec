"""Cookies beside the session's. The response sets them all together; no script and no other site can use them."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from idp.login import sessions
from idp.services import Services, unit_of_work

FORM, FLASH, KNOWN_BROWSERS, CODE = "yt_form", "yt_notice", "yt_known", "yt_code"
SIGN_UP, RECOVER, FEDERATED = "yt_sign_up", "yt_recover", "yt_federated"
STAFF = "yt_staff"  # the session of a member of staff; no page of citizens reads it


def sent_cookie(name: str) -> str:
    """The value of this cookie as the browser sent it; empty if it sent none."""
    return flask.request.cookies.get(_full(name), "")


def give_cookie(name: str, value: str, *, age: int | None = None) -> None:
    """The response sets this cookie. It goes to this host only, to no script, and in no cross-site POST."""
    flask.g.setdefault("cookies", []).append((_full(name), value, age))


def set_cookies(response: Response, services: Services) -> None:
    """The response sets every cookie that was given, and the session's cookie if that changed."""
    cookies = flask.g.pop("cookies", [])
    handle = flask.g.get("session_handle")
    if handle is not None:
        name = sessions.cookie_name(secure=services.settings.is_secure)
        cookies.append((name, handle, None if handle else 0))
    for name, value, age in cookies:
        response.set_cookie(
            name, value, max_age=age, path="/", secure=services.settings.is_secure, httponly=True, samesite="Lax"
        )


def full_name(name: str, *, secure: bool) -> str:
    """The cookie's name. Over https it has a prefix that binds it to this origin; only https may set it."""
    return f"__Host-{name}" if secure else name


def _full(name: str) -> str:
    return full_name(name, secure=unit_of_work().services.settings.is_secure)
