"""A lost password, one question a page: who, by which way, the proof, then a new password or a wait.

Each page belongs to one stage of `accounts.people.recovery.journey`. The journey is found by a cookie of this browser
and by nothing in the address. Until the first proof every page, and the number of statements behind it, is the same
for everybody.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.credentials import network_address
from accounts.errors import InvalidName, WrongStage
from accounts.identifiers import Identifier, IdentifierKind, guess_person_identifier
from accounts.identifiers.names import person_name
from accounts.people.recovery import journey_store, recoveries
from accounts.people.recovery.journey import JOURNEY_FOR, Stage
from accounts.people.recovery.recoveries import WAIT
from idp.i18n import N_
from idp.login.phone_codes import RECOVERY
from idp.rights import recovery as rights
from idp.services import unit_of_work
from idp.web import browser
from idp.web.cookies import RECOVER, give_cookie
from idp.web.pages.drawing import code_form
from idp.web.pages.drawing.formatting import moment
from idp.web.pages.recovery import password, proofs
from idp.web.pages.recovery.due import START, Due, due_at, errors, place, to
from idp.web.views import Audience, Csrf, view

recovery = flask.Blueprint("recovery", __name__)

_LONGEST = 64
_HOUR = timedelta(hours=1)
_WAYS = {
    Stage.PHONE: (N_("用手机验证码"), N_("您账号里登记过的手机号。")),
    Stage.RECOVERY_CODE: (N_("用备用码"), N_("设置验证器应用时抄下或打印的 16 位字符。")),
    Stage.TOTP: (N_("用手机验证器应用"), N_("应用里“一通”显示的 6 位数字。")),
    Stage.COUNTER: (N_("用窗口给的重设码"), N_("带身份证到人工窗口核验以后，当场打印给您的。")),
}


@recovery.get(START)
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def begin() -> ResponseReturnValue:
    """The first question: whose password is lost."""
    return flask.render_template("recovery/begin.html", errors=errors(browser.flashed()))


@recovery.post(START)
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def identify() -> ResponseReturnValue:
    """A journey begins, in this browser only, instead of an earlier one; also for somebody whom we do not know."""
    number, name = _typed_number(), _typed_name()
    if number is None or not name:
        browser.flash(*["wrong_number"] * (number is None), *["no_name"] * (not name))
        return flask.redirect(START, 303)
    work, here = unit_of_work(), place()
    journey = work.services.recovery.begin(work.reading, number, name, here, work.now)
    handle, (_, network) = secrets.token_urlsafe(32), network_address.networks(here.source)
    journey_store.begin(work.c, handle, journey, network=network, now=work.now)
    give_cookie(RECOVER, handle, age=int(JOURNEY_FOR.total_seconds()))
    return to(journey.stage.value)


@recovery.get("/recover/<page>")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def show(page: str) -> ResponseReturnValue:
    """The page of this stage, if it is the one that is due."""
    due = due_at(page)
    return _PAGES[due.journey.stage](due) if isinstance(due, Due) else due


@recovery.post("/recover/<page>")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def submit(page: str) -> ResponseReturnValue:
    """The journey has moved on, or the page says what to correct. Raises Throttled."""
    due = due_at(page)
    if not isinstance(due, Due):
        return due
    answer = _ANSWERS.get(due.journey.stage)
    if answer is None:
        return due.again()
    try:
        is_back = flask.request.form.get("answer") == "back"
        return due.goes_to(due.journey.back()) if is_back else answer(due)
    except WrongStage:
        return due.again("no_choice")


def _typed_number() -> Identifier | None:
    """The document's number in the form, of whichever kind. A phone names nobody here."""
    number = guess_person_identifier(flask.request.form.get("number", "")[:_LONGEST])
    return None if number is None or number.kind is IdentifierKind.MOBILE else number


def _typed_name() -> str:
    try:
        return person_name(flask.request.form.get("name", "")[: 2 * _LONGEST])
    except InvalidName:
        return ""


# Choosing a way, before a proof and after one ------------------------------------------------------------------------
def _offered(due: Due) -> list[dict[str, str]]:
    has_codes = unit_of_work().services.settings.sms_codes
    ways = [way for way in due.journey.ways if way is not Stage.PHONE or has_codes]
    return [{"value": way.value, "text": gettext(_WAYS[way][0]), "hint": gettext(_WAYS[way][1])} for way in ways]


