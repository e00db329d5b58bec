"""Family and helpers: who acts for the person, for whom they act, and the offers that wait for an answer."""

from __future__ import annotations

from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.people.family import errors
from accounts.people.family.errors import RelationRefused
from accounts.people.family.relations import HelperRelation
from idp.i18n import N_
from idp.i18n.labels import HELPED, HELPERS, PROOFS
from idp.login import sessions
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.account.family.names import name_of
from idp.web.pages.drawing.formatting import day, matters, moment
from idp.web.views import Audience, Csrf, view

family = flask.Blueprint("family", __name__)

_HERE = "/account/family"
_DONE = {
    "accept": N_("已经同意，代办从现在起生效。"),
    "decline": N_("已经拒绝。"),
    "offer": N_("已经发出，对方同意后生效。"),
    "withdraw": N_("已经撤回。"),
    "end": N_("代办已经结束，从现在起失效。"),
}
_PROBLEMS = {
    errors.OFFER_OVER: N_("这个请求已经失效，可能已被撤回、答复，或者过期。"),
    errors.NOT_PROVEN_ENOUGH: N_("请先核验您的身份。可以到政务服务大厅人工窗口办理。"),
    errors.AGE_UNKNOWN: N_("我们没有登记您的出生日期。请带上证件，到政务服务大厅人工窗口办理。"),
    errors.HELPER_TOO_YOUNG: N_("年满18周岁才能替别人办事。"),
    errors.MINOR_NEEDS_GUARDIAN: N_(
        "未成年人只能由监护人代办。请监护人带上户口簿或出生医学证明，到政务服务大厅人工窗口办理。"
    ),
    errors.TOO_MANY: N_("代办和等待答复的请求已经太多。请先结束其中一个。"),
}


@family.get(_HERE)
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The relations in force, the own open offers, and the offers of others to this person."""
    here, work = browser.signed_in(), unit_of_work()
    held = work.services.helpers.of_person(work.reading, here.person_id, now=work.now)
    offers = work.services.helpers.offers_to(work.reading, here.person_id, now=work.now)
    return flask.render_template(
        "family/mine.html",
        done=gettext(_DONE[done]) if (done := flask.request.args.get("done", "")) in _DONE else "",
        errors=[{"field": "", "text": gettext(_PROBLEMS[code])} for code in browser.flashed() if code in _PROBLEMS],
        offers=[_offer(offer) for offer in offers],
        helpers=[_listed(each, is_helper=True) for each in held if each.helped_id == here.person_id],
        helped=[_listed(each, is_helper=False) for each in held if each.helper_id == here.person_id],
    )


@family.post("/account/family/answer")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def answer() -> ResponseReturnValue:
    """The offer is accepted, after a recent login, or declined, if it is this person's to answer and still open."""
    work, act, offer = unit_of_work(), flask.request.form.get("answer", ""), flask.request.form.get("offer", "")
    here = browser.signed_in_recently(_HERE) if act == "accept" else browser.signed_in()
    sessions.touch(work.c, here.id, work.now)
    acts = {"accept": work.services.helpers.accept, "decline": work.services.helpers.decline}
    if act not in acts:
        return flask.redirect(_HERE, 303)
    try:
        acts[act](work.c, offer, here.person_id, now=work.now)
    except RelationRefused as refused:
        browser.flash(refused.code)
        return flask.redirect(_HERE, 303)
    return flask.redirect(f"{_HERE}?done={act}", 303)


def _offer(offer: HelperRelation) -> dict[str, Any]:
    """An offer as the person reads it who was asked: what they would be to whom, in their own words."""
    asks_for_help = offer.helper_id is None
    label = HELPED if asks_for_help else HELPERS
    return {
        "id": offer.id,
        "name": name_of(offer.helped_id or offer.helper_id, None),
        "asks_for_help": asks_for_help,
        "relation": gettext(label[offer.relation.value]),
        "matters": matters(offer.matters),
        "until": day(offer.expires_at),
        "is_guardianship": offer.is_guardianship,
        "answer_by": moment(offer.accept_by, unit_of_work().now),
    }


def _listed(held: HelperRelation, *, is_helper: bool) -> dict[str, Any]:
    """One line of a list; `is_helper` says what the other person is."""
    label, other = (HELPERS, held.helper_id) if is_helper else (HELPED, held.helped_id)
    return {
        "id": held.id,
        "name": name_of(other, held.invitee),
        "relation": gettext(label[held.relation.value]),
        "proof": gettext(PROOFS[held.proof.value]),
        "matters": matters(held.matters),
        "until": day(held.expires_at),
        "answer_by": "" if held.is_accepted else moment(held.accept_by, unit_of_work().now),
    }
