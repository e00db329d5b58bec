"""Languages of the pages: which there are, and which one a reader wants.

zh-CN is the source: message ids are the Chinese texts themselves. Every other language is a catalogue under
`idp/i18n/translations`, complete or the tests fail.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from babel.core import negotiate_locale

SOURCE = "zh_Hans_CN"
LANGUAGES = {"zh-CN": SOURCE, "en": "en"}  # what the cookie, the lang attribute and ui_locales say → the catalogue
CATALOGUES = Path(__file__).parent / "translations"


@lru_cache(maxsize=256)  # readers say it in few ways, each of them on every page
def choose_language(*wishes: str) -> str:
    """The first language of ours among the wishes (a cookie, `ui_locales`, Accept-Language), or zh-CN.

    A wish may list several tags, separated by spaces or commas; quality values are taken as written order.
    """
    tags = [tag.split(";")[0].strip() for wish in wishes for tag in wish.replace(" ", ",").split(",")]
    found = negotiate_locale([_plain(tag) for tag in tags if tag], list(LANGUAGES), sep="-")
    return found or "zh-CN"


def _plain(tag: str) -> str:
    """Any Chinese is ours until there is a catalogue for another one."""
    return "zh-CN" if tag.lower().split("-")[0] == "zh" else tag


def N_(msgid: str) -> str:  # noqa: N802 - the name by which message extraction finds source texts
    """The source text itself: marked here, translated where it is shown."""
    return msgid
