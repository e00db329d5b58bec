"""The contact page: e-mail and address, which the person changes as they like. Nobody proves them."""

from __future__ import annotations

import re

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts import audit
from accounts.people import PersonAttributes
from idp.i18n import N_
from idp.login import sessions
from idp.services import unit_of_work
from idp.web import browser
from idp.web.views import Audience, Csrf, view

contact = flask.Blueprint("account_contact", __name__)

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")  # whether it works shows only when mail arrives
_LONGEST = {"email": 254, "address": 200}
_PROBLEMS = {
    "no_email": ("email", N_("邮箱地址不完整，应该像 name@example.cn 这样。不用邮箱可以留空。")),
    "too_long": ("address", N_("地址太长，请只写到门牌号，200 字以内。")),
    "again": ("email", N_("您的资料刚刚在别处改过，请再填一次。")),
}


@contact.get("/account/contact")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The form, with what is recorded now."""
    here, work = browser.signed_in(), unit_of_work()
    person = work.services.people.by_id(work.reading, here.person_id)
    known = work.services.people.attributes(person.attributes) if person else PersonAttributes("")
    return flask.render_template(
        "account/contact.html",
        email=known.email or "",
        address=known.address or "",
        done=flask.request.args.get("done") == "saved",
        errors=[
            {"field": _PROBLEMS[code][0], "text": gettext(_PROBLEMS[code][1])}
            for code in browser.flashed()
            if code in _PROBLEMS
        ],
    )


@contact.post("/account/contact")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def submit() -> ResponseReturnValue:
    """E-mail and address are recorded as typed; an empty field deletes what was there."""
    here, work = browser.signed_in(), unit_of_work()
    email, address = (flask.request.form.get(name, "").strip() for name in ("email", "address"))
    if problem := _problem(email, address):
        return _try_again(problem)
    sessions.touch(work.c, here.id, work.now)
    people = work.services.people
    if not people.change_contact(work.c, here.person_id, email=email or None, address=address or None, now=work.now):
        return _try_again("again")
    detail = {"fields": ["email", "address"]}
    audit.append(
        work.c,
        "person:attributes:change",
        now=work.now,
        person=here.person_id,
        channel=here.channel,
        source=work.request.source,
        detail=detail,
    )
    return flask.redirect("/account/contact?done=saved", 303)


def _problem(email: str, address: str) -> str | None:
    if email and (len(email) > _LONGEST["email"] or not _EMAIL.fullmatch(email)):
        return "no_email"
    return "too_long" if len(address) > _LONGEST["address"] else None


def _try_again(code: str) -> ResponseReturnValue:
    browser.flash(code)
    return flask.redirect("/account/contact", 303)
