"""What codes are called when a person reads them: legal bases, channels, outcomes.

The labels are source texts, which are translated where they are shown. A client brings its name in two languages. A
code is stable and documented; its wording may improve.
"""

from __future__ import annotations

from flask_babel import get_locale

from idp.i18n import N_

LEGAL_BASES = {
    "statutory_duty": N_("依法履行法定职责"),
    "consent": N_("您的同意"),
    "separate_consent": N_("您的单独同意"),
    "guardian_consent": N_("监护人的同意"),
    "contract": N_("履行与您的约定"),
}

CHANNELS = {
    "web": N_("网页"),
    "mobile": N_("手机应用"),
    "hall": N_("政务大厅窗口"),
    "kiosk": N_("自助终端"),
    "hotline": N_("服务热线"),
}

OUTCOMES = {"failure": N_("没有成功"), "refused": N_("被拒绝")}


def client_name(chinese: str, english: str | None) -> str:
    """A service's name in the reader's language, or the Chinese name if there is no other."""
    return english if english and str(get_locale()) == "en" else chinese
