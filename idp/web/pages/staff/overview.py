"""The page of a member of staff who is signed in: who they are, their second factor, and their last sign-ins.

It gives no right to do anything: roles come from a table of ours, never from a group of the directory.
"""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.identifiers import divisions
from idp.i18n import N_
from idp.services import unit_of_work
from idp.staff import second_factor, sessions
from idp.web import browser
from idp.web.pages.drawing.formatting import device, moment
from idp.web.views import Audience, Csrf, view

staff_overview = flask.Blueprint("staff_overview", __name__)

_MOST = 10
_DONE = {"set_up": N_("验证器应用已经设好。以后登录时，除了办公密码，还要填它显示的验证码。")}


@staff_overview.get("/staff")
@view(audience=Audience.STAFF, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """Name, staff id, division, second factor, and the last sign-ins of the member who is signed in."""
    here, work = browser.staff_signed_in(), unit_of_work()
    division = divisions.find(here.member.division)
    since = second_factor.confirmed_since(work.c, here.member.id)
    return flask.render_template(
        "staff/overview.html",
        done=gettext(_DONE[done]) if (done := flask.request.args.get("done", "")) in _DONE else "",
        name=here.member.name,
        staff_id=here.member.staff_id,
        division=division.name if division else "",
        since=moment(since, work.now) if since else "",
        sign_ins=[
            {
                "at": moment(each.at, work.now),
                "device": device(each.user_agent),
                "place": each.source or "",
                "here": each.session_id == here.id,
            }
            for each in sessions.latest(work.c, here.member.id, _MOST)
        ],
    )


@staff_overview.post("/staff/session/extend")
@view(audience=Audience.STAFF, csrf=Csrf.FORM)
def extend() -> ResponseReturnValue:
    """The session counts as used now, as by every page of staff. The member returns to their page."""
    return browser.redirect_to_path(flask.request.form.get("next"), "/staff")


@staff_overview.post("/staff/sign-out")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def sign_out() -> ResponseReturnValue:
    """The staff session of this browser has ended. A citizen's session in the same browser stays."""
    browser.staff()
    browser.end_staff_session("signed out")
    browser.flash("staff_out")
    return flask.redirect("/staff/login", 303)
