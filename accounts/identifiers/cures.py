"""The cure of each refused identifier or name: one row per stable code, in English and in Chinese.

The Chinese text is the msgid that pages give to gettext. The English text is for integrators and operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_ROWS = (
    # code, English, Chinese
    ("identifier_empty", "Enter the number.", "请输入号码。"),
    ("identifier_too_long", "Enter one number only, without other text.", "内容过长，请只输入一个号码。"),
    (
        "identifier_foreign_characters",
        "Type digits and Latin letters only; an X must be the Latin letter, not a look-alike.",
        "号码中有不能识别的字符。请只输入数字和英文字母，末位的 X 请用英文字母。",
    ),
    (
        "citizen_id_length",
        "A citizen ID number has 18 characters; count them on the card.",
        "公民身份号码为 18 位，请对照身份证核对位数。",
    ),
    (
        "citizen_id_old",
        "This is a 15-digit number of the first generation; enter the 18 characters of the current card.",
        "这是 15 位的旧号码，请输入现用身份证上的 18 位号码。",
    ),
    (
        "citizen_id_shape",
        "A citizen ID number is 17 digits and a digit or X.",
        "公民身份号码由 17 位数字加 1 位数字或字母 X 组成，请核对。",
    ),
    (
        "citizen_id_province",
        "The first two digits name no province; compare them with the card.",
        "号码前两位不是有效的省级代码，请对照身份证核对。",
    ),
    (
        "citizen_id_date",
        "Digits 7 to 14 are no date of birth; compare them with the card.",
        "号码第 7 至 14 位不是有效的出生日期，请对照身份证核对。",
    ),
    (
        "citizen_id_check",
        "The check character does not match: a digit is wrong or two are swapped.",
        "号码校验不通过，可能有数字输错或前后颠倒，请对照身份证核对。",
    ),
    (
        "citizen_id_is_permit",
        "This is a residence permit of Hong Kong, Macao or Taiwan; choose that kind of document.",
        "这是港澳台居民居住证号码，请选择对应的证件类型。",
    ),
    (
        "citizen_id_century",
        "The century of this 15-digit number is ambiguous; a person must look at the record.",
        "该 15 位号码无法确定出生年代，请携带证件到窗口办理。",
    ),
    (
        "citizen_id_upgrade_shape",
        "A first-generation citizen ID number has 15 digits.",
        "第一代公民身份号码为 15 位数字，请核对。",
    ),
    (
        "residence_permit_area",
        "The first six digits are not those of this permit (810000, 820000 or 830000).",
        "号码前六位与所选居住证类型不符（香港 810000、澳门 820000、台湾 830000）。",
    ),
    (
        "hkmo_travel_permit_shape",
        "Enter H or M and the 8 digits after it (10 with the two renewal digits), or HA or MA and 7 digits.",
        "请输入字母 H 或 M 及其后的 8 位数字（旧版为 10 位）；非中国籍人员请输入 HA 或 MA 及其后的 7 位数字。",
    ),
    (
        "tw_travel_permit_shape",
        "Enter the 8 digits of the permit (an old one adds two digits and a letter in brackets).",
        "请输入 8 位数字的台胞证号码（旧版另有两位数字和括号内的字母）。",
    ),
    (
        "foreigner_card_shape",
        "Enter 18 characters that begin with 9, or the old card's 3 letters and 12 digits.",
        "请输入以 9 开头的 18 位号码，或旧版的 3 位字母加 12 位数字。",
    ),
    (
        "foreigner_card_date",
        "Digits 7 to 14 are no date of birth; compare them with the card.",
        "号码中的出生日期无效，请对照永久居留身份证核对。",
    ),
    (
        "foreigner_card_check",
        "The check character does not match: a digit is wrong or two are swapped.",
        "号码校验不通过，请对照永久居留身份证核对。",
    ),
    (
        "passport_issuer",
        "Give the issuing state's code and the number, as in CHN:E00000000; CHN also for Hong Kong and Macao.",
        "请同时填写护照签发国代码和护照号码，例如 CHN:E00000000；香港、澳门特区护照也填 CHN。",
    ),
    (
        "passport_shape",
        "A passport number has 5 to 9 letters and digits after the state's code; copy it from the data page.",
        "护照号码格式不正确：签发国代码之后应为 5 至 9 位字母或数字，请对照护照资料页核对。",
    ),
    (
        "uscc_length",
        "A unified social credit code has 18 characters.",
        "统一社会信用代码为 18 位，请对照营业执照核对位数。",
    ),
    (
        "uscc_letters",
        "The letters I, O, S, V and Z never occur; look whether they are 1, 0, 5, U or 2.",
        "统一社会信用代码不含字母 I、O、S、V、Z，请核对是否为数字 1、0、5、2 或字母 U。",
    ),
    (
        "uscc_shape",
        "The first character names the registering authority and characters 3 to 8 are digits.",
        "统一社会信用代码格式不正确：首位应为登记机关代码，第 3 至 8 位应为数字。",
    ),
    (
        "uscc_check",
        "The check character does not match: a character is wrong or two are swapped.",
        "统一社会信用代码校验不通过，请对照营业执照核对。",
    ),
    (
        "uscc_organisation_check",
        "The organisation code inside (characters 9 to 17) does not match its check character.",
        "统一社会信用代码中的组织机构代码（第 9 至 17 位）校验不通过，请核对。",
    ),
    (
        "organisation_code_shape",
        "An organisation code has 8 digits or letters and a check character.",
        "组织机构代码为 8 位数字或字母加 1 位校验码，请核对。",
    ),
    (
        "organisation_code_check",
        "The check character does not match; compare with the certificate.",
        "组织机构代码校验不通过，请对照证书核对。",
    ),
    (
        "business_registration_shape",
        "A business registration number has 15 digits; older ones of 13 must be looked up.",
        "工商注册号为 15 位数字；13 位旧号请先查询现用号码。",
    ),
    (
        "business_registration_check",
        "The check digit does not match; compare with the licence.",
        "工商注册号校验不通过，请对照营业执照核对。",
    ),
    (
        "mobile_shape",
        "Enter a mobile number: 11 digits, or + and the country code for one from abroad.",
        "请输入 11 位手机号码；境外号码请以 + 和国家（地区）代码开头。",
    ),
    ("name_empty", "Enter the name as the document shows it.", "请输入证件上的姓名。"),
    (
        "name_too_long",
        "Enter one name only; it has at most 100 characters.",
        "姓名过长，请只输入一个人的姓名，最多 100 个字符。",
    ),
    (
        "name_invisible",
        "The name holds an invisible character (a tab, a line break or a text-direction mark); type it by hand.",
        "姓名中有看不见的字符（制表符、换行或文字方向标记）。请不要粘贴，重新输入一遍。",
    ),
    (
        "name_characters",
        "A name has letters or Chinese characters, blanks, hyphens, middle dots and apostrophes; look at the card.",
        "姓名只能含汉字或字母、空格、连字符、间隔号（·）和撇号，请对照证件核对。",
    ),
    (
        "mobile_kind",
        "This number cannot receive messages; enter a mobile number.",
        "该号码不是手机号码，无法接收短信，请更换手机号码。",
    ),
)

ENGLISH: Mapping[str, str] = MappingProxyType({code: english for code, english, _ in _ROWS})
CURES: Mapping[str, str] = MappingProxyType({code: chinese for code, _, chinese in _ROWS})
