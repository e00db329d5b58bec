"""The texts that are sent to phones: one template each, in Chinese and English.

Operators in China approve every text in advance. MESSAGE_TEMPLATES is what has to be registered with a gateway
(docs/reference/messages.md lists it): the name, the text, and the variables in their order. A code's text names the
service and the person, and says that nobody may ask for the code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from accounts.ports import ShortMessage

_VARIABLE = re.compile(r"\{(\w+)\}")
_LONGEST = 20  # characters of a variable: gateways refuse longer ones
_CHINESE = "zh-CN"
_LATIN = "en"


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """One text with `{variables}`. `spoken` templates can also be read by voice."""

    name: str
    zh: str
    en: str
    spoken: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the variables, in the order of the Chinese text."""
        return tuple(_VARIABLE.findall(self.zh))


MESSAGE_TEMPLATES: tuple[MessageTemplate, ...] = (
    MessageTemplate(
        "login_code",
        "验证码{code}，{person}正在登录{service}，5分钟内有效。不要把它读给任何人，工作人员也不会向您索要。",
        "{code} is the code for {person} to log in to {service}, valid for 5 minutes. Never read it to anybody: "
        "no member of staff will ask for it.",
        spoken=True,
    ),
    MessageTemplate(
        "phone_code",
        "验证码{code}，{person}正在{service}登记这个手机号，5分钟内有效。不要把它读给任何人，工作人员也不会向您索要。",
        "{code} is the code for {person} to add this phone to {service}, valid for 5 minutes. Never read it to "
        "anybody: no member of staff will ask for it.",
        spoken=True,
    ),
    MessageTemplate(
        "sign_up_code",
        "验证码{code}，{person}正在开通{service}账号，5分钟内有效。不要把它读给任何人，工作人员也不会向您索要。",
        "{code} is the code for {person} to open a {service} account, valid for 5 minutes. Never read it to anybody: "
        "no member of staff will ask for it.",
    ),
    MessageTemplate(
        "recovery_code",
        "验证码{code}，{person}正在重设{service}账号的密码，5分钟内有效。不要把它读给任何人，工作人员也不会向您索要。",
        "{code} is the code for {person} to set a new password for {service}, valid for 5 minutes. Never read it to "
        "anybody: no member of staff will ask for it.",
        spoken=True,
    ),
    MessageTemplate(
        "recovery_begun",
        "有人申请重设{person}的{service}账号密码，{hours}小时后才能办完。不是本人操作，请打开登录页的“忘记密码”，"
        "选“不是我”，填取消号{cancel}，或拨打{help_line}。",
        "Somebody asked for a new password for {person}'s {service} account; it can be set in {hours} hours. If that "
        "was not you, choose “Forgot password” on the login page, then “That was not me”, and enter {cancel}, or call "
        "{help_line}.",
    ),
    MessageTemplate(
        "recovery_counter",
        "{person}的{service}账号正在人工窗口重设密码。不是本人操作，请打开登录页的“忘记密码”，选“不是我”，"
        "填取消号{cancel}，或马上拨打{help_line}。",
        "A counter is helping to set a new password for {person}'s {service} account. If that was not you, choose "
        "“Forgot password” on the login page, then “That was not me”, and enter {cancel}, or call {help_line} at once.",
    ),
    MessageTemplate(
        "recovery_cancelled",
        "重设{person}的{service}账号密码的申请已经取消，密码没有改变。需要帮助请拨打{help_line}。",
        "The request for a new password for {person}'s {service} account was cancelled. The password has not changed. "
        "For help call {help_line}.",
    ),
    MessageTemplate(
        "phone_added",
        "{person}的{service}账号刚刚登记了新手机号{phone}。不是本人操作，请拨打{help_line}。",
        "The {service} account of {person} has a new phone, {phone}. If that was not you, call {help_line}.",
    ),
    MessageTemplate(
        "phone_removed",
        "{person}的{service}账号不再使用手机号{phone}，账号没有其他变化。不是本人操作，请拨打{help_line}。",
        "The {service} account of {person} no longer has the phone {phone}. Nothing else has changed. If that was not "
        "you, call {help_line}.",
    ),
    MessageTemplate(
        "new_browser",
        "您的统一身份认证账号刚刚在新的设备上登录。不是本人操作，请登录“我的账号”处理，或拨打{help_line}。",
        "Your account was just used to log in on a new device. If that was not you, open “My account” or call "
        "{help_line}.",
    ),
    MessageTemplate(
        "sign_in_changed",
        "{person}的{service}账号刚刚改了登录方式。不是本人操作，请马上拨打{help_line}。",
        "The ways to log in to {person}'s {service} account were just changed. If that was not you, call {help_line} "
        "at once.",
    ),
    MessageTemplate(
        "closing_asked",
        "您的统一身份认证账号将在{days}天后注销。不是本人操作或改了主意，请登录“我的账号”取消，或拨打{help_line}。",
        "Your account will be closed in {days} days. If that was not you or you change your mind, cancel it in “My "
        "account” or call {help_line}.",
    ),
    MessageTemplate(
        "password_changed",
        "{person}的{service}账号刚刚改了密码。不是本人操作，请马上拨打{help_line}。",
        "The password of {person}'s {service} account was just changed. If that was not you, call {help_line} at once.",
    ),
)
_BY_NAME = {template.name: template for template in MESSAGE_TEMPLATES}


def short_message(template: str, language: str, **variables: str) -> ShortMessage:
    """The message of that template in that language; Chinese for a language without texts.

    A value longer than a gateway accepts is cut. Raises KeyError for an unknown template or a missing variable.
    """
    chosen = _BY_NAME[template]
    values = tuple((name, _short(variables[name])) for name in chosen.variables)
    text = (chosen.en if language == _LATIN else chosen.zh).format(**dict(values))
    return ShortMessage(template, language if language == _LATIN else _CHINESE, values, text)


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"
