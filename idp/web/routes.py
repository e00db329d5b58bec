"""The browser's URLs that belong to no page: the dispatcher, logout for clients, the bare address, files.

The front answers /authorize. Only a request that needs a page as its answer comes here.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path

import flask
from flask.typing import ResponseReturnValue
from werkzeug.security import safe_join

from idp.i18n.labels import client_name
from idp.login import dispatcher, sessions
from idp.oidc.endpoints.end_session import signed_out_reply
from idp.oidc.requests import logout
from idp.oidc.requests.logout import LogoutRequest
from idp.services import UnitOfWork, unit_of_work
from idp.web import browser, failure
from idp.web.views import Audience, Csrf, view

STATIC = Path(__file__).parents[2] / "static"
_DAY = 24 * 3600
routes = flask.Blueprint("routes", __name__)


@routes.route("/authorize", methods=["GET", "POST"])
@view(audience=Audience.RELYING_SYSTEM, csrf=Csrf.PROTOCOL, acts_on_get=True)
def authorize() -> ResponseReturnValue:
    """What the front left to a page: a request that needs one from the start, or an exception of a handler there."""
    failure.raise_kept(flask.request.environ)
    work = unit_of_work()
    return browser.answer(dispatcher.authorize(work.services, work.request, work.now))


@routes.get("/")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def home() -> ResponseReturnValue:
    """A person who types the bare address wants to see their account."""
    return browser.redirect_to_path("/account")


@routes.get("/continue/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY, acts_on_get=True)
def continue_request(request_id: str) -> ResponseReturnValue:
    """Leads to the next step's page, or to the client with its answer."""
    work = unit_of_work()
    flask.g.leads_out = True
    return browser.answer(dispatcher.resume(work.services, work.c, work.request, request_id, work.now))


@routes.route("/end_session", methods=["GET", "POST"])
@view(audience=Audience.RELYING_SYSTEM, csrf=Csrf.PROTOCOL, acts_on_get=True)
def end_session() -> ResponseReturnValue:
    """OpenID Connect RP-Initiated Logout 1.0: at once, or after the person agrees.

    At once when nobody is signed in here, or with an ID token of this session or person.
    """
    work = unit_of_work()
    asked = logout.read_logout(work.services.provider, work.request, work.now)
    here = browser.current_session()
    # A POST from another site carries no session cookie (SameSite=Lax): who is here shows only after a click here.
    is_blind = work.request.method == "POST" and here is None
    sub = _sub_here(work, here, asked)
    if is_blind or logout.must_confirm(asked, session_id=here.id if here else None, sub=sub):
        return _confirm(work, here, asked)
    browser.sign_out("relying system")
    return _signed_out(asked)


@routes.post("/end_session/confirm")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def confirm_end_session() -> ResponseReturnValue:
    """The person answered: signed out, or still here. The client's URI is checked again, because the form held it."""
    work = unit_of_work()
    asked = logout.read_logout(work.services.provider, work.request, work.now)
    if flask.request.form.get("answer") != "sign_out":
        return browser.redirect_to_path("/account")
    browser.sign_out("person")
    return _signed_out(asked)


@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def static_file(filename: str) -> ResponseReturnValue:
    """A file of `static/`, to be cached for a day."""
    path = safe_join(str(STATIC), filename)
    if path is None or not Path(path).is_file():
        flask.abort(404)
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    response = flask.send_file(path, mimetype=kind, max_age=_DAY, conditional=True)
    response.headers["Cache-Control"] = f"public, max-age={_DAY}"
    if flask.request.method == "HEAD":
        response.close()  # werkzeug sends no body and would leave the file open
    return response


@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def favicon() -> ResponseReturnValue:
    """The seal, for browsers that ask for it by its old name."""
    return static_file("seal.svg")


def _confirm(work: UnitOfWork, here: sessions.Session | None, asked: LogoutRequest) -> ResponseReturnValue:
    flask.g.leads_out = True
    flask.g.ui_locales = " ".join(asked.ui_locales)
    fields = {
        "client_id": asked.client.client_id if asked.client else None,
        "post_logout_redirect_uri": asked.post_logout_redirect_uri,
        "state": asked.state,
    }
    return flask.render_template(
        "pages/confirm_sign_out.html",
        action="/end_session/confirm",
        client_name=client_name(asked.client.name, asked.client.name_en) if asked.client else "",
        services=[client_name(known.name, known.name_en) for known in sessions.clients_of(work.reading, here.id)]
        if here
        else [],
        fields={name: value for name, value in fields.items() if value},
    )


def _sub_here(work: UnitOfWork, here: sessions.Session | None, asked: LogoutRequest) -> str | None:
    """The `sub` by which the asking client knows the person who is signed in here. None if it does not know them."""
    if here is None or asked.client is None:
        return None
    known = sessions.clients_of(work.reading, here.id)
    return next((row.sub for row in known if row.client_id == asked.client.client_id), None)


def _signed_out(asked: LogoutRequest) -> ResponseReturnValue:
    reply = signed_out_reply(asked)
    return browser.redirect_to_path("/signed-out") if reply is None else browser.answer(reply)
