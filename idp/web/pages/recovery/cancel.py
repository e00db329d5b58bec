"""The answer "that was not me": a recovery is stopped by the number of a notice, without a login, or from the account.

The number has twelve digits and stops a recovery; it opens nothing. Every number gets the same answer, so nobody learns
whether one was right, and nothing is counted: to stop any of a thousand recoveries takes a thousand million tries.
"""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue

from accounts.people.recovery import recoveries
from idp.login import sessions
from idp.rights import recovery as rights
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import moment
from idp.web.pages.recovery.due import errors, place
from idp.web.views import Audience, Csrf, view

cancel = flask.Blueprint("recovery_cancel", __name__)

_HERE, _OWN = "/recover/cancel", "/account/recovery"
_LONGEST = 64


@cancel.get(_HERE)
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The field for the number in the notice."""
    codes = browser.flashed()
    return flask.render_template("recovery/cancel.html", done="cancelled" in codes, errors=errors(codes))


@cancel.post(_HERE)
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def submit() -> ResponseReturnValue:
    """If the number belongs to a recovery, that has ended with everything it began."""
    work, typed = unit_of_work(), flask.request.form.get("code", "")[:_LONGEST]
    if not typed.strip():
        browser.flash("no_code")
        return flask.redirect(_HERE, 303)
    person_id = recoveries.whose(work.c, typed, now=work.now)
    if person_id is not None:
        rights.cancel(work.services, work.c, person_id, place(), work.now)
    browser.flash("cancelled")
    return flask.redirect(_HERE, 303)


@cancel.get(_OWN)
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show_own() -> ResponseReturnValue:
    """The recoveries that were begun for the person who is signed in."""
    here, work = browser.signed_in(), unit_of_work()
    found = recoveries.open_of(work.reading, here.person_id, work.now)
    return flask.render_template(
        "account/recovery.html",
        done=flask.request.args.get("done") == "cancelled",
        waiting=[
            {"at": moment(each.begun_at, work.now), "opens_at": moment(each.opens_at, work.now)} for each in found
        ],
    )


@cancel.post(_OWN)
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def cancel_own() -> ResponseReturnValue:
    """Every recovery of the person who is signed in has ended."""
    here, work = browser.signed_in(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    rights.cancel(work.services, work.c, here.person_id, place(), work.now)
    return flask.redirect(f"{_OWN}?done=cancelled", 303)
