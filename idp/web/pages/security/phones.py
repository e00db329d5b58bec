"""The phones of an account: shown, added with a code, removed. Each change is told to the other phones of the account.

A change needs a login of the last twenty minutes, by more than a code to a phone: whoever holds the SIM card of today
must not be able to move the account to another one.
"""

from __future__ import annotations

from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts import phones as domain
from accounts.credentials.one_time_codes import CodeBinding
from accounts.errors import SendingPaused
from accounts.identifiers import Mobile
from accounts.people import PersonPhone
from idp.delivery import outbox
from idp.delivery.messages import short_message
from idp.i18n import N_
from idp.i18n.labels import HELP_LINE
from idp.login import sessions
from idp.login.phone_codes import PHONE, CodeContent, WrongCode
from idp.login.sessions import Session
from idp.rights import notices
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing import code_form
from idp.web.pages.drawing.formatting import masked
from idp.web.pages.drawing.layout import language
from idp.web.views import Audience, Csrf, view

phones = flask.Blueprint("phones", __name__)

_HERE = "/account/phones"
_SOURCE = "code"  # of the evidence: a code to the phone
_DONE = {"phone_added": N_("手机号已经添加。"), "phone_removed": N_("手机号已经移除。")}
_MANY, _WHOSE = "held_by_many", "whose"
_TEXTS = {
    _MANY: ("phone", N_("登记这个手机号的人太多了。请换一个手机号，或者到人工窗口办理。")),
    _WHOSE: ("", N_("请选择谁在用这个手机号。")),
}


@phones.before_request
def is_offered() -> None:
    """The pages exist only where codes are sent."""
    if not unit_of_work().services.settings.sms_codes:
        flask.abort(404)


@phones.get("/account/phones")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The phones of the person who is signed in, masked, and the form to add one."""
    here, work, codes = browser.signed_in(), unit_of_work(), browser.flashed()
    own = [{"field": _TEXTS[code][0], "text": gettext(_TEXTS[code][1])} for code in codes if code in _TEXTS]
    return flask.render_template(
        "pages/phones.html",
        phones=[_shown(phone) for phone in work.services.people.phones(work.reading, here.person_id)],
        errors=[*code_form.errors(codes), *own],
        done=next((gettext(_DONE[code]) for code in codes if code in _DONE), ""),
    )


@phones.post("/account/phones")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def add() -> ResponseReturnValue:
    """A code is on its way to the new phone, or the person sees what to correct, or must log in again."""
    here, phone = browser.signed_in_recently(_HERE), code_form.typed_phone()
    shared = flask.request.form.get("shared", "")
    if phone is None or shared not in ("yes", "no"):
        browser.flash(*[code_form.WRONG_PHONE] * (phone is None), *[_WHOSE] * (shared not in ("yes", "no")))
        return flask.redirect(_HERE, 303)
    return _send(here, phone, is_shared=shared == "yes")


@phones.get("/account/phones/code")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show_code() -> ResponseReturnValue:
    """The form for the code."""
    here, work = browser.signed_in(), unit_of_work()
    bound = code_form.binding(PHONE, here.id)
    waiting = work.services.phone_codes.waiting(work.reading, bound, work.now) if bound else None
    if waiting is None:
        code_form.flash_over()
        return flask.redirect(_HERE, 303)
    return flask.render_template(
        "pages/phone_code.html",
        action=f"{_HERE}/code",
        next="",
        start_again=_HERE,
        client_name="",
        is_login=False,
        **code_form.values(waiting, work.now, browser.flashed()),
    )


@phones.post("/account/phones/code")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def confirm() -> ResponseReturnValue:
    """The phone is the person's, or they see what to correct, or another code is on its way, or must log in again."""
    here, asked = browser.signed_in_recently(_HERE), flask.request.form.get("answer", "")
    bound = code_form.binding(PHONE, here.id)
    if bound is None:
        code_form.flash_over()
        return flask.redirect(_HERE, 303)
    if asked in ("again", "voice"):
        return _send_again(bound, by_voice=asked == "voice")
    typed = code_form.typed_code()
    if typed is None:
        code_form.flash_shape()
        return flask.redirect(f"{_HERE}/code", 303)
    return _confirmed(here, bound, typed)


