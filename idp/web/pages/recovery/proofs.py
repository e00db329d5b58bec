"""What is shown in a recovery: a code to a phone, or something that the person types. Every wrong one is one answer."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.credentials.one_time_codes import CodeBinding
from accounts.errors import SendingPaused
from accounts.people.recovery import ProofKind
from accounts.people.recovery.journey import Stage
from idp.login.phone_codes import RECOVERY, CodeContent, WrongCode
from idp.services import unit_of_work
from idp.web.pages.drawing import code_form
from idp.web.pages.recovery.due import Due, place, to


def send(due: Due) -> ResponseReturnValue:
    """A code is on its way if the phone is the person's; the next page is the same if it is not."""
    phone = code_form.typed_phone()
    if phone is None:
        return due.again(code_form.WRONG_PHONE)
    work, service = unit_of_work(), gettext("一通")
    proofs = work.services.recovery
    person_id, name = proofs.phone_of(work.reading, due.journey, phone), proofs.name_of(work.reading, due.journey)
    bound = code_form.new_binding(RECOVERY, due.bound_to)
    occasion = code_form.occasion(bound, service, by_voice=flask.request.form.get("answer") == "voice")
    content = CodeContent(phone, name, service)
    try:
        work.services.phone_codes.send_for_recovery(work.services.database, occasion, content, person_id, work.now)
    except SendingPaused:
        return due.again("paused")
    return due.goes_to(due.journey.sent())


def code(due: Due) -> ResponseReturnValue:
    """The phone is shown, or the guess counts and the page says that the code is wrong, or another one is sent."""
    bound, asked = code_form.binding(RECOVERY, due.bound_to), flask.request.form.get("answer", "")
    if bound is None:
        code_form.flash_over()
        return due.again()
    if asked in ("again", "voice"):
        return _send_again(due, bound, by_voice=asked == "voice")
    typed_code = code_form.typed_code()
    if typed_code is None:
        code_form.flash_shape()
        return due.again()
    return _guess(due, bound, typed_code)


def typed(due: Due) -> ResponseReturnValue:
    """The typed code is spent and shown, or it is wrong."""
    text = code_form.meant_code()
    if not text:
        return due.again("no_code")
    work, here, stage = unit_of_work(), place(), due.journey.stage
    proofs, now = work.services.recovery, work.now
    if stage is Stage.TOTP:
        is_right = proofs.spend_totp(work.c, due.journey, text, here, now)
        return due.shows(ProofKind.TOTP) if is_right else due.again("wrong")
    proofs.count_guess(work.reading, due.journey, here, now)
    if stage is Stage.COUNTER:
        found = proofs.spend_counter_code(work.c, due.journey, text, here, now)
        return due.again("wrong") if found is None else due.shows(ProofKind.COUNTER, found)
    is_right = proofs.spend_recovery_code(work.c, due.journey, text, here, now)
    return due.shows(ProofKind.RECOVERY_CODE) if is_right else due.again("wrong")


def _guess(due: Due, bound: CodeBinding, typed_code: str) -> ResponseReturnValue:
    work, here = unit_of_work(), place()
    proofs = work.services.recovery
    try:
        proof, phone = work.services.phone_codes.recover(work.c, bound, typed_code, now=work.now)
    except WrongCode as wrong:
        proofs.failure(work.c, due.journey, ProofKind.SMS, here, work.now)
        code_form.flash_wrong(wrong)
        return due.again()
    code_form.forget_binding()
    return due.shows(proofs.phone_shown(work.c, proof.person_id, phone, here, work.now))


def _send_again(due: Due, bound: CodeBinding, *, by_voice: bool) -> ResponseReturnValue:
    work = unit_of_work()
    occasion = code_form.occasion(bound, gettext("一通"), by_voice=by_voice)
    try:
        was_sent = work.services.phone_codes.send_again(work.services.database, occasion, work.now)
    except SendingPaused:
        return due.again("paused")
    code_form.flash_sent_again(was_sent=was_sent)
    return to(Stage.CODE.value)
