"""The devices page: where the person is signed in, and the way to end each of these sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from idp.i18n.labels import CHANNELS
from idp.login import sessions
from idp.login.sessions import Session
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import device, moment
from idp.web.views import Audience, Csrf, view

devices = flask.Blueprint("account_devices", __name__)

_MOST = 50
_SECURITY = "/account/security"


@devices.get("/account/devices")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """Every session of the person that has not ended, the last used first."""
    here, work = browser.signed_in(), unit_of_work()
    found = sessions.of_person(work.reading, here.person_id, work.now)
    return flask.render_template(
        "account/devices.html",
        done=flask.request.args.get("done") == "ended",
        sessions=[_session(each, here, work.now) for each in found[:_MOST]],
    )


@devices.post("/account/devices/<id:session_id>/end")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def end(session_id: str) -> ResponseReturnValue:
    """The session has ended everywhere. 404 for a session of somebody else; this browser's own asks first."""
    here, work = browser.signed_in(), unit_of_work()
    if session_id == here.id:
        return flask.redirect("/sign-out", 303)
    if sessions.owner(work.reading, session_id) != here.person_id:
        flask.abort(404)
    sessions.touch(work.c, here.id, work.now)
    sessions.end(work.c, session_id, work.now, "ended by the person elsewhere")
    return flask.redirect("/account/devices?done=ended", 303)


@devices.get("/account/devices/new")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def new() -> ResponseReturnValue:
    """Logins from browsers that this person did not use before, with one question for each: was it you?"""
    here, work = browser.signed_in(), unit_of_work()
    found = sessions.of_new_browsers(work.reading, here.person_id, here=here.id, most=_MOST)
    return flask.render_template(
        "account/new_devices.html",
        done=flask.request.args.get("done") == "ended",
        security=_SECURITY if browser.can_be_opened(_SECURITY) else "",
        sessions=[_session(each, here, work.now) for each in found],
    )


@devices.post("/account/devices/<id:session_id>/mine")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def mine(session_id: str) -> ResponseReturnValue:
    """The person knows this login. 404 for a session of somebody else."""
    here, work = browser.signed_in(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    if not sessions.recognise(work.c, session_id, here.person_id):
        flask.abort(404)
    return flask.redirect("/account/devices/new", 303)


@devices.post("/account/devices/<id:session_id>/not-mine")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def not_mine(session_id: str) -> ResponseReturnValue:
    """That login has ended everywhere, and the page says how to change the password. 404 as above."""
    here, work = browser.signed_in(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    if session_id == here.id or not sessions.recognise(work.c, session_id, here.person_id):
        flask.abort(404)
    sessions.end(work.c, session_id, work.now, "not recognised by the person")
    return flask.redirect("/account/devices/new?done=ended", 303)


def _session(found: Session, here: Session, now: datetime) -> dict[str, Any]:
    return {
        "id": found.id,
        "device": device(found.user_agent),
        "channel": gettext(CHANNELS.get(found.channel, found.channel)),
        "place": found.source or "",
        "since": moment(found.created_at, now),
        "seen": moment(found.seen_at, now),
        "here": found.id == here.id,
    }
