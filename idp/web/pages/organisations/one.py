"""An organisation's own page (企业法人专属): who may act for it, invitations, services, and what happened.

The representative and the managers see all of it. Others who act for it see their own authority. For everybody else
there is no such page.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.exceptions import NotFound

from accounts.errors import InvalidIdentifier, RegistryUnavailable
from accounts.identifiers import CURES, Identifier, Uscc, guess_person_identifier
from accounts.organisations import errors
from accounts.organisations.authority import AuthorityStatus
from accounts.organisations.delegations import Appointment, Delegation, Happening
from accounts.organisations.errors import DelegationRefused
from accounts.organisations.matters import MATTERS
from accounts.organisations.paths import Authority, Role, stored_authorities
from accounts.people.invitee import Invitee
from idp.i18n import N_, labels
from idp.login import sessions
from idp.oidc.consent import subjects
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import day, localized_name, matters, moment
from idp.web.views import Audience, Csrf, view

organisation = flask.Blueprint("organisation", __name__)

PERIODS = (30, 90, 180, 365)  # days; the first is checked
_HISTORY = 30
_DONE = {
    "appoint": N_("邀请已经发出，对方接受后生效。"),
    "withdraw": N_("邀请已经撤回。"),
    "remove": N_("已经移除。此人及其授权的人都不能再代表本单位。"),
}
_PROBLEMS = {
    errors.TOO_MANY_MANAGERS: ("role", N_("管理员已经达到上限。请先移除一名，或者改为经办人。")),
    errors.OWN_AUTHORITY: ("number", N_("不能给自己授权。")),
    errors.NOT_THEIR_PLACE: ("", N_("您没有这个权限，或者授权已经变更。")),
    errors.OFFER_OVER: ("", N_("这个邀请已经失效，可能已被撤回、答复，或者过期。")),
    errors.UNKNOWN_MATTER: ("matters", N_("请选择可以办理的事项。")),
    errors.WRONG_PERIOD: ("period", N_("请选择期限。")),
    "no_role": ("role", N_("请选择身份。")),
    "no_name": ("name", N_("请填写姓名或单位名称。")),
    "no_number": ("number", N_("请填写对方的证件号码。")),
}
_APPOINTED = {"manager": Role.MANAGER, "handler": Role.HANDLER, "organisation": Role.HANDLER}


@organisation.get("/organisations/<id:organisation_id>")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show(organisation_id: str) -> ResponseReturnValue:
    """The page, as much of it as the person's role may see."""
    mine = _authority(organisation_id, may_wait=True)
    leads = mine.role is not Role.HANDLER
    return flask.render_template(
        "pages/organisation.html",
        id=organisation_id,
        name=_name_of(mine),
        uscc=_code(organisation_id) if leads else "",
        role=gettext(labels.ROLES[mine.role.value]),
        matters="" if leads else matters(mine.matters),
        until=day(mine.expires_at) if mine.expires_at else "",
        may_resign=mine.role is not Role.REPRESENTATIVE and mine.through_id is None,
        leads=leads,
        done=gettext(_DONE[done]) if (done := flask.request.args.get("done", "")) in _DONE else "",
        errors=_problems(),
        people=_people(organisation_id, mine) if leads else [],
        services=_services(organisation_id) if leads else [],
        activity=[_happening(one) for one in _history(organisation_id)] if leads else [],
    )


@organisation.get("/organisations/<id:organisation_id>/appoint")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def ask(organisation_id: str) -> ResponseReturnValue:
    """The form of an invitation, for those who may appoint."""
    mine = _authority(organisation_id, leads=True)
    return flask.render_template(
        "pages/appoint.html",
        action=f"/organisations/{organisation_id}/appoint",
        back=f"/organisations/{organisation_id}",
        name=_name_of(mine),
        may_name_managers=mine.role is Role.REPRESENTATIVE,
        matters=[{"code": code, "name": gettext(labels.MATTERS[code])} for code in MATTERS],
        periods=PERIODS,
        errors=_problems(),
    )


@organisation.post("/organisations/<id:organisation_id>/appoint")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def appoint(organisation_id: str) -> ResponseReturnValue:
    """An invitation is open. The page says the same whether or not the invited person has an account."""
    mine, work = _authority(organisation_id, leads=True), unit_of_work()
    again = f"/organisations/{organisation_id}/appoint"
    if missing := _missing():
        return _back(again, *missing)
    try:
        offer = _offered()
        here = browser.signed_in()
        sessions.touch(work.c, here.id, work.now)
        work.services.delegations.appoint(work.c, mine.delegation_id, here.person_id, offer, now=work.now)
    except (InvalidIdentifier, DelegationRefused) as refused:
        return _back(again, refused.code)
    return flask.redirect(f"/organisations/{organisation_id}?done=appoint", 303)


@organisation.post("/organisations/<id:organisation_id>/end")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def end(organisation_id: str) -> ResponseReturnValue:
    """The invitation is withdrawn, the delegation removed, or the person's own one given up."""
    act = flask.request.form.get("act", "")
    mine, work = _authority(organisation_id, may_wait=act == "resign"), unit_of_work()
    here, delegations = browser.signed_in(), work.services.delegations
    sessions.touch(work.c, here.id, work.now)
    acts = {"withdraw": delegations.withdraw, "remove": delegations.remove, "resign": delegations.resign}
    if act not in acts:
        return flask.redirect(f"/organisations/{organisation_id}", 303)
    chosen = mine.delegation_id if act == "resign" else flask.request.form.get("delegation", "")
    try:
        acts[act](work.c, chosen, here.person_id, now=work.now)
    except DelegationRefused as refused:
        return _back(f"/organisations/{organisation_id}", refused.code)
    to = "/organisations" if act == "resign" else f"/organisations/{organisation_id}"
    return flask.redirect(f"{to}?done={act}", 303)


