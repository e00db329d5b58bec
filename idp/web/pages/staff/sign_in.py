"""The first step of staff: office name and office password, which the directory checks."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.errors import NotProven
from idp.i18n import N_
from idp.services import unit_of_work
from idp.web import browser
from idp.web.views import Audience, Csrf, view

staff_sign_in = flask.Blueprint("staff_sign_in", __name__)

_LONGEST = {"login_name": 64, "password": 256}
_PROBLEMS = {
    "wrong": ("login_name", N_("办公账号或密码不对，请检查后再试。")),
    "no_login_name": ("login_name", N_("请填办公账号。")),
    "no_password": ("password", N_("请填密码。")),
}
_SAID = {
    "staff_ended": N_("这次登录已经结束。请重新登录。"),
    "staff_out": N_("已经退出。"),
}


@staff_sign_in.get("/staff/login")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The form; for whoever has both factors already, the way to their page."""
    browser.staff()
    here = browser.staff_session()
    if here is not None and here.proven_at is not None:
        return flask.redirect("/staff", 303)
    codes = browser.flashed()
    return flask.render_template(
        "staff/sign_in.html",
        errors=[
            {"field": _PROBLEMS[each][0], "text": gettext(_PROBLEMS[each][1])} for each in codes if each in _PROBLEMS
        ],
        said=next((gettext(_SAID[each]) for each in codes if each in _SAID), ""),
    )


@staff_sign_in.post("/staff/login")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def submit() -> ResponseReturnValue:
    """The member goes on to the second factor, or sees what to correct: the same for an unknown and a wrong one."""
    directory, form, work = browser.staff(), flask.request.form, unit_of_work()
    missing = [f"no_{name}" for name in _LONGEST if not form.get(name, "").strip()]
    if missing:
        return _try_again(*missing)
    name, password = (form[each][:longest] for each, longest in _LONGEST.items())
    work.commit()  # no transaction stays open while the directory is asked
    try:
        told = directory.authenticate(work.services.database, name, password, source=work.request.source, now=work.now)
    except NotProven:
        return _try_again("wrong")
    browser.begin_staff_session(told)
    return flask.redirect("/staff/second-factor", 303)


def _try_again(*codes: str) -> ResponseReturnValue:
    browser.flash(*codes)
    return flask.redirect("/staff/login", 303)
