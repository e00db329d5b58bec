"""Logging in with a code to a phone: the phone and the end of a number, then the code.

It serves a client's request and the way to a page of this site alike. Nothing on these pages says whether the phone
belongs to somebody.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.credentials.known_browsers import KNOWN_FOR
from accounts.credentials.one_time_codes import CodeBinding
from accounts.credentials.phone_holders import LAST, last_characters
from accounts.errors import SendingPaused
from idp.i18n import N_
from idp.login import dispatcher, pending
from idp.login.interaction import Step
from idp.login.pending import PendingInteraction
from idp.login.phone_codes import LOGIN, WrongCode
from idp.services import unit_of_work
from idp.web import browser
from idp.web.cookies import KNOWN_BROWSERS, give_cookie
from idp.web.pages.drawing import code_form
from idp.web.pages.drawing.formatting import localized_name
from idp.web.pages.drawing.layout import use_ui_locales
from idp.web.views import Audience, Csrf, view

phone_login = flask.Blueprint("phone_login", __name__)

_WRONG_END = "wrong_end"
_TEXTS = {_WRONG_END: ("number_end", N_("请填证件号码的最后 4 位。"))}


@dataclass(frozen=True, slots=True)
class Visit:
    """Where the login leads: a client's request (`due`), or a page of this site (`after`)."""

    path: str
    due: PendingInteraction | None = None
    after: str = ""

    @property
    def bound_to(self) -> str:
        """What a code of this login is good for beside this browser."""
        return self.due.request.id if self.due else ""

    @property
    def service(self) -> str:
        """What the text names."""
        if self.due is None:
            return gettext("泸州市统一身份认证")
        return localized_name(self.due.client.name, self.due.client.name_en)

    def address(self, step: str = "") -> str:
        """The address of this visit's page."""
        return f"{self.path}{step}" + (f"?next={quote(self.after, safe='/')}" if self.after else "")


@phone_login.before_request
def is_offered() -> None:
    """The pages exist only where codes are sent."""
    if not unit_of_work().services.settings.sms_codes:
        flask.abort(404)


