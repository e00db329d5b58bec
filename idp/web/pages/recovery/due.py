"""The recovery journey of this browser, at the page that is due, and how it moves on."""

from __future__ import annotations

from dataclasses import dataclass

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.people.recovery import ProofKind, journey_store
from accounts.people.recovery.journey import RecoveryJourney, Stage
from accounts.people.recovery.proving import Place
from idp.i18n import N_
from idp.i18n.labels import PASSWORD_REFUSALS
from idp.login.pending import WEB
from idp.oidc.tokens.secret import is_handle
from idp.services import unit_of_work
from idp.web import browser
from idp.web.cookies import RECOVER, sent_cookie
from idp.web.pages.drawing import code_form

START = "/recover"
PROBLEMS: dict[str, tuple[str, str]] = {
    "journey_over": ("", N_("为了安全，上次填写的内容已经清除。请重新开始。")),
    "recovery_over": ("", N_("这次申请已经取消或者过期，密码没有改变。请重新开始。")),
    "wrong_number": ("number", N_("证件号码不对，请对照证件检查。")),
    "no_name": ("name", N_("请填证件上的姓名。")),
    "no_choice": ("", N_("请选择一种方式。")),
    "wrong": ("code", N_("不对，或者已经用过。请检查后再填。")),
    "no_code": ("code", N_("请填写。")),
    "no_password": ("new_password", N_("请填新密码。")),
    "differs": ("new_password_again", N_("两次填的新密码不一样，请再填一次。")),
    "paused": ("", N_("现在不能发送验证码。请过一会儿再试，或者换一种方式。")),
    **{code: ("new_password", text) for code, text in PASSWORD_REFUSALS.items()},
}


@dataclass(frozen=True, slots=True)
class Due:
    """The journey of this browser, at the page that is due."""

    journey: RecoveryJourney
    handle: str

    @property
    def bound_to(self) -> str:
        """What a code to a phone is good for: this journey."""
        return journey_store.digest(self.handle)

    def save(self, following: RecoveryJourney) -> bool:
        """True if the journey moves on to this; False if another answer was first."""
        work = unit_of_work()
        return journey_store.save(work.c, self.handle, following, work.now)

    def goes_to(self, following: RecoveryJourney) -> ResponseReturnValue:
        """The journey moves on, unless another answer was first. The page that is due then follows."""
        return to(following.stage.value) if self.save(following) else self.again()

    def shows(self, kind: ProofKind, recovery_id: str | None = None) -> ResponseReturnValue:
        """The person has shown this: the new password is next if that is enough, or the page for more."""
        work, following = unit_of_work(), self.journey.proven(kind, recovery_id)
        allowed = work.services.recovery.allowed(work.c, following, work.now)
        if allowed.at_once:
            return self.goes_to(following.may_reset())
        if allowed.waits is not None and allowed.is_over:
            return self.goes_to(following.may_reset(allowed.waits.id))
        return self.goes_to(following)

    def again(self, *codes: str) -> ResponseReturnValue:
        """The same page, with what to correct."""
        return to(self.journey.stage.value, *codes)


def due_at(page: str) -> Due | ResponseReturnValue:
    """The journey of this browser at that stage, or the way to the page that is due instead."""
    if page not in list(Stage):
        flask.abort(404)
    work, handle = unit_of_work(), sent_cookie(RECOVER)
    journey = journey_store.find(work.reading, handle, work.now) if is_handle(handle) else None
    if journey is None:
        browser.flash("journey_over")
        return flask.redirect(START, 303)
    if journey.stage.value != page:
        return flask.redirect(f"{START}/{journey.stage.value}", 303)
    return Due(journey, handle)


def place() -> Place:
    """Where this form came from."""
    return Place(WEB, unit_of_work().request.source)


def to(page: str, *codes: str) -> ResponseReturnValue:
    """303 to that page of the journey, which shows these messages."""
    if codes:
        browser.flash(*codes)
    return flask.redirect(f"{START}/{page}", 303)


def errors(codes: tuple[str, ...]) -> list[dict[str, str]]:
    """What to correct on this page. A code that no page made is left out."""
    own = [{"field": PROBLEMS[code][0], "text": gettext(PROBLEMS[code][1])} for code in codes if code in PROBLEMS]
    return [*code_form.errors(codes), *own]
