"""What codes are called when a person reads them: legal bases, channels, outcomes.

The labels are source texts, which are translated where they are shown. A client brings its name in two languages. A
code is stable and documented; its wording may improve.
"""

from __future__ import annotations

from flask_babel import get_locale

from accounts.identifiers import CURES, ENGLISH
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

# accounts.credentials.policy.CODES: what the person reads, at the field of the new password.
PASSWORD_REFUSALS = {
    "password_too_short": N_("新密码太短，请再长一些。"),
    "password_too_long": N_("新密码太长，最多 256 个字。"),
    "password_common": N_("这个密码很多人在用，容易被猜到。请换一个。"),
    "password_breached": N_("这个密码出现在已经泄露的密码里，不安全。请换一个。"),
    "password_uniform": N_("新密码要有大写字母、小写字母、数字、符号、汉字中的至少三种。"),
    "password_repeats": N_("新密码里重复的字太多，容易被猜到。请换一个。"),
    "password_keyboard_walk": N_("这个密码是键盘上挨着的键，容易被猜到。请换一个。"),
    "password_personal": N_("新密码里有您的姓名、生日、证件号码或手机号，别人猜得到。请换一个。"),
    "password_contextual": N_("新密码主要是常见的词，容易被猜到。请再加上几个没有关系的字。"),
    "password_unchanged": N_("新密码和现在的一样。请换一个。"),
    "password_used_before": N_("这个密码您以前用过。请换一个没有用过的。"),
}

# Checks elsewhere of who a person is: what to choose, and what happens then.
CHECKS = {
    "face_match": (N_("刷脸核验"), N_("在手机上眨眨眼，与公安机关的照片比对。我们不保存您的照片。")),
    "network_identity": (N_("国家网络身份认证（网证）"), N_("用“国家网络身份认证”App 确认。自愿使用，不用也能办。")),
}

DOCUMENTS = {
    "citizen_id": N_("居民身份证"),
    "hkmo_residence_permit": N_("港澳居民居住证"),
    "tw_residence_permit": N_("台湾居民居住证"),
    "hkmo_travel_permit": N_("港澳居民来往内地通行证（回乡证）"),
    "tw_travel_permit": N_("台湾居民来往大陆通行证（台胞证）"),
    "foreigner_card": N_("外国人永久居留身份证"),
    "passport": N_("护照"),
}


OUTCOMES = {"failure": N_("没有成功"), "refused": N_("被拒绝")}


def client_name(chinese: str, english: str | None) -> str:
    """A service's name in the reader's language, or the Chinese name if there is no other."""
    return english if english and str(get_locale()) == "en" else chinese


def cure(code: str) -> str:
    """What to do about a refused number or name, in the reader's language. Empty for an unknown code."""
    return (ENGLISH if str(get_locale()) == "en" else CURES).get(code, "")
