"""The page of the export: everything held about the person, as one JSON file, after a recent login."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from idp.login import sessions
from idp.rights import export as copies
from idp.services import unit_of_work
from idp.web import browser
from idp.web.views import Audience, Csrf, view

export = flask.Blueprint("account_export", __name__)

_FILE = "yitong-account.json"


@export.get("/account/export")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """What the file contains, and the button."""
    return flask.render_template("account/export.html", recent=browser.is_recent(browser.signed_in()))


@export.post("/account/export")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def download() -> ResponseReturnValue:
    """The file, which no cache keeps, and a record of the download. A login of more than twenty minutes is renewed."""
    here, work = browser.signed_in_recently(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    issuer = work.services.settings.issuer
    document = copies.export(work.c, work.services.vault, here.person_id, issuer=issuer, now=work.now)
    reply = Response(copies.as_json(document), 200, mimetype="application/json")
    reply.headers["Content-Disposition"] = f'attachment; filename="{_FILE}"'
    reply.headers["Cache-Control"] = "no-store"
    return reply