def _show_way(due: Due) -> ResponseReturnValue:
    passkeys = unit_of_work().services.passkeys.is_offered
    return flask.render_template(
        "recovery/way.html", ways=_offered(due), has_passkeys=passkeys, errors=errors(browser.flashed())
    )


def _choose(due: Due) -> ResponseReturnValue:
    chosen = flask.request.form.get("answer", "")
    if chosen not in {way["value"] for way in _offered(due)}:
        return due.again("no_choice")
    return due.goes_to(due.journey.chose(Stage(chosen)))


def _show_more(due: Due) -> ResponseReturnValue:
    work = unit_of_work()
    allowed = work.services.recovery.allowed(work.reading, due.journey, work.now)
    wait = work.services.recovery.wait_for(work.reading, due.journey, work.now) or timedelta()
    return flask.render_template(
        "recovery/more.html",
        ways=_offered(due),
        hours=wait // _HOUR,
        opens_at=moment(allowed.waits.opens_at, work.now) if allowed.waits else "",
        errors=errors(browser.flashed()),
    )


def _more(due: Due) -> ResponseReturnValue:
    """Another way, or the wait: it begins once, and goes on if it was begun before."""
    if flask.request.form.get("answer") != "wait":
        return _choose(due)
    work = unit_of_work()
    allowed = work.services.recovery.allowed(work.c, due.journey, work.now)
    wait = work.services.recovery.wait_for(work.c, due.journey, work.now)
    if allowed.at_once or allowed.is_over or wait is None:
        return due.goes_to(due.journey.may_reset(allowed.waits.id if allowed.waits else None))
    if due.save(due.journey.waits()) and allowed.waits is None:
        rights.begin_wait(work.services, work.c, due.journey, wait, place(), work.now)
    return to(Stage.WAITING.value)


# The ends ------------------------------------------------------------------------------------------------------------
def _show_waiting(due: Due) -> ResponseReturnValue:
    work, person_id = unit_of_work(), due.journey.person_id or ""
    begun = [each for each in recoveries.open_of(work.reading, person_id, work.now) if each.kind == WAIT]
    opens_at = moment(begun[0].opens_at, work.now) if begun else ""
    return flask.render_template("recovery/end.html", kind="waiting", opens_at=opens_at)


def _show_done(_: Due) -> ResponseReturnValue:
    return flask.render_template("recovery/end.html", kind="done", opens_at="")


def _show_phone(_: Due) -> ResponseReturnValue:
    by_voice = unit_of_work().services.settings.sms_voice
    return flask.render_template("recovery/phone.html", by_voice=by_voice, errors=errors(browser.flashed()))


def _show_code(due: Due) -> ResponseReturnValue:
    work, bound = unit_of_work(), code_form.binding(RECOVERY, due.bound_to)
    waiting = work.services.phone_codes.waiting(work.reading, bound, work.now) if bound else None
    if waiting is None:
        blank = {"phone": "", "wait": 0, "sent_again": False, "by_voice": False}
        return flask.render_template("recovery/code.html", errors=errors(browser.flashed()), **blank)
    codes = browser.flashed()
    values = code_form.values(waiting, work.now, codes) | {"errors": errors(codes)}
    return flask.render_template("recovery/code.html", **values)


def _show_typed(due: Due) -> ResponseReturnValue:
    stage = due.journey.stage
    text, hint = _WAYS[stage]
    return flask.render_template(
        "recovery/typed.html",
        stage=stage.value,
        title=gettext(text),
        hint=gettext(hint),
        errors=errors(browser.flashed()),
    )


_PAGES: Mapping[Stage, Callable[[Due], ResponseReturnValue]] = {
    Stage.WAY: _show_way,
    Stage.PHONE: _show_phone,
    Stage.CODE: _show_code,
    Stage.TOTP: _show_typed,
    Stage.RECOVERY_CODE: _show_typed,
    Stage.COUNTER: _show_typed,
    Stage.MORE: _show_more,
    Stage.PASSWORD: password.show,
    Stage.WAITING: _show_waiting,
    Stage.DONE: _show_done,
}
_ANSWERS: Mapping[Stage, Callable[[Due], ResponseReturnValue]] = {
    Stage.WAY: _choose,
    Stage.PHONE: proofs.send,
    Stage.CODE: proofs.code,
    Stage.TOTP: proofs.typed,
    Stage.RECOVERY_CODE: proofs.typed,
    Stage.COUNTER: proofs.typed,
    Stage.MORE: _more,
    Stage.PASSWORD: password.submit,
}
