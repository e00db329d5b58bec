"""The form with which a person asks somebody to help them, or offers help to somebody."""

from __future__ import annotations

from datetime import timedelta

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.errors import InvalidIdentifier
from accounts.identifiers import CURES, Identifier, guess_person_identifier
from accounts.people.family import errors
from accounts.people.family.errors import RelationRefused
from accounts.people.family.relations import MATTERS, Offer, Relation
from accounts.people.invitee import Invitee
from idp.i18n import N_, labels
from idp.login import sessions
from idp.services import unit_of_work
from idp.web import browser
from idp.web.views import Audience, Csrf, view

helper_offer = flask.Blueprint("helper_offer", __name__)

PERIODS = (30, 90, 180, 365)  # days; the first is checked
_HERE = "/account/family/invite"
_BOTH = {"help_me": False, "help_them": True}  # the answer, and whether the person would be the helper
_RELATIONS = tuple(each for each in Relation if each is not Relation.GUARDIAN)  # whom a counter records
_PROBLEMS = {
    errors.ONESELF: ("number", N_("请填写对方的姓名和证件号码，不是您自己的。")),
    errors.NOT_PROVEN_ENOUGH: ("", N_("请先核验您的身份。可以到政务服务大厅人工窗口办理。")),
    errors.AGE_UNKNOWN: ("", N_("我们没有登记您的出生日期。请带上证件，到政务服务大厅人工窗口办理。")),
    errors.HELPER_TOO_YOUNG: ("who", N_("年满18周岁才能替别人办事。")),
    errors.MINOR_NEEDS_GUARDIAN: (
        "who",
        N_("未成年人只能由监护人代办。请监护人带上户口簿或出生医学证明，到政务服务大厅人工窗口办理。"),
    ),
    errors.TOO_MANY: ("", N_("代办和等待答复的请求已经太多。请先结束其中一个。")),
    errors.UNKNOWN_MATTER: ("matters", N_("请选择可以办理的事项。")),
    errors.WRONG_PERIOD: ("period", N_("请选择期限。")),
    errors.NOT_THEIRS: ("", N_("您的账号现在不能办理这件事。")),
    "no_who": ("who", N_("请选择谁替谁办。")),
    "no_relation": ("relation", N_("请选择对方是您的什么人。")),
    "no_name": ("name", N_("请填写对方的姓名。")),
    "no_number": ("number", N_("请填写对方的证件号码。")),
}


@helper_offer.get(_HERE)
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def ask() -> ResponseReturnValue:
    """The form, after a recent login: whoever acts for somebody can do much."""
    browser.signed_in_recently(_HERE)
    return flask.render_template(
        "family/invite.html",
        relations=[{"code": each.value, "name": gettext(_THEY_ARE[each])} for each in _RELATIONS],
        matters=[{"code": code, "name": gettext(labels.MATTERS[code])} for code in MATTERS],
        periods=PERIODS,
        errors=[_problem(code) for code in browser.flashed()],
    )


@helper_offer.post(_HERE)
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def submit() -> ResponseReturnValue:
    """An offer is open. The page says the same whether or not the other person has an account."""
    here, work = browser.signed_in_recently(_HERE), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    if missing := _missing():
        return _again(*missing)
    try:
        work.services.helpers.offer(work.c, here.person_id, _offered(), now=work.now)
    except (InvalidIdentifier, RelationRefused) as refused:
        return _again(refused.code)
    return flask.redirect("/account/family?done=offer", 303)


# The form asks what the other person is to the one who fills it in.
_THEY_ARE = {each: labels.HELPERS[each.value] for each in Relation}
_SEEN_FROM_THE_OTHER = {
    Relation.PARENT: Relation.CHILD,
    Relation.CHILD: Relation.PARENT,
    Relation.GRANDPARENT: Relation.GRANDCHILD,
    Relation.GRANDCHILD: Relation.GRANDPARENT,
}


def _again(*codes: str) -> ResponseReturnValue:
    browser.flash(*codes)
    return flask.redirect(_HERE, 303)


def _problem(code: str) -> dict[str, str]:
    field, text = _PROBLEMS.get(code, ("number", CURES.get(code, CURES["identifier_empty"])))
    return {"field": field, "text": gettext(text)}


def _missing() -> list[str]:
    form = flask.request.form
    return [
        *(() if form.get("who") in _BOTH else ("no_who",)),
        *(() if form.get("relation") in {each.value for each in _RELATIONS} else ("no_relation",)),
        *(f"no_{name}" for name in ("name", "number") if not form.get(name, "").strip()),
    ]


def _offered() -> Offer:
    """What the form says. Raises InvalidIdentifier, and RelationRefused where nothing was chosen."""
    form, is_helper = flask.request.form, _BOTH[flask.request.form["who"]]
    they_are, period = Relation(form["relation"]), form.get("period", "")
    if period not in map(str, PERIODS):
        raise RelationRefused(errors.WRONG_PERIOD)
    codes = frozenset(form.getlist("matters"))
    return Offer(
        Invitee(_number(form["number"][:64]), form["name"].strip()[:100]),
        is_helper=is_helper,
        relation=_SEEN_FROM_THE_OTHER.get(they_are, they_are) if is_helper else they_are,
        matters=None if "all" in codes else codes,
        expires_at=unit_of_work().now + timedelta(days=int(period)),
    )


def _number(text: str) -> Identifier:
    """A person's number. Raises InvalidIdentifier."""
    number = guess_person_identifier(text)
    if number is None or number.kind == "mobile":
        raise InvalidIdentifier("citizen_id_shape", "")
    return number
