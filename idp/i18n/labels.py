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

ROLES = {"representative": N_("法定代表人"), "manager": N_("管理员"), "handler": N_("经办人")}

MATTERS = {
    "registration": N_("登记注册"),
    "tax": N_("税务"),
    "social_insurance": N_("社会保险"),
    "housing_fund": N_("住房公积金"),
    "permits": N_("行政许可"),
    "construction": N_("工程建设"),
    "real_estate": N_("不动产登记"),
    "bidding": N_("招标投标和政府采购"),
    "other": N_("其他事项"),
}

HAPPENINGS = {
    "offered": N_("发出邀请"),
    "accepted": N_("接受授权"),
    "declined": N_("拒绝邀请"),
    "withdrawn": N_("撤回邀请"),
    "removed": N_("移除授权"),
    "resigned": N_("放弃授权"),
    "appointer_ended": N_("授权人失去身份，授权随之失效"),
    "register": N_("登记机关变更，授权失效"),
}

OUTCOMES = {"failure": N_("没有成功"), "refused": N_("被拒绝")}


def client_name(chinese: str, english: str | None) -> str:
    """A service's name in the reader's language, or the Chinese name if there is no other."""
    return english if english and str(get_locale()) == "en" else chinese
