"""The person's organisations: whom they act for, invitations to answer, and the claim of a legal representative."""

from __future__ import annotations

from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.errors import InvalidIdentifier
from accounts.identifiers import CURES, Uscc
from accounts.organisations import errors
from accounts.organisations.delegations import Delegation
from accounts.organisations.errors import DelegationRefused
from accounts.organisations.paths import Authority, Role, stored_authorities
from idp.i18n import N_
from idp.i18n.labels import ROLES
from idp.login import sessions
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import day, matters, moment
from idp.web.views import Audience, Csrf, view

organisations = flask.Blueprint("organisations", __name__)

_DONE = {
    "accept": N_("已经接受。您现在可以代表这个单位办事。"),
    "decline": N_("已经拒绝。"),
    "resign": N_("您不再代表这个单位。"),
}
_PROBLEMS = {
    errors.NOT_REPRESENTATIVE: N_("登记机关没有把您登记为这个单位的法定代表人。请核对统一社会信用代码。"),
    errors.NOT_PROVEN_ENOUGH: N_("请先核验您的身份，再代表单位办事。可以到政务服务大厅人工窗口办理。"),
    errors.OFFER_OVER: N_("这个邀请已经失效，可能已被撤回、答复，或者过期。"),
    errors.WOULD_LOOP: N_("两个单位不能互相代办。"),
    errors.OWN_AUTHORITY: N_("不能给自己授权。"),
}


@organisations.get("/organisations")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The organisations of the person who is signed in, and the invitations that they may answer."""
    here, work = browser.signed_in(), unit_of_work()
    held = [found for found in stored_authorities(work.reading, here.person_id, work.now) if found.is_operating]
    offers = work.services.delegations.offers_to(work.reading, here.person_id, now=work.now)
    return flask.render_template(
        "pages/organisations.html",
        done=gettext(_DONE[done]) if (done := flask.request.args.get("done", "")) in _DONE else "",
        errors=[_problem(code) for code in browser.flashed()],
        organisations=[_organisation(authority) for authority in held],
        offers=[_offer(offer) for offer in offers],
    )


@organisations.post("/organisations/claim")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def claim() -> ResponseReturnValue:
    """The person is the legal representative of that organisation, if the register says so.

    The register is asked before a transaction begins. RegistryUnavailable has its page in `idp.web.errors`.
    """
    here, work = browser.signed_in(), unit_of_work()
    try:
        uscc = Uscc.parse(flask.request.form.get("uscc", "")[:64])
        made = work.services.register.claim(work.services.database, here.person_id, uscc, now=work.now)
    except (InvalidIdentifier, DelegationRefused) as refused:
        return _again(refused.code)
    sessions.touch(work.c, here.id, work.now)
    return flask.redirect(f"/organisations/{made}", 303)


@organisations.post("/organisations/answer")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def answer() -> ResponseReturnValue:
    """The invitation is accepted or declined, if it is this person's to answer and still open."""
    here, work = browser.signed_in(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    act, offer = flask.request.form.get("answer", ""), flask.request.form.get("offer", "")
    acts = {"accept": work.services.delegations.accept, "decline": work.services.delegations.decline}
    if act not in acts:
        return flask.redirect("/organisations", 303)
    try:
        acts[act](work.c, offer, here.person_id, now=work.now)
    except DelegationRefused as refused:
        return _again(refused.code)
    return flask.redirect(f"/organisations?done={act}", 303)


def _again(code: str) -> ResponseReturnValue:
    browser.flash(code)
    return flask.redirect("/organisations", 303)


def _problem(code: str) -> dict[str, str]:
    if code in _PROBLEMS:
        return {"field": "uscc" if code == errors.NOT_REPRESENTATIVE else "", "text": gettext(_PROBLEMS[code])}
    return {"field": "uscc", "text": gettext(CURES.get(code, CURES["uscc_shape"]))}


def _organisation(authority: Authority) -> dict[str, Any]:
    work = unit_of_work()
    return {
        "id": authority.organisation_id,
        "name": work.services.people.legal_person_attributes(authority.attributes).name,
        "role": gettext(ROLES[authority.role.value]),
        "matters": "" if authority.role is not Role.HANDLER else matters(authority.matters),
        "until": day(authority.expires_at) if authority.expires_at else "",
    }


def _offer(offer: Delegation) -> dict[str, Any]:
    work = unit_of_work()
    people = work.services.people
    row = people.legal_person_by_id(work.reading, offer.organisation_id)
    for_organisation = offer.invitee is not None and isinstance(offer.invitee.number, Uscc)
    return {
        "id": offer.id,
        "name": people.legal_person_attributes(row.attributes).name if row else "",
        "role": gettext(ROLES[offer.role.value]),
        "to": offer.invitee.name if offer.invitee is not None and for_organisation else "",
        "matters": "" if offer.role is not Role.HANDLER else matters(offer.matters),
        "until": day(offer.expires_at) if offer.expires_at else "",
        "answer_by": moment(offer.accept_by, work.now),
    }
