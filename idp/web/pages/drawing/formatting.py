"""Facts in the reader's language: names, moments, devices. Pages show them, and templates need not compute them."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask_babel import format_datetime, gettext, to_user_timezone

from accounts.identifiers.names import masked_name
from idp.i18n import N_
from idp.i18n.labels import MATTERS, client_name

masked = masked_name
_BROWSERS = (  # the first match counts: most browsers also claim to be Chrome and Safari
    ("MicroMessenger", N_("微信")),
    ("AlipayClient", N_("支付宝")),
    ("Edg", "Edge"),
    ("Firefox", "Firefox"),
    ("HuaweiBrowser", N_("华为浏览器")),
    ("QQBrowser", N_("QQ 浏览器")),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("HarmonyOS", N_("鸿蒙设备")),
    ("OpenHarmony", N_("鸿蒙设备")),
    ("iPhone", N_("苹果手机")),
    ("iPad", N_("苹果平板")),
    ("Android", N_("安卓设备")),
    ("Windows", N_("Windows 电脑")),
    ("Macintosh", N_("苹果电脑")),
    ("Linux", N_("Linux 电脑")),
)


def localized_name(chinese: str, english: str | None) -> str:
    """The name in the reader's language, or the Chinese name if there is no other."""
    return client_name(chinese, english)


def moment(at: datetime, now: datetime) -> str:
    """Day and time in the city. Today and yesterday have their names; a day of another year has its year."""
    day, today = _in_the_city(at).date(), _in_the_city(now).date()
    if day == today:
        pattern = gettext("今天 HH:mm")
    elif day == today - timedelta(days=1):
        pattern = gettext("昨天 HH:mm")
    else:
        pattern = gettext("M月d日 HH:mm") if day.year == today.year else gettext("y年M月d日 HH:mm")
    return str(format_datetime(at, pattern))  # type: ignore[no-untyped-call]


def clock_time(at: datetime) -> str:
    """The time of day in the city, to the second, for people who wait for it."""
    return str(format_datetime(at, "HH:mm:ss"))  # type: ignore[no-untyped-call]


def day(at: datetime) -> str:
    """The day in the city, with its year: for the end of a period."""
    return str(format_datetime(at, gettext("y年M月d日")))  # type: ignore[no-untyped-call]


def matters(codes: frozenset[str] | None) -> str:
    """The matters of a delegation in one sentence. None is every matter."""
    if codes is None:
        return gettext("全部事项")
    return listed([gettext(label) for code, label in MATTERS.items() if code in codes])


def _in_the_city(at: datetime) -> datetime:
    return to_user_timezone(at)  # type: ignore[no-any-return, no-untyped-call]


def device(user_agent: str | None) -> str:
    """What a person would call the device: its kind and its browser, as the browser says. Nobody proves them.

    A line breaks only after the dot.
    """
    text = user_agent or ""
    found = [_first(text, _SYSTEMS), _first(text, _BROWSERS)]
    return "\u00a0· ".join(gettext(word) for word in found if word) or gettext("不认识的设备")


def masked_text(text: str) -> str:
    """A third of the text and no more, such as an address or e-mail: enough to recognise it, not to learn it."""
    shown = len(text) // 3
    return text[:shown] + "***" if text else ""


def listed(texts: list[str]) -> str:
    """The texts in one sentence, with the separator of the language."""
    return gettext("、").join(texts)


def _first(text: str, table: tuple[tuple[str, str], ...]) -> str:
    return next((word for token, word in table if token in text), "")
