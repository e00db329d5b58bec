"""The login step: a password proves who is there, for a client's request or on the way to a page of this site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.authentication import Authenticated
from accounts.credentials.known_browsers import KNOWN_FOR
from accounts.credentials.passkeys.challenges import Binding, Purpose
from accounts.errors import HumanCheckNeeded, NotProven
from idp.i18n import N_
from idp.i18n.labels import PLATFORMS
from idp.login import dispatcher, pending
from idp.login.interaction import Step
from idp.login.pending import PendingInteraction
from idp.oidc.assurance import is_by_others_alone
from idp.services import unit_of_work
from idp.web import browser, request_security
from idp.web.cookies import KNOWN_BROWSERS, give_cookie, sent_cookie
from idp.web.pages.drawing import prerendered
from idp.web.pages.drawing.formatting import clock_time, localized_name
from idp.web.pages.drawing.layout import use_ui_locales
from idp.web.session_expiry import ENDED, IDLE, LOGIN_AGAIN, TOO_OLD
from idp.web.views import Audience, Csrf, view

login = flask.Blueprint("login", __name__)

Record = dict[str, Any]
_LONGEST = {"identifier": 64, "password": 256}
_CHECK, _CHECK_AGAIN = "human_check", "human_check_again"
_PROBLEMS = {
    "wrong": ("identifier", N_("号码或密码不对，请检查后再试。")),
    _CHECK: ("identifier", N_("为了防止别人猜您的密码，这一次要多等一会儿。请重新填写号码和密码。")),
    "no_identifier": ("identifier", N_("请填身份证号、手机号或用户名。")),
    "no_password": ("password", N_("请填密码。")),
    "passkey_wrong": ("", N_("通行密钥没有用成。请再试一次，或者用号码和密码登录。")),
    "passkey_old": ("", N_("这一页打开太久了。请再按一次“用通行密钥登录”。")),
    "platform_old": ("", N_("这一步用的时间太长，或者换了浏览器。请再试一次。")),
    "platform_cancelled": ("", N_("您没有同意，所以没有登录。可以再试一次，或者用别的方式登录。")),
    "platform_wrong": ("", N_("没有登录成功。请再试一次，或者用别的方式登录。")),
    "platform_silent": ("", N_("对方暂时没有回应。请过几分钟再试，或者用别的方式登录。")),
    "platform_unbound": ("", N_("它还没有绑定账号。请先用别的方式登录，再到“我的账号”的“登录方式”里绑定。")),
}
_AGAIN = {
    LOGIN_AGAIN: N_("这件事很重要。为了确认是您本人，请再登录一次，然后接着办。"),
    "code_is_too_little": N_("这项服务不能只用手机验证码登录。请用密码登录，接着办理。"),
    "platform_is_too_little": N_("这项服务不能只用微信或支付宝登录。请用密码登录，接着办理。"),
}
_SIGNED_OUT = {
    IDLE: N_("您 %(minutes)d 分钟没有操作，为了安全，已经自动退出登录。请重新登录，接着办理。"),
    TOO_OLD: N_("这次登录时间太长，为了安全，已经自动退出。请重新登录，接着办理。"),
    ENDED: N_("您在这个浏览器里的登录已经结束，可能是您在别处退出了。请重新登录。"),
}


@login.get("/login/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY)
def show(request_id: str) -> ResponseReturnValue:
    """The login page of a client's request. If it has messages, it is shown even when the step is done."""
    due = browser.require_step(request_id, Step.LOGIN, or_done=browser.has_flashes())
    use_ui_locales(due.request.ui_locales)
    name = localized_name(due.client.name, due.client.name_en)
    return _page(f"/login/{request_id}", about=request_id, client_name=name, because=_because(due))


