"""What codes are called when a person reads them: legal bases, channels, outcomes.

The labels are source texts, which are translated where they are shown. A client brings its name in two languages. A
code is stable and documented; its wording may improve.
"""

from __future__ import annotations

from flask_babel import get_locale, gettext

from accounts.identifiers import CURES, ENGLISH
from idp.i18n import N_

HELP_LINE = "96196"

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

# accounts.ports.IdentityProvider.name: what a person calls the platform.
PLATFORMS = {"wechat": N_("微信"), "alipay": N_("支付宝")}

# accounts.credentials.password_rules.policy.CODES: what the person reads, at the field of the new password.
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
    "medical_insurance": N_("医疗保险"),
    "health": N_("看病和健康"),
    "education": N_("上学和教育"),
    "household_register": N_("户籍"),
    "civil_affairs": N_("民政和养老"),
    "traffic": N_("交通和车辆"),
    "other": N_("其他事项"),
}

# accounts.people.family.relations.Relation: what the helper is to the person helped, and the other way round.
HELPERS = {
    "spouse": N_("配偶"),
    "child": N_("子女"),
    "parent": N_("父母"),
    "grandchild": N_("孙子女或外孙子女"),
    "grandparent": N_("祖父母或外祖父母"),
    "guardian": N_("监护人"),
    "other": N_("其他亲友"),
}
HELPED = {
    "spouse": N_("配偶"),
    "child": N_("父母"),
    "parent": N_("子女"),
    "grandchild": N_("祖父母或外祖父母"),
    "grandparent": N_("孙子女或外孙子女"),
    "guardian": N_("被监护人"),
    "other": N_("其他亲友"),
}
PROOFS = {
    "declared": N_("双方声明，没有核对证明"),
    "household_register": N_("户口簿"),
    "birth_certificate": N_("出生医学证明"),
    "court_decision": N_("法院判决或指定监护的文书"),
}
HELP_ENDED = {
    "declined": N_("对方没有同意"),
    "withdrawn": N_("已经撤回"),
    "ended_by_helped": N_("被帮助的人结束了代办"),
    "ended_by_helper": N_("代办的人结束了代办"),
    "replaced": N_("双方之间有了新的代办"),
    "death": N_("其中一人去世"),
    "incapacity": N_("其中一人不再具有民事行为能力"),
    "account_ended": N_("其中一个账号已经注销或者合并"),
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

ASSURANCE = {
    0: N_("还没有核验身份"),
    1: N_("核验过手机号码，还没有核验身份"),
    2: N_("姓名和证件号码已经核对"),
    3: N_("已经核对是本人和本人的证件"),
    4: N_("最高：本人、证件和发证机关都已确认"),
}

EVIDENCE = {
    "phone": N_("手机号码"),
    "two_elements": N_("姓名和证件号码与人口库一致"),
    "three_elements": N_("姓名、证件号码与手机登记一致"),
    "chip_read": N_("读取了证件芯片"),
    "authority_confirmation": N_("发证机关确认证件有效"),
    "face_match": N_("人脸与证件照片一致"),
    "network_identity": N_("国家网络身份认证"),
    "counter_comparison": N_("工作人员当面核对"),
    "certificate": N_("数字证书"),
    "legacy_account": N_("旧系统的账号"),
    "upstream_account": N_("其他平台的账号"),
}

_SOURCES = {  # by the word before the colon; what follows it names the place
    "hall": N_("政务服务大厅"),
    "counter": N_("政务服务大厅"),
    "registry": N_("登记机关"),
    "legacy": N_("旧系统"),
    "cli": N_("系统管理员"),
    "operator": N_("系统管理员"),
}

IDENTIFIERS = {
    "citizen_id": N_("公民身份号码"),
    "hkmo_residence_permit": N_("港澳居民居住证"),
    "tw_residence_permit": N_("台湾居民居住证"),
    "hkmo_travel_permit": N_("港澳居民来往内地通行证"),
    "tw_travel_permit": N_("台湾居民来往大陆通行证"),
    "foreigner_card": N_("外国人永久居留身份证"),
    "passport": N_("护照"),
    "mobile": N_("手机号码"),
}

SEXES = {"female": N_("女"), "male": N_("男")}

CORRECTIONS = {"name": N_("姓名"), "birth_date": N_("出生日期"), "other": N_("其他")}

WAITING = "waiting"
DECISIONS = {
    WAITING: N_("正在核实"),
    "corrected": N_("已经更正"),
    "refused": N_("没有更正"),
}


RESTRICTION_REASONS = {
    "court_order": N_("法院或司法机关的决定"),
    "fraud_suspected": N_("涉嫌电信网络诈骗"),
    "identity_in_doubt": N_("身份信息有疑问，需要重新核验"),
    "lent_or_sold": N_("账号出借、出租或者出售"),
    "misuse": N_("违反使用规定"),
}

APPEAL_DECISIONS = {
    WAITING: N_("正在核实"),
    "lifted": N_("限制已经解除"),
    "refused": N_("维持限制"),
}


def evidence_source(source: str) -> str:
    """Who made a check, in words: the kind of place, and its code or name where there is one."""
    kind, _, place = source.partition(":")
    label = gettext(_SOURCES[kind]) if kind in _SOURCES else kind
    return f"{label} {place}" if place else label


def client_name(chinese: str, english: str | None) -> str:
    """A service's name in the reader's language, or the Chinese name if there is no other."""
    return english if english and str(get_locale()) == "en" else chinese


def cure(code: str) -> str:
    """What to do about a refused number or name, in the reader's language. Empty for an unknown code."""
    return (ENGLISH if str(get_locale()) == "en" else CURES).get(code, "")
