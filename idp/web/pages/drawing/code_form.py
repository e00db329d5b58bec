"""The form in which a code is typed, for every page that asks for one: its cookie, its messages, and what was typed."""

from __future__ import annotations

import re
import secrets
import unicodedata
from datetime import datetime
from typing import Any

import flask
from flask_babel import gettext, ngettext

from accounts.credentials.one_time_codes import PAUSE, RENEWABLE_FOR, CodeBinding, PendingCode
from accounts.errors import InvalidIdentifier
from accounts.identifiers import Mobile
from idp.i18n import N_
from idp.login.phone_codes import CodeContent, Occasion, WrongCode
from idp.oidc.tokens.secret import is_handle
from idp.services import unit_of_work
from idp.web import browser
from idp.web.cookies import CODE, KNOWN_BROWSERS, give_cookie, sent_cookie
from idp.web.pages.drawing.layout import language

_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_LONGEST_TYPED = 32
_WRONG = "code_wrong"
_OVER, _SHAPE, _TOO_SOON, SENT_AGAIN = "code_over", "code_shape", "code_too_soon", "code_sent_again"
PAUSED, WRONG_PHONE = "code_paused", "wrong_phone"
_TEXTS = {
    _OVER: ("code", N_("这个验证码不能用了。请重新获取一个。")),
    _SHAPE: ("code", N_("请填短信里的 6 位数字。")),
    _TOO_SOON: ("", N_("请等一分钟再重新获取。刚才的验证码还能用。")),
    PAUSED: ("", N_("现在不能发送验证码。请过一会儿再试，或者用密码登录。")),
    WRONG_PHONE: ("phone", N_("手机号不对，请检查后再填。")),
}


def new_binding(purpose: str, bound_to: str) -> CodeBinding:
    """A binding to this browser, which gets its cookie with the response. It replaces an earlier one."""
    handle = secrets.token_urlsafe(32)
    give_cookie(CODE, handle, age=int(RENEWABLE_FOR.total_seconds()))
    return CodeBinding(handle, purpose, bound_to)


def binding(purpose: str, bound_to: str) -> CodeBinding | None:
    """The binding that this browser's cookie names, or None."""
    handle = sent_cookie(CODE)
    return CodeBinding(handle, purpose, bound_to) if is_handle(handle) else None


def forget_binding() -> None:
    """The response removes the cookie."""
    give_cookie(CODE, "", age=0)


def occasion(bound: CodeBinding, service: str, *, by_voice: bool) -> Occasion:
    """Where this request asks for a code. Voice only where the operator offers it."""
    work = unit_of_work()
    return Occasion(
        bound,
        service,
        language(),
        work.request.source,
        sent_cookie(KNOWN_BROWSERS),
        by_voice=by_voice and work.services.settings.sms_voice,
    )


def typed_phone() -> Mobile | None:
    """The mobile number in the form, or None for anything else."""
    try:
        return Mobile.parse(flask.request.form.get("phone", "")[:_LONGEST_TYPED])
    except InvalidIdentifier:
        return None


def meant_code() -> str:
    """What the form has as a code, without blanks and dashes: keyboards of phones write full-width digits, too."""
    text = unicodedata.normalize("NFKC", flask.request.form.get("code", "")[:_LONGEST_TYPED])
    return "".join(character for character in text if not character.isspace() and character != "-")


def typed_code() -> str | None:
    """The six digits in the form, or None. Anything else is not a guess."""
    plain = meant_code()
    return plain if _CODE.fullmatch(plain) else None


def flash_shape() -> None:
    """The next page says that a code has six digits."""
    browser.flash(_SHAPE)


def flash_wrong(wrong: WrongCode) -> None:
    """The next page says that the code was wrong and how many guesses are left, or that none waits."""
    browser.flash(_OVER if wrong.guess.is_over else f"{_WRONG}_{wrong.guess.left}")


def flash_over() -> None:
    """The next page says that no code waits."""
    browser.flash(_OVER)


def flash_sent_again(*, was_sent: bool) -> None:
    """The next page says that another code is on its way, or that it is too soon for one."""
    browser.flash(SENT_AGAIN if was_sent else _TOO_SOON)


def errors(codes: tuple[str, ...]) -> list[dict[str, str]]:
    """The messages for the error summary."""
    found = [{"field": _TEXTS[code][0], "text": gettext(_TEXTS[code][1])} for code in codes if code in _TEXTS]
    for code in codes:
        left = code.removeprefix(f"{_WRONG}_")
        if left != code and left.isdigit():
            text = ngettext("验证码不对，还可以再试 %(num)d 次。", "验证码不对，还可以再试 %(num)d 次。", int(left[:2]))
            found.append({"field": "code", "text": text})
    return found


def values(waiting: PendingCode, now: datetime, codes: tuple[str, ...]) -> dict[str, Any]:
    """What `pages/phone_code.html` needs beside its title and address."""
    return {
        "phone": CodeContent.of(waiting.content).phone.masked_own,
        "wait": max(0, -int((now - waiting.sent_at - PAUSE).total_seconds() // 1)),
        "errors": errors(codes),
        "sent_again": SENT_AGAIN in codes,
        "by_voice": unit_of_work().services.settings.sms_voice,
    }