@login.post("/login/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit(request_id: str) -> ResponseReturnValue:
    """The person is signed in and goes on, or sees what to correct, or has declined.

    The same holds if somebody signed in in another tab while this form was open: the person who filled in the form goes
    on, or nobody.
    """
    due = browser.require_step(request_id, Step.LOGIN, or_done=True)
    use_ui_locales(due.request.ui_locales)
    if flask.request.form.get("answer") == "cancel":
        work = unit_of_work()
        return browser.answer(dispatcher.decline(work.services, work.c, due, work.now))
    return _attempt(f"/login/{request_id}", lambda proof, record: browser.sign_in_and_redirect(due, proof, record))


@login.get("/login")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def show_own() -> ResponseReturnValue:
    """The login page on the way to a page of this site, which `next` names."""
    return _page("/login", after=browser.own_path(flask.request.args.get("next")) or "")


@login.post("/login")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def submit_own() -> ResponseReturnValue:
    """The person is signed in and goes to `next`, or to the account page."""
    after = browser.own_path(flask.request.form.get("next")) or "/account"

    def onward(proof: Authenticated, record: Record) -> ResponseReturnValue:
        session = browser.sign_in(proof, record)
        return browser.redirect_to_path("/account/password" if session.password_due else after)

    return _attempt(flask.url_for("login.show_own", next=after), onward)


def _because(due: PendingInteraction) -> tuple[str, ...]:
    """The reason for a person who is signed in by a phone or a platform alone, at a service that asks for more."""
    is_too_little = due.session is not None and is_by_others_alone(due.session.amr) and due.request.essential_acr
    if not (is_too_little and due.session):
        return ()
    return ("code_is_too_little",) if "sms" in due.session.amr else ("platform_is_too_little",)


def _page(
    action: str, *, about: str = "", client_name: str = "", after: str = "", because: tuple[str, ...] = ()
) -> ResponseReturnValue:
    passkeys, now = unit_of_work().services.passkeys, unit_of_work().now
    binding = Binding(Purpose.LOGIN, request_security.form_cookie(), about)
    filled = {
        "action": action,
        "next": after,
        "passkey_challenge": passkeys.challenge(binding, now),
        "by_phone": _by_phone(action, after),
        **_by_platform(action, after),
        "sign_up_at": _sign_up_at(action) if unit_of_work().services.proofing.is_available else "",
    }
    values = {"client_name": client_name, "may_cancel": bool(client_name), "rp_id": passkeys.party.rp_id}
    codes = (*browser.flashed(), *because)
    errors = [{"field": _PROBLEMS[code][0], "text": gettext(_PROBLEMS[code][1])} for code in codes if code in _PROBLEMS]
    check = _check() if {_CHECK, _CHECK_AGAIN} & set(codes) else None
    reason = next((_signed_out(code) for code in codes if code in _SIGNED_OUT), "")
    why = next((gettext(_AGAIN[code]) for code in codes if code in _AGAIN), "")
    if not (errors or reason or why or check):
        return prerendered.page("pages/login.html", filled, errors=(), **values)
    said = {"errors": errors, "reason": reason, "why": why, "check": check}
    return flask.render_template("pages/login.html", **said, **filled, **values)


def _by_phone(action: str, after: str) -> str:
    """The way to the login with a code to a phone; empty where none is sent."""
    if not unit_of_work().services.settings.sms_codes:
        return ""
    return _with_next(action.replace("/login", "/phone-login", 1), after)


def _by_platform(action: str, after: str) -> dict[str, str]:
    """The ways to the platforms: `by_wechat`, `by_alipay`; empty where one is not offered."""
    offered = unit_of_work().services.federated.names
    return {f"by_{name}": _with_next(f"{action}/{name}", after) if name in offered else "" for name in PLATFORMS}


def _with_next(path: str, after: str) -> str:
    return f"{path}?next={quote(after, safe='/')}" if after else path


def _check() -> dict[str, str]:
    """A human check for the form: what it carries, and the time from which on no script is needed."""
    work = unit_of_work()
    asked = work.services.human_checks.ask(request_security.form_cookie(), work.now)
    return {"challenge": asked.challenge, "at": clock_time(asked.waited_at)}


def _sign_up_at(action: str) -> str:
    """The way to registration, from which the person comes back to this request."""
    request_id = action.removeprefix("/login").removeprefix("/")
    return f"/sign-up?request={request_id}" if request_id else "/sign-up"


def _signed_out(code: str) -> str:
    minutes = int(unit_of_work().services.channels[pending.WEB].lifetimes.idle.total_seconds()) // 60
    return gettext(_SIGNED_OUT[code], minutes=minutes)


def _attempt(again: str, onward: Callable[[Authenticated, Record], ResponseReturnValue]) -> ResponseReturnValue:
    """The response to a login. A wrong answer comes back to the form as a code only.

    What was typed is in no redirect, cookie or page. Throttled and Busy are not caught: `idp.web.errors` has their
    pages.
    """
    form, work = flask.request.form, unit_of_work()
    identifier, password = (form.get(name, "")[:longest] for name, longest in _LONGEST.items())
    missing = [f"no_{name}" for name in _LONGEST if not form.get(name, "").strip()]
    if missing:
        return _try_again(again, *missing)
    work.commit()  # no transaction stays open during the password check
    try:
        proof, record = _authenticate(identifier, password)
    except NotProven:
        return _try_again(again, "wrong", *((_CHECK_AGAIN,) if "human_check" in form else ()))
    except HumanCheckNeeded:
        return _try_again(again, _CHECK)
    return onward(proof, record)


def _authenticate(identifier: str, password: str) -> tuple[Authenticated, Record]:
    """Who the person is, and the audit row to write together with the session."""
    work, records = unit_of_work(), list[Record]()
    services = work.services
    proof = services.passwords.authenticate(
        services.database,
        identifier,
        password,
        source=work.request.source,
        channel=pending.WEB,
        now=work.now,
        known_browsers=sent_cookie(KNOWN_BROWSERS),
        record=records.append,
        is_human=_is_human if services.settings.human_check else None,
    )
    give_cookie(KNOWN_BROWSERS, proof.known_browsers, age=int(KNOWN_FOR.total_seconds()))
    return proof, records[0]


def _is_human() -> bool:
    """Whether the form came with a check that this browser passed. It is spent."""
    work, form = unit_of_work(), flask.request.form
    return work.services.human_checks.is_passed(
        work.services.database.connection(),
        form.get("human_check", ""),
        form.get("human_check_solution", ""),
        browser=request_security.form_cookie(),
        now=work.now,
    )


def _try_again(again: str, *codes: str) -> ResponseReturnValue:
    browser.flash(*codes)
    return flask.redirect(again, 303)
