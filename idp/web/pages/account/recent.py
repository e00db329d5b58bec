"""Acts that ask for a recent login: somebody at an open screen must not copy or end a whole account."""

from __future__ import annotations

from datetime import timedelta

import flask
from werkzeug.wrappers import Response

from idp.login.sessions import Session
from idp.services import unit_of_work
from idp.web import browser
from idp.web.session_expiry import AGAIN

RECENT = timedelta(minutes=20)


def is_recent(here: Session) -> bool:
    """Whether the person has proven themselves within RECENT."""
    return here.auth_time > unit_of_work().now - RECENT


def log_in_again(path: str) -> Response:
    """To the login page, which says why, and back to that path."""
    browser.flash(AGAIN)
    return flask.redirect(f"/login?next={path}", 303)
