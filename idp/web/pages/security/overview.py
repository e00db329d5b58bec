"""Ways to sign in: what the person has set up beside the password. Every change needs a recent login (ASVS 7.5.1)."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts import audit
from accounts.credentials import recovery_codes, totp
from idp.i18n import N_
from idp.login import second_factors
from idp.login.sessions import Session
from idp.rights import notices
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing import code_form, qr_code
from idp.web.pages.drawing.formatting import moment
from idp.web.views import Audience, Csrf, view

security = flask.Blueprint("security", __name__)

_DONE = {
    "authenticator": N_("验证器应用已经设好。以后登录时，除了密码，还要填它显示的验证码。"),
    "removed": N_("已经移除。"),
}
_PROBLEMS = {
    "code_wrong": N_("验证码不对。请看手机应用里“一通”现在显示的 6 位数字，再填一次。"),
    "unproven": N_("这个账号用的还是旧系统的密码，不能设置。请带身份证到人工窗口，我们帮您办。"),
    "too_many": N_("最多设三个验证器应用。请先移除一个不用的。"),
}
_SET_UP = "/account/security/authenticator"


@security.get("/account/security")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The authenticators and recovery codes of the person who is signed in."""
    here, work = browser.signed_in(), unit_of_work()
    codes = recovery_codes.of(work.reading, here.person_id)
    return flask.render_template(
        "pages/security.html",
        done=gettext(_DONE[done]) if (done := flask.request.args.get("done", "")) in _DONE else "",
        authenticators=[
            {"id": each.id, "since": moment(each.confirmed_at, work.now)}
            for each in totp.of(work.reading, here.person_id)
        ],
        has_platforms=bool(work.services.federated.names),
        codes_left=codes.left if codes else None,
        codes_since=moment(codes.created_at, work.now) if codes else "",
    )


@security.get(_SET_UP)
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show_authenticator() -> ResponseReturnValue:
    """What to do in the app, with the secret as picture and text; before that, a button that makes the secret."""
    here, work = browser.signed_in_recently(), unit_of_work()
    waiting = totp.pending(work.reading, work.services.vault, here.person_id, session=here.id, now=work.now)
    codes = browser.flashed()
    return flask.render_template(
        "pages/authenticator.html",
        action=_SET_UP,
        after=browser.own_path(flask.request.args.get("next")) or "",
        secret=_in_groups(waiting.secret) if waiting else "",
        uri=waiting.uri if waiting else "",
        picture=qr_code.svg(waiting.uri) if waiting else "",
        errors=[{"field": "code", "text": gettext(_PROBLEMS[code])} for code in codes if code in _PROBLEMS],
    )


@security.post(_SET_UP)
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def set_up_authenticator() -> ResponseReturnValue:
    """A new secret awaits its first code, or the code has shown that the app works and it counts from now on."""
    here, work, form = browser.signed_in_recently(), unit_of_work(), flask.request.form
    after = browser.own_path(form.get("next")) or ""
    code = code_form.meant_code()
    if not second_factors.may_set_up(work.c, here.person_id):
        return _again(after, "unproven")
    if form.get("answer") == "begin":
        if len(totp.of(work.c, here.person_id)) >= totp.MOST_AUTHENTICATORS:
            return _again(after, "too_many")
        totp.begin(work.c, work.services.vault, here.person_id, session=here.id, now=work.now)
        return _again(after)
    if not _confirmed(here, code):
        return _again(after, "code_wrong")
    notices.sign_in_changed(work.services, work.c, here.person_id, now=work.now)
    if recovery_codes.of(work.c, here.person_id) is None:
        return _new_codes(here, after)  # at once: without them, a lost phone keeps the person out
    return flask.redirect(after or "/account/security?done=authenticator", 303)


@security.post("/account/security/authenticator/remove")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def remove_authenticator() -> ResponseReturnValue:
    """The chosen authenticator of this person opens nothing any more. With the last one the recovery codes go, too."""
    here, work = browser.signed_in_recently(), unit_of_work()
    if not totp.remove(work.c, here.person_id, flask.request.form.get("authenticator", "")):
        flask.abort(404)
    if not totp.of(work.c, here.person_id):
        recovery_codes.forget(work.c, here.person_id)
    audit.append(
        work.c, "person:credential:remove", now=work.now, person=here.person_id, channel=here.channel,
        source=work.request.source, detail={"kind": "totp"},
    )  # fmt: skip
    notices.sign_in_changed(work.services, work.c, here.person_id, now=work.now)
    return flask.redirect("/account/security?done=removed", 303)


@security.post("/account/security/recovery-codes")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def renew_recovery_codes() -> ResponseReturnValue:
    """Ten new codes, shown this once. Sending the form again makes other ones, so no redirect has to carry them."""
    here, work = browser.signed_in_recently(), unit_of_work()
    if not totp.of(work.c, here.person_id):
        flask.abort(404)
    notices.sign_in_changed(work.services, work.c, here.person_id, now=work.now)
    return _new_codes(here, "")


def _new_codes(here: Session, after: str) -> ResponseReturnValue:
    work = unit_of_work()
    new = recovery_codes.renew(work.c, work.services.vault, here.person_id, now=work.now)
    audit.append(
        work.c, "person:credential:add", now=work.now, person=here.person_id, channel=here.channel,
        source=work.request.source, detail={"kind": "recovery_codes"},
    )  # fmt: skip
    return flask.render_template("pages/recovery_codes.html", codes=new.codes, after=after or "/account/security")


def _confirmed(here: Session, code: str) -> bool:
    """The pending authenticator counts from now on, and this session has used it."""
    work = unit_of_work()
    record = audit.row(
        "person:credential:add", now=work.now, person=here.person_id, channel=here.channel, source=work.request.source,
        detail={"kind": "totp"},
    )  # fmt: skip
    vault = work.services.vault
    if not totp.confirm(work.c, vault, here.person_id, code, session=here.id, now=work.now, record=record):
        return False
    renewed = second_factors.raised(work.c, here, "otp", work.now)
    if renewed is not None:
        browser.stepped_up(renewed)
    return True


def _again(after: str, *codes: str) -> ResponseReturnValue:
    if codes:
        browser.flash(*codes)
    return flask.redirect(flask.url_for("security.show_authenticator", next=after or None), 303)


def _in_groups(secret: str) -> str:
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
