"""The page of a restriction: the reason, the papers, and the appeal."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from idp.i18n import N_
from idp.i18n.labels import APPEAL_DECISIONS, RESTRICTION_REASONS, WAITING
from idp.login import sessions
from idp.rights import restrictions
from idp.rights.restrictions import LONGEST, Appeal
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import moment
from idp.web.views import Audience, Csrf, view

restriction = flask.Blueprint("account_restriction", __name__)

_PROBLEMS = {
    "no_text": ("text", N_("请写出您为什么认为这个限制不对。")),
    "waiting": ("text", N_("您的申诉正在核实，请等待答复。")),
}


@restriction.get("/account/restriction")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The restriction in force, and the person's appeals. A person without one is led to their account."""
    here, work = browser.signed_in(), unit_of_work()
    found = restrictions.of_person(work.reading, here.person_id)
    if found is None:
        return flask.redirect("/account", 303)
    made = restrictions.appeals_of(work.reading, work.services.vault, here.person_id)
    return flask.render_template(
        "account/restriction.html",
        reason=gettext(RESTRICTION_REASONS[found.measure.reason.value]),
        papers=found.measure.papers,
        appeal_to=found.measure.appeal_to,
        since=moment(found.imposed_at, work.now),
        may_appeal=all(each.decision is not None for each in made),
        longest=LONGEST,
        done=flask.request.args.get("done") == "appealed",
        errors=[
            {"field": _PROBLEMS[code][0], "text": gettext(_PROBLEMS[code][1])}
            for code in browser.flashed()
            if code in _PROBLEMS
        ],
        appeals=[_shown(each, work.now) for each in made],
    )


@restriction.post("/account/restriction/appeal")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def appeal() -> ResponseReturnValue:
    """The appeal is recorded for the office that decides. One waits at a time."""
    here, work = browser.signed_in(), unit_of_work()
    text = flask.request.form.get("text", "").strip()
    sessions.touch(work.c, here.id, work.now)
    problem = None if text else "no_text"
    if problem is None:
        vault, channel = work.services.vault, here.channel
        is_new = restrictions.appeal(work.c, vault, here.person_id, text, channel=channel, now=work.now)
        problem = None if is_new else "waiting"
    if problem is not None:
        browser.flash(problem)
    return flask.redirect("/account/restriction" if problem else "/account/restriction?done=appealed", 303)


def _shown(each: Appeal, now: datetime) -> dict[str, str]:
    decision = each.decision or WAITING
    return {
        "text": each.text,
        "at": moment(each.made_at, now),
        "decision": gettext(APPEAL_DECISIONS[decision]),
        "answer": each.answer or "",
    }