@phone_login.get("/phone-login/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY)
def show(request_id: str) -> ResponseReturnValue:
    """The form for the phone, for a client's request."""
    return _phone_page(_visit(request_id, or_done=browser.has_flashes()))


@phone_login.post("/phone-login/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit(request_id: str) -> ResponseReturnValue:
    """A code is on its way, or the person sees what to correct, or has declined."""
    visit = _visit(request_id, or_done=True)
    if visit.due is not None and flask.request.form.get("answer") == "cancel":
        work = unit_of_work()
        return browser.answer(dispatcher.decline(work.services, work.c, visit.due, work.now))
    return _send(visit)


@phone_login.get("/phone-login/<id:request_id>/code")
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY)
def show_code(request_id: str) -> ResponseReturnValue:
    """The form for the code, for a client's request."""
    return _code_page(_visit(request_id, or_done=browser.has_flashes()))


@phone_login.post("/phone-login/<id:request_id>/code")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit_code(request_id: str) -> ResponseReturnValue:
    """The person is signed in and goes on, or sees what to correct, or another code is on its way."""
    return _answer(_visit(request_id, or_done=True))


@phone_login.get("/phone-login")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def show_own() -> ResponseReturnValue:
    """The form for the phone, on the way to a page of this site, which `next` names."""
    return _phone_page(_own_visit(flask.request.args.get("next")))


@phone_login.post("/phone-login")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def submit_own() -> ResponseReturnValue:
    """A code is on its way, or the person sees what to correct."""
    return _send(_own_visit(flask.request.form.get("next")))


@phone_login.get("/phone-login/code")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def show_own_code() -> ResponseReturnValue:
    """The form for the code, on the way to a page of this site."""
    return _code_page(_own_visit(flask.request.args.get("next")))


@phone_login.post("/phone-login/code")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def submit_own_code() -> ResponseReturnValue:
    """The person is signed in and goes to `next`, or sees what to correct, or another code is on its way."""
    return _answer(_own_visit(flask.request.form.get("next")))


def _visit(request_id: str, *, or_done: bool) -> Visit:
    due = browser.require_step(request_id, Step.LOGIN, or_done=or_done)
    use_ui_locales(due.request.ui_locales)
    return Visit(f"/phone-login/{request_id}", due)


def _own_visit(after: str | None) -> Visit:
    return Visit("/phone-login", after=browser.own_path(after) or "")


def _phone_page(visit: Visit) -> ResponseReturnValue:
    codes = browser.flashed()
    own = [{"field": _TEXTS[code][0], "text": gettext(_TEXTS[code][1])} for code in codes if code in _TEXTS]
    return flask.render_template(
        "pages/phone_login.html",
        action=visit.path,
        next=visit.after,
        client_name=visit.service if visit.due else "",
        by_password=_login_page(visit),
        by_voice=unit_of_work().services.settings.sms_voice,
        errors=[*code_form.errors(codes), *own],
        may_cancel=visit.due is not None,
    )


def _login_page(visit: Visit) -> str:
    return Visit(visit.path.replace("/phone-login", "/login", 1), visit.due, visit.after).address()


def _send(visit: Visit) -> ResponseReturnValue:
    """The way to the form for the code, whoever the phone belongs to. What was typed is in no redirect or cookie."""
    work, form = unit_of_work(), flask.request.form
    phone, end = code_form.typed_phone(), last_characters(form.get("number_end", ""))
    problems = [code_form.WRONG_PHONE] * (phone is None) + [_WRONG_END] * (len(end) != LAST)
    if phone is None or problems:
        browser.flash(*problems)
        return flask.redirect(visit.address(), 303)
    bound = code_form.new_binding(LOGIN, visit.bound_to)
    occasion = code_form.occasion(bound, visit.service, by_voice=form.get("answer") == "voice")
    try:
        work.services.phone_codes.send_for_login(work.services.database, occasion, phone, end, work.now)
    except SendingPaused:
        browser.flash(code_form.PAUSED)
        return flask.redirect(visit.address(), 303)
    return flask.redirect(visit.address("/code"), 303)


def _code_page(visit: Visit) -> ResponseReturnValue:
    work, bound = unit_of_work(), code_form.binding(LOGIN, visit.bound_to)
    waiting = work.services.phone_codes.waiting(work.reading, bound, work.now) if bound else None
    if waiting is None:
        code_form.flash_over()
        return flask.redirect(visit.address(), 303)
    return flask.render_template(
        "pages/phone_code.html",
        action=f"{visit.path}/code",
        next=visit.after,
        start_again=visit.address(),
        client_name=visit.service if visit.due else "",
        is_login=True,
        **code_form.values(waiting, work.now, browser.flashed()),
    )


def _answer(visit: Visit) -> ResponseReturnValue:
    bound, asked = code_form.binding(LOGIN, visit.bound_to), flask.request.form.get("answer", "")
    if bound is None:
        code_form.flash_over()
        return flask.redirect(visit.address(), 303)
    if asked in ("again", "voice"):
        return _send_again(visit, bound, by_voice=asked == "voice")
    typed = code_form.typed_code()
    if typed is None:
        code_form.flash_shape()
        return flask.redirect(visit.address("/code"), 303)
    return _log_in(visit, bound, typed)


def _send_again(visit: Visit, bound: CodeBinding, *, by_voice: bool) -> ResponseReturnValue:
    work = unit_of_work()
    occasion = code_form.occasion(bound, visit.service, by_voice=by_voice)
    try:
        was_sent = work.services.phone_codes.send_again(work.services.database, occasion, work.now)
    except SendingPaused:
        browser.flash(code_form.PAUSED)
    else:
        code_form.flash_sent_again(was_sent=was_sent)
    return flask.redirect(visit.address("/code"), 303)


def _log_in(visit: Visit, bound: CodeBinding, typed: str) -> ResponseReturnValue:
    work = unit_of_work()
    occasion = code_form.occasion(bound, visit.service, by_voice=False)
    try:
        proof, record = work.services.phone_codes.log_in(
            work.c, bound, typed, occasion=occasion, channel=pending.WEB, now=work.now
        )
    except WrongCode as wrong:
        code_form.flash_wrong(wrong)
        return flask.redirect(visit.address("/code"), 303)
    code_form.forget_binding()
    give_cookie(KNOWN_BROWSERS, proof.known_browsers, age=int(KNOWN_FOR.total_seconds()))
    if visit.due is not None:
        return browser.sign_in_and_redirect(visit.due, proof, record)
    browser.sign_in(proof, record)
    return browser.redirect_to_path(visit.after)
