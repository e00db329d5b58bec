"""Setting up the authenticator of a member of staff: the code from an administrator, then the app's first code.

Both need the office password before, in the same browser. What an administrator can issue opens nothing by itself.
"""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from idp.i18n import N_
from idp.services import unit_of_work
from idp.staff import second_factor, sessions
from idp.staff.sessions import StaffSession
from idp.web import browser
from idp.web.pages.drawing import qr_code
from idp.web.pages.drawing.code_form import meant_code
from idp.web.views import Audience, Csrf, view

staff_enrolment = flask.Blueprint("staff_enrolment", __name__)

_PROBLEMS = {
    "enrolment_wrong": N_("设置码不对、用过了，或者已经过期。请检查后再填，或者请管理员再给一个。"),
    "code_empty": N_("请填设置码。"),
    "code_wrong": N_("验证码不对。请看手机应用里“一通”现在显示的 6 位数字，再填一次。"),
}
_CODE, _APP = "/staff/enrolment", "/staff/enrolment/authenticator"


@staff_enrolment.get("/staff/enrolment")
@view(audience=Audience.STAFF_ONE_FACTOR, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The form for the administrator's code. A member who has an authenticator proves that one instead."""
    here, work = browser.staff_with_one_factor(), unit_of_work()
    if second_factor.confirmed_since(work.reading, here.member.id) is not None:
        return flask.redirect("/staff/second-factor", 303)
    return flask.render_template("staff/enrolment.html", action=_CODE, errors=_errors())


@staff_enrolment.post("/staff/enrolment")
@view(audience=Audience.STAFF_ONE_FACTOR, csrf=Csrf.FORM)
def submit() -> ResponseReturnValue:
    """The code is spent and a new secret awaits the app's first code, or the member sees what to correct."""
    here, work, code = browser.staff_with_one_factor(), unit_of_work(), meant_code()
    if not code:
        return _again(_CODE, "code_empty")
    facts = sessions.row("staff:credential:enrol", here.member.id, source=work.request.source, now=work.now)
    vault, member = work.services.vault, here.member.id
    if not second_factor.begin(work.c, vault, member, code, session=here.id, now=work.now, record=facts):
        if second_factor.pending(work.c, vault, member, session=here.id, now=work.now) is not None:
            return flask.redirect(_APP, 303)  # the form was sent twice: the first one spent the code
        sessions.failed(work.c, facts)
        return _again(_CODE, "enrolment_wrong")
    return flask.redirect(_APP, 303)


@staff_enrolment.get("/staff/enrolment/authenticator")
@view(audience=Audience.STAFF_ONE_FACTOR, csrf=Csrf.READ_ONLY)
def show_authenticator() -> ResponseReturnValue:
    """The secret as picture and text, and the field for the first code."""
    here, work = browser.staff_with_one_factor(), unit_of_work()
    waiting = second_factor.pending(work.reading, work.services.vault, here.member.id, session=here.id, now=work.now)
    if waiting is None:
        return flask.redirect(_CODE, 303)
    return flask.render_template(
        "staff/authenticator.html",
        action=_APP,
        secret=" ".join(waiting.secret[at : at + 4] for at in range(0, len(waiting.secret), 4)),
        uri=waiting.uri,
        picture=qr_code.svg(waiting.uri),
        errors=_errors(),
    )


@staff_enrolment.post("/staff/enrolment/authenticator")
@view(audience=Audience.STAFF_ONE_FACTOR, csrf=Csrf.FORM)
def confirm() -> ResponseReturnValue:
    """The authenticator counts from now on, and this session has both factors."""
    here = browser.staff_with_one_factor()
    if not _is_confirmed(here, meant_code()):
        return _again(_APP, "code_wrong")
    browser.staff_proven(here)
    return flask.redirect("/staff?done=set_up", 303)


def _is_confirmed(here: StaffSession, code: str) -> bool:
    work, member = unit_of_work(), here.member.id
    facts = sessions.row("staff:credential:add", member, source=work.request.source, now=work.now)
    vault = work.services.vault
    return second_factor.confirm(work.c, vault, member, code, session=here.id, now=work.now, record=facts)


def _errors() -> list[dict[str, str]]:
    return [{"field": "code", "text": gettext(_PROBLEMS[code])} for code in browser.flashed() if code in _PROBLEMS]


def _again(path: str, code: str) -> ResponseReturnValue:
    browser.flash(code)
    return flask.redirect(path, 303)
