"""Languages of the pages: which ones exist, and which one a reader wants.

zh-CN is the source: message ids are the Chinese texts themselves. Every other language is a catalogue under
`idp/i18n/translations`. The tests fail if it is incomplete.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from babel.core import negotiate_locale

SOURCE = "zh_Hans_CN"
LANGUAGES = {"zh-CN": SOURCE, "en": "en"}  # what the cookie, the lang attribute and ui_locales say → the catalogue
CATALOGUES = Path(__file__).parent / "translations"


@lru_cache(maxsize=256)  # readers send few different wishes, and send them for every page
def choose_language(*wishes: str) -> str:
    """The first wish (a cookie, `ui_locales`, Accept-Language) that is in LANGUAGES, or zh-CN.

    A wish may list several tags, separated by spaces or commas. Their written order counts, and quality values are
    ignored.
    """
    tags = [tag.split(";")[0].strip() for wish in wishes for tag in wish.replace(" ", ",").split(",")]
    found = negotiate_locale([_plain(tag) for tag in tags if tag], list(LANGUAGES), sep="-")
    return found or "zh-CN"


def _plain(tag: str) -> str:
    """Every Chinese tag becomes zh-CN, until there is a catalogue for another one."""
    return "zh-CN" if tag.lower().split("-")[0] == "zh" else tag


def N_(msgid: str) -> str:  # noqa: N802 - the name by which message extraction finds source texts
    """The source text itself. It is marked here and translated where it is shown."""
    return msgid
