"""The last page of a recovery: the new password, which only its person ever sees."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue

from accounts.errors import CredentialRefused
from accounts.people.recovery.journey import Stage
from idp.rights import recovery as rights
from idp.services import unit_of_work
from idp.web import browser
from idp.web.cookies import RECOVER, give_cookie
from idp.web.pages.recovery.due import START, Due, errors, place, to

_NEW, _AGAIN = "new_password", "new_password_again"


def show(due: Due) -> ResponseReturnValue:
    """The form, with the rules that hold for this person."""
    work = unit_of_work()
    profile = work.services.password_change.profile_of(work.reading, due.journey.person_id or "")
    return flask.render_template(
        "recovery/password.html",
        least=profile.least,
        classes=profile.classes,
        may_drop_factors=due.journey.recovery_id is not None,
        errors=errors(browser.flashed()),
    )


def submit(due: Due) -> ResponseReturnValue:
    """The person has the new password, every session has ended, and the journey is over; or what to correct."""
    form, person_id = flask.request.form, due.journey.person_id or ""
    if not form.get(_NEW):
        return due.again("no_password")
    if form.get(_AGAIN, form[_NEW]) != form[_NEW]:
        return due.again("differs")
    work = unit_of_work()
    services = work.services
    keeps = services.recovery.keeps_origin(work.reading, due.journey, work.now)
    try:
        new = services.password_change.prepare(work.reading, person_id, form[_NEW], knew_old=keeps)
    except CredentialRefused as refused:
        return due.again(refused.code)
    if not due.save(due.journey.done()):
        return due.again()
    asked = rights.Reset(due.journey, new, is_all_lost=form.get("lost") == "yes")
    if not rights.reset(services, work.c, asked, place(), work.now):
        give_cookie(RECOVER, "", age=0)
        browser.flash("recovery_over")
        return flask.redirect(START, 303)
    return to(Stage.DONE.value)
