"""Sign-out by the person on a page of this site. A client's request to end a session is in `idp.web.routes`."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue

from idp.login import sessions
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import localized_name
from idp.web.views import Audience, Csrf, view

sign_out = flask.Blueprint("sign_out", __name__)


@sign_out.get("/sign-out")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The question, with every service that will be signed out, too. A person who is out already is redirected."""
    here, work = browser.current_session(), unit_of_work()
    if here is None:
        return flask.redirect("/signed-out", 303)
    services = [localized_name(client.name, client.name_en) for client in sessions.clients_of(work.reading, here.id)]
    return flask.render_template(
        "pages/confirm_sign_out.html", action="/sign-out", client_name="", services=services, fields={}
    )


@sign_out.post("/sign-out")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def submit() -> ResponseReturnValue:
    """This browser is signed out everywhere it was used, if the person confirmed it."""
    if flask.request.form.get("answer") != "sign_out":
        return flask.redirect("/account", 303)
    browser.sign_out()
    return flask.redirect("/signed-out", 303)


@sign_out.get("/signed-out")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def done() -> ResponseReturnValue:
    """The page that says that the person is signed out."""
    return flask.render_template("pages/signed_out.html", return_uri="", client_name="")
