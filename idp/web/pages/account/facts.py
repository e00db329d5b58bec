"""The facts page: what is recorded about the person, and which checks prove it. Numbers are masked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts import evidence
from accounts.evidence import Evidence
from accounts.identifiers import IdentifierKind, parse
from accounts.people import PersonAttributes, PersonIdentifier, PersonPhone
from idp.i18n import N_
from idp.i18n.labels import ASSURANCE, EVIDENCE, IDENTIFIERS, SEXES, evidence_source
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import masked, masked_text, moment
from idp.web.views import Audience, Csrf, view

facts = flask.Blueprint("account_facts", __name__)

_MOST = 50  # checks shown; the export has all


@facts.get("/account/facts")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The facts of the person who is signed in, and the checks behind them."""
    here, work = browser.signed_in(), unit_of_work()
    people, c = work.services.people, work.reading
    person = people.by_id(c, here.person_id)
    held = evidence.of(c, here.person_id)
    return flask.render_template(
        "account/facts.html",
        facts=[
            *_attributes(people.attributes(person.attributes) if person else PersonAttributes("")),
            *(_number(each, work.now) for each in people.identifiers(c, here.person_id)[:_MOST]),
            *(_phone(each) for each in people.phones(c, here.person_id)[:_MOST]),
        ],
        level=gettext(ASSURANCE[evidence.identity_assurance(held, work.now)]),
        checks=[_check(each, work.now) for each in held[::-1][:_MOST]],
    )


def _attributes(known: PersonAttributes) -> list[dict[str, str]]:
    """Each recorded attribute. A birth date shows its year alone, as the rest is in the number."""
    born = gettext("%(year)d年", year=known.birth_date.year) if known.birth_date else ""
    found = (
        (N_("姓名"), masked(known.name)),
        (N_("出生年份"), born),
        (N_("性别"), gettext(SEXES[known.sex]) if known.sex in SEXES else ""),
        (N_("电子邮箱"), masked_text(known.email or "")),
        (N_("联系地址"), masked_text(known.address or "")),
    )
    return [{"name": gettext(name), "value": value, "note": ""} for name, value in found if value]


def _number(held: PersonIdentifier, now: datetime) -> dict[str, str]:
    ended = gettext("已停用：%(at)s", at=moment(held.until, now)) if held.until else ""
    shown = parse(held.kind, held.canonical).masked_own
    return {"name": gettext(IDENTIFIERS[held.kind.value]), "value": shown, "note": ended}


def _phone(held: PersonPhone) -> dict[str, str]:
    note = gettext("已验证") if held.verified_at else gettext("还没有验证")
    shown = parse(IdentifierKind.MOBILE, held.canonical).masked_own
    return {"name": gettext(IDENTIFIERS[IdentifierKind.MOBILE.value]), "value": shown, "note": note}


def _check(held: Evidence, now: datetime) -> dict[str, Any]:
    until = moment(held.expires_at, now) if held.expires_at else gettext("长期有效")
    if held.withdrawn_at is not None:
        until = gettext("已经撤销")
    return {
        "kind": gettext(EVIDENCE[held.kind.value]),
        "source": evidence_source(held.source),
        "at": moment(held.at, now),
        "until": until,
        "counts": held.holds(now),
    }