@phones.post("/account/phones/remove")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def remove() -> ResponseReturnValue:
    """The chosen phone of this person is removed, if it is theirs. The phone itself is told."""
    here, work = browser.signed_in_recently(_HERE), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    chosen = flask.request.form.get("phone", "")
    theirs = work.services.people.phones(work.c, here.person_id)
    for each in theirs:
        if _mark(here, each) == chosen:
            phone = Mobile(each.canonical)
            domain.end(work.c, work.services.people, here.person_id, phone, now=work.now, actor=None)
            _tell(here.person_id, [each for each in theirs if each.verified_at], "phone_removed", phone, language())
    browser.flash("phone_removed")
    return flask.redirect(_HERE, 303)


def _shown(phone: PersonPhone) -> dict[str, Any]:
    number = Mobile(phone.canonical)
    return {
        "number": number.masked_own,
        "mark": _mark(browser.signed_in(), phone),
        "is_verified": phone.verified_at is not None,
        "is_primary": phone.is_primary,
    }


def _mark(here: Session, phone: PersonPhone) -> str:
    """What a form says instead of the number. It means something only in this session."""
    vault = unit_of_work().services.vault
    return vault.pepper(f"{here.id}|{phone.canonical}".encode(), purpose="phone of an account").hex()[:32]


def _send(here: Session, phone: Mobile, *, is_shared: bool) -> ResponseReturnValue:
    work, service = unit_of_work(), gettext("泸州市统一身份认证")
    bound = code_form.new_binding(PHONE, here.id)
    by_voice = flask.request.form.get("answer") == "voice"
    content = CodeContent(phone, _masked_name(here.person_id), service, is_shared)
    occasion = code_form.occasion(bound, service, by_voice=by_voice)
    try:
        work.services.phone_codes.send_to_person(work.services.database, occasion, content, here.person_id, work.now)
    except SendingPaused:
        browser.flash(code_form.PAUSED)
        return flask.redirect(_HERE, 303)
    return flask.redirect(f"{_HERE}/code", 303)


def _send_again(bound: CodeBinding, *, by_voice: bool) -> ResponseReturnValue:
    work = unit_of_work()
    occasion = code_form.occasion(bound, gettext("泸州市统一身份认证"), by_voice=by_voice)
    try:
        was_sent = work.services.phone_codes.send_again(work.services.database, occasion, work.now)
    except SendingPaused:
        browser.flash(code_form.PAUSED)
    else:
        code_form.flash_sent_again(was_sent=was_sent)
    return flask.redirect(f"{_HERE}/code", 303)


def _confirmed(here: Session, bound: CodeBinding, typed: str) -> ResponseReturnValue:
    """The phone is the person's, and every phone that was verified before is told, in one transaction."""
    work = unit_of_work()
    people = work.services.people
    sessions.touch(work.c, here.id, work.now)
    try:
        content = work.services.phone_codes.confirm_phone(work.c, bound, typed, work.now)
    except WrongCode as wrong:
        code_form.flash_wrong(wrong)
        return flask.redirect(f"{_HERE}/code", 303)
    code_form.forget_binding()
    phone = content.phone
    before = [each for each in people.phones(work.c, here.person_id) if each.verified_at]
    try:
        former = domain.take(
            work.c, people, here.person_id, phone, is_shared=content.is_shared, source=_SOURCE, now=work.now
        )
    except domain.PhoneHeldByMany:
        browser.flash(_MANY)
        return flask.redirect(_HERE, 303)
    _tell(
        here.person_id, [each for each in before if each.canonical != phone.canonical], "phone_added", phone, language()
    )
    for person_id in former:
        notices.phone_moved(work.services, work.c, person_id, phone, now=work.now)
    browser.flash("phone_added")
    return flask.redirect(_HERE, 303)


def _tell(person_id: str, to: list[PersonPhone], template: str, phone: Mobile, spoken: str) -> None:
    """Each of these phones gets the message, with the person's name and the changed phone masked."""
    work = unit_of_work()
    words = {
        "person": _masked_name(person_id),
        "service": gettext("一通"),
        "phone": phone.masked_own,
        "help_line": HELP_LINE,
    }
    message = short_message(template, spoken, **words)
    for each in to:
        outbox.send_sms(work.c, work.services.vault, phone=Mobile(each.canonical), message=message, now=work.now)


def _masked_name(person_id: str) -> str:
    work = unit_of_work()
    person = work.services.people.by_id(work.reading, person_id)
    return masked(work.services.people.attributes(person.attributes).name) if person else "*"
