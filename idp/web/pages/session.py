"""The button that keeps a person signed in. Every page of a signed-in person offers it before the session ends."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue

from idp.login import sessions
from idp.services import unit_of_work
from idp.web import browser
from idp.web.views import Audience, Csrf, view

session = flask.Blueprint("session", __name__)


@session.post("/session/extend")
@view(audience=Audience.ONE_FACTOR, csrf=Csrf.FORM)
def extend() -> ResponseReturnValue:
    """The session counts as used now, within its absolute limit. The person returns to their page."""
    here, work = browser.signed_in_with_one_factor(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    return browser.redirect_to_path(flask.request.form.get("next"))
