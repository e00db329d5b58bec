"""The second step of staff: the code of their authenticator app. Nobody passes without it."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from idp.i18n import N_
from idp.services import unit_of_work
from idp.staff import second_factor, sessions
from idp.web import browser
from idp.web.pages.drawing.code_form import meant_code
from idp.web.views import Audience, Csrf, view

staff_second_factor = flask.Blueprint("staff_second_factor", __name__)

_PROBLEMS = {
    "code_wrong": N_("验证码不对，或者已经用过。请等手机应用换一个新的验证码，再填一次。"),
    "code_empty": N_("请填验证码。"),
}
_HERE, _SET_UP = "/staff/second-factor", "/staff/enrolment"


@staff_second_factor.get("/staff/second-factor")
@view(audience=Audience.STAFF_ONE_FACTOR, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The form, or the way to set up an authenticator where the member has none."""
    here, work = browser.staff_with_one_factor(), unit_of_work()
    if second_factor.confirmed_since(work.reading, here.member.id) is None:
        return flask.redirect(_SET_UP, 303)
    errors = [{"field": "code", "text": gettext(_PROBLEMS[code])} for code in browser.flashed() if code in _PROBLEMS]
    return flask.render_template("staff/second_factor.html", action=_HERE, errors=errors)


@staff_second_factor.post("/staff/second-factor")
@view(audience=Audience.STAFF_ONE_FACTOR, csrf=Csrf.FORM)
def submit() -> ResponseReturnValue:
    """The session has both factors, or the member sees what to correct. A wrong code is on record."""
    here, work, code = browser.staff_with_one_factor(), unit_of_work(), meant_code()
    if not code:
        return _try_again("code_empty")
    facts = sessions.row("staff:authentication:totp", here.member.id, source=work.request.source, now=work.now)
    if not second_factor.spend(work.c, work.services.vault, here.member.id, code, now=work.now, record=facts):
        sessions.failed(work.c, facts)
        return _try_again("code_wrong")
    browser.staff_proven(here)
    return flask.redirect("/staff", 303)


def _try_again(code: str) -> ResponseReturnValue:
    browser.flash(code)
    return flask.redirect(_HERE, 303)
