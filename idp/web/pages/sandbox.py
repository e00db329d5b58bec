"""Sandbox messages: every text message that would have been sent. Outside production only."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue

from idp.adapters.systems import sandbox as messages
from idp.services import unit_of_work
from idp.web.pages.drawing.formatting import moment
from idp.web.views import Audience, Csrf, view

sandbox = flask.Blueprint("sandbox", __name__)


@sandbox.get("/sandbox/messages")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The newest messages. In production the page does not exist."""
    work = unit_of_work()
    if work.services.settings.environment == "production":
        flask.abort(404)
    newest = messages.newest(work.c, work.services.vault)
    shown = [
        {"phone": sent.phone, "text": sent.text, "at": moment(sent.at, work.now), "is_call": sent.is_call}
        for sent in newest
    ]
    return flask.render_template("pages/sandbox.html", messages=shown)
