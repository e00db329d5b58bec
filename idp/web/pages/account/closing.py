"""The page of closing: what it means, a waiting period in which the person can change their mind, and the cancel."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from idp.i18n import N_
from idp.i18n.labels import HELP_LINE
from idp.login import sessions
from idp.rights import closing as closures
from idp.rights import notices, restrictions
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import moment
from idp.web.views import Audience, Csrf, view

closing = flask.Blueprint("account_closing", __name__)

_UNDERSTOOD = "understood"
_PROBLEMS = {"not_understood": N_("请先勾选“我明白了”，再申请注销。")}


@closing.get("/account/closing")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """What closing means; or, if it was asked for, when it comes and the button to keep the account."""
    here, work = browser.signed_in(), unit_of_work()
    waiting = closures.pending(work.reading, here.person_id)
    return flask.render_template(
        "account/closing.html",
        days=work.services.settings.closing_wait.days,
        closes_at=moment(waiting.due_at, work.now) if waiting else "",
        asked_at=moment(waiting.asked_at, work.now) if waiting else "",
        recent=browser.is_recent(here),
        errors=[{"field": "understood", "text": gettext(_PROBLEMS[x])} for x in browser.flashed() if x in _PROBLEMS],
    )


@closing.post("/account/closing")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def ask() -> ResponseReturnValue:
    """The account will be closed after the waiting period, if the person confirmed it and logged in recently."""
    here, work = browser.signed_in(), unit_of_work()
    if restrictions.of_person(work.reading, here.person_id) is not None:
        return flask.redirect("/account/restriction", 303)
    if flask.request.form.get(_UNDERSTOOD) != "yes":
        browser.flash("not_understood")
        return flask.redirect("/account/closing", 303)
    here = browser.signed_in_recently("/account/closing")
    sessions.touch(work.c, here.id, work.now)
    wait, is_new = work.services.settings.closing_wait, closures.pending(work.c, here.person_id) is None
    closures.ask(work.c, here.person_id, wait=wait, channel=here.channel, now=work.now)
    if is_new:
        words = {"days": str(wait.days), "help_line": HELP_LINE}
        notices.to_phone(work.services, here.person_id, "closing_asked", now=work.now, write=lambda: work.c, **words)
    return flask.redirect("/account/closing", 303)


@closing.post("/account/closing/cancel")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def cancel() -> ResponseReturnValue:
    """The account stays. It asks for nothing more, so that nothing stands between a person and their account."""
    here, work = browser.signed_in(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    closures.cancel(work.c, here.person_id, channel=here.channel, now=work.now)
    return flask.redirect("/account?done=kept", 303)
