"""The login step: a password proves who is there, for a client's request or on the way to a page of this site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.authentication import Authenticated
from accounts.credentials.known_browsers import KNOWN_FOR
from accounts.errors import NotProven
from idp.i18n import N_
from idp.login import dispatcher, pending
from idp.login.interaction import Step
from idp.services import unit_of_work
from idp.web import browser
from idp.web.cookies import KNOWN_BROWSERS, give_cookie, sent_cookie
from idp.web.pages import prerendered
from idp.web.pages.formatting import localized_name
from idp.web.pages.layout import use_ui_locales
from idp.web.session_expiry import ENDED, IDLE, LOGIN_AGAIN, TOO_OLD
from idp.web.views import Audience, Csrf, view

login = flask.Blueprint("login", __name__)

Record = dict[str, Any]
_LONGEST = {"identifier": 64, "password": 256}
_PROBLEMS = {
    "wrong": ("identifier", N_("号码或密码不对，请检查后再试。")),
    "no_identifier": ("identifier", N_("请填身份证号、手机号或用户名。")),
    "no_password": ("password", N_("请填密码。")),
}
_SIGNED_OUT = {
    IDLE: N_("您 %(minutes)d 分钟没有操作，为了安全，已经自动退出登录。请重新登录，接着办理。"),
    TOO_OLD: N_("这次登录时间太长，为了安全，已经自动退出。请重新登录，接着办理。"),
    ENDED: N_("您在这个浏览器里的登录已经结束，可能是您在别处退出了。请重新登录。"),
    LOGIN_AGAIN: N_("您要改的是登录方式。为了安全，请再登录一次，接着办理。"),
}


@login.get("/login/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY)
def show(request_id: str) -> ResponseReturnValue:
    """The login page of a client's request. If it has messages, it is shown even when the step is done."""
    due = browser.require_step(request_id, Step.LOGIN, or_done=browser.has_flashes())
    use_ui_locales(due.request.ui_locales)
    return _page(f"/login/{request_id}", client_name=localized_name(due.client.name, due.client.name_en))


@login.post("/login/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit(request_id: str) -> ResponseReturnValue:
    """The person is signed in and goes on, or sees what to correct, or has declined.

    The same holds if somebody signed in in another tab while this form was open: the person who filled in the form goes
    on, or nobody.
    """
    due = browser.require_step(request_id, Step.LOGIN, or_done=True)
    use_ui_locales(due.request.ui_locales)
    if flask.request.form.get("answer") == "cancel":
        work = unit_of_work()
        return browser.answer(dispatcher.decline(work.services, work.c, due, work.now))
    return _attempt(f"/login/{request_id}", lambda proof, record: browser.sign_in_and_redirect(due, proof, record))


@login.get("/login")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def show_own() -> ResponseReturnValue:
    """The login page on the way to a page of this site, which `next` names."""
    return _page("/login", after=browser.own_path(flask.request.args.get("next")) or "")


@login.post("/login")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def submit_own() -> ResponseReturnValue:
    """The person is signed in and goes to `next`, or to the account page."""
    after = browser.own_path(flask.request.form.get("next")) or "/account"

    def onward(proof: Authenticated, record: Record) -> ResponseReturnValue:
        browser.sign_in(proof, record)
        return browser.redirect_to_path(after)

    return _attempt(flask.url_for("login.show_own", next=after), onward)


def _page(action: str, *, client_name: str = "", after: str = "") -> ResponseReturnValue:
    codes = browser.flashed()
    errors = [{"field": _PROBLEMS[code][0], "text": gettext(_PROBLEMS[code][1])} for code in codes if code in _PROBLEMS]
    reason = next((_signed_out(code) for code in codes if code in _SIGNED_OUT), "")
    may_cancel = bool(client_name)
    if not (errors or reason):
        filled = {"action": action, "next": after}
        return prerendered.page("pages/login.html", filled, client_name=client_name, may_cancel=may_cancel, errors=())
    return flask.render_template(
        "pages/login.html",
        action=action,
        client_name=client_name,
        next=after,
        errors=errors,
        reason=reason,
        may_cancel=may_cancel,
    )


def _signed_out(code: str) -> str:
    minutes = int(unit_of_work().services.channels[pending.WEB].lifetimes.idle.total_seconds()) // 60
    return gettext(_SIGNED_OUT[code], minutes=minutes)


def _attempt(again: str, onward: Callable[[Authenticated, Record], ResponseReturnValue]) -> ResponseReturnValue:
    """The response to a login. A wrong answer comes back to the form as a code only.

    What was typed is in no redirect, cookie or page. Throttled and Busy are not caught: `idp.web.errors` has their
    pages.
    """
    form, work = flask.request.form, unit_of_work()
    identifier, password = (form.get(name, "")[:longest] for name, longest in _LONGEST.items())
    missing = [f"no_{name}" for name in _LONGEST if not form.get(name, "").strip()]
    if missing:
        return _try_again(again, *missing)
    work.commit()  # no transaction stays open during the password check
    try:
        proof, record = _authenticate(identifier, password)
    except NotProven:
        return _try_again(again, "wrong")
    return onward(proof, record)


def _authenticate(identifier: str, password: str) -> tuple[Authenticated, Record]:
    """Who the person is, and the audit row to write together with the session."""
    work, records = unit_of_work(), list[Record]()
    services = work.services
    proof = services.passwords.authenticate(
        services.database,
        identifier,
        password,
        source=work.request.source,
        channel=pending.WEB,
        now=work.now,
        known_browsers=sent_cookie(KNOWN_BROWSERS),
        record=records.append,
    )
    give_cookie(KNOWN_BROWSERS, proof.known_browsers, age=int(KNOWN_FOR.total_seconds()))
    return proof, records[0]


def _try_again(again: str, *codes: str) -> ResponseReturnValue:
    browser.flash(*codes)
    return flask.redirect(again, 303)