def _authority(organisation_id: str, *, leads: bool = False, may_wait: bool = False) -> Authority:
    """The person's authority for this organisation, asked anew. 404 for everybody else: they learn nothing.

    Raises RegistryUnavailable when the register does not answer, unless `may_wait`: reading, and giving up one's own
    authority, let nobody act. Call it before the transaction of the request begins.
    """
    here, work = browser.signed_in(), unit_of_work()
    answer = work.services.authority.check(here.person_id, organisation_id, work.now)
    held = answer.authority
    if answer.status is AuthorityStatus.SERVICE_NOT_AVAILABLE:
        if not may_wait:
            raise RegistryUnavailable(detail="an authority could not be checked")
        stored = stored_authorities(work.reading, here.person_id, work.now)
        held = next((found for found in stored if found.organisation_id == organisation_id), None)
    if held is None or (leads and held.role is Role.HANDLER):
        raise NotFound
    return held


def _back(path: str, *codes: str) -> ResponseReturnValue:
    browser.flash(*codes)
    return flask.redirect(path, 303)


def _problems() -> list[dict[str, str]]:
    return [_problem(code) for code in browser.flashed()]


def _problem(code: str) -> dict[str, str]:
    field, text = _PROBLEMS.get(code, ("number", CURES.get(code, CURES["identifier_empty"])))
    return {"field": field, "text": gettext(text)}


def _missing() -> list[str]:
    form = flask.request.form
    missing = [f"no_{name}" for name in ("number", "name") if not form.get(name, "").strip()]
    return [*(() if form.get("role") in _APPOINTED else ("no_role",)), *missing]


def _offered() -> Appointment:
    """What the form says. Raises InvalidIdentifier, and DelegationRefused where nothing was chosen."""
    form, now = flask.request.form, unit_of_work().now
    chosen, role = form["role"], _APPOINTED[form["role"]]
    invitee = Invitee(_number(form["number"][:64], chosen), form["name"].strip()[:100])
    if role is Role.MANAGER:
        return Appointment(role, invitee)
    codes = frozenset(form.getlist("matters"))
    period = form.get("period", "")
    if period not in map(str, PERIODS):
        raise DelegationRefused(errors.WRONG_PERIOD)
    until = now + timedelta(days=int(period))
    return Appointment(role, invitee, None if "all" in codes else codes, until)


def _number(text: str, chosen: str) -> Identifier:
    """A person's number, or an organisation's code. Raises InvalidIdentifier."""
    if chosen == "organisation":
        return Uscc.parse(text)
    number = guess_person_identifier(text)
    if number is None or number.kind == "mobile":
        raise InvalidIdentifier("citizen_id_shape", "")
    return number


def _name_of(mine: Authority) -> str:
    return unit_of_work().services.people.legal_person_attributes(mine.attributes).name


def _code(organisation_id: str) -> str:
    work = unit_of_work()
    uscc = work.services.people.uscc(work.reading, organisation_id)
    return uscc.canonical if uscc else ""


def _people(organisation_id: str, mine: Authority) -> list[dict[str, Any]]:
    work = unit_of_work()
    found = work.services.delegations.of_organisation(work.reading, organisation_id, now=work.now)
    parents = {held.id: held.appointed_under for held in found}
    return [_held(held, may_end=_is_above(mine.delegation_id, held.id, parents)) for held in found]


def _is_above(mine: str, held: str, parents: dict[str, str | None]) -> bool:
    above = parents.get(held)
    while above is not None and above != mine:
        above = parents.get(above)
    return above == mine


def _held(held: Delegation, *, may_end: bool) -> dict[str, Any]:
    work = unit_of_work()
    return {
        "id": held.id,
        "name": held.invitee.name if held.invitee else _whose(held.person_id, held.delegate_id),
        "role": gettext(labels.ROLES[held.role.value]),
        "matters": matters(held.matters) if held.role is Role.HANDLER else "",
        "until": day(held.expires_at) if held.expires_at else "",
        "answer_by": "" if held.is_accepted else moment(held.accept_by, work.now),
        "kind": ("remove" if held.is_accepted else "withdraw") if may_end else "",
    }


def _whose(person_id: str | None, delegate_id: str | None) -> str:
    """The name of a person or organisation that acts for this one, or of nobody known."""
    work = unit_of_work()
    people, c = work.services.people, work.reading
    if person_id is not None and (person := people.by_id(c, person_id)) is not None:
        return people.attributes(person.attributes).name
    if delegate_id is not None and (agent := people.legal_person_by_id(c, delegate_id)) is not None:
        return people.legal_person_attributes(agent.attributes).name
    return ""


def _services(organisation_id: str) -> list[str]:
    known = subjects.services_of_organisation(unit_of_work().reading, organisation_id)
    return [localized_name(row.name, row.name_en) for row in known]


def _history(organisation_id: str) -> tuple[Happening, ...]:
    work = unit_of_work()
    return work.services.delegations.history(work.reading, organisation_id, _HISTORY)


def _happening(one: Happening) -> dict[str, str]:
    name = _whose(one.person_id, one.delegate_id) or gettext("被邀请的人")
    text = gettext(labels.HAPPENINGS[one.what])
    role = gettext(labels.ROLES[one.role.value])
    said = gettext("%(what)s：%(name)s（%(role)s）", what=text, name=name, role=role)
    return {"text": said, "at": moment(one.at, unit_of_work().now)}
