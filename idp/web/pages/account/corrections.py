"""The page of corrections: a proven fact is wrong, and a clerk will look at it."""

from __future__ import annotations

from datetime import datetime

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from idp.i18n import N_
from idp.i18n.labels import CORRECTIONS, DECISIONS, WAITING
from idp.login import sessions
from idp.rights import corrections as requests
from idp.rights.corrections import LONGEST, Correction, CorrectionKind
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import moment
from idp.web.views import Audience, Csrf, view

corrections = flask.Blueprint("account_corrections", __name__)

_PROBLEMS = {
    "no_kind": ("kind", N_("请选择哪一项登记错了。")),
    "no_text": ("text", N_("请写出哪里不对，应该是什么。")),
    "full": ("text", N_("您已经有几项更正在等答复，请等答复后再申请。")),
}


@corrections.get("/account/corrections")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The form, and what the person asked for before."""
    here, work = browser.signed_in(), unit_of_work()
    return flask.render_template(
        "account/corrections.html",
        kinds=[{"value": kind.value, "text": gettext(CORRECTIONS[kind.value])} for kind in CorrectionKind],
        longest=LONGEST,
        done=flask.request.args.get("done") == "asked",
        errors=[
            {"field": _PROBLEMS[code][0], "text": gettext(_PROBLEMS[code][1])}
            for code in browser.flashed()
            if code in _PROBLEMS
        ],
        asked=[
            _shown(each, work.now) for each in requests.of_person(work.reading, work.services.vault, here.person_id)
        ],
    )


@corrections.post("/account/corrections")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def submit() -> ResponseReturnValue:
    """The request is recorded for the counter. No fact changes."""
    here, work, form = browser.signed_in(), unit_of_work(), flask.request.form
    kind, text = form.get("kind", ""), form.get("text", "").strip()
    missing = [code for code, is_so in (("no_kind", kind not in set(CorrectionKind)), ("no_text", not text)) if is_so]
    if missing:
        return _try_again(*missing)
    sessions.touch(work.c, here.id, work.now)
    vault, channel = work.services.vault, here.channel
    if not requests.ask(work.c, vault, here.person_id, CorrectionKind(kind), text, channel=channel, now=work.now):
        return _try_again("full")
    return flask.redirect("/account/corrections?done=asked", 303)


def _shown(each: Correction, now: datetime) -> dict[str, str]:
    decision = each.decision or WAITING
    return {
        "kind": gettext(CORRECTIONS[each.kind.value]),
        "text": each.text,
        "at": moment(each.asked_at, now),
        "decision": gettext(DECISIONS[decision]),
        "answer": each.answer or "",
    }


def _try_again(*codes: str) -> ResponseReturnValue:
    browser.flash(*codes)
    return flask.redirect("/account/corrections", 303)
