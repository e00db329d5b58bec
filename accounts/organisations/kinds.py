"""Kinds of organisations, as the first two characters of a unified social credit code name them (GB 32100-2015 §4.2).

The first character is the registering authority, the second the category within it. A branch has the code of its own
kind, so only the register knows that it is one.
"""

from __future__ import annotations

from enum import StrEnum

from accounts.identifiers import Uscc


class OrganisationKind(StrEnum):
    """What an organisation is."""

    COMPANY = "company"  # 企业
    INDIVIDUAL_BUSINESS = "individual_business"  # 个体工商户
    COOPERATIVE = "cooperative"  # 农民专业合作社
    BRANCH = "branch"  # 分支机构
    STATE_ORGAN = "state_organ"  # 机关
    INSTITUTION = "institution"  # 事业单位
    SOCIETY = "society"  # 社会团体
    SOCIAL_SERVICE = "social_service"  # 民办非企业单位
    FOUNDATION = "foundation"  # 基金会
    LAW_FIRM = "law_firm"  # 律师执业机构
    LEGAL_SERVICE = "legal_service"  # 公证处、司法鉴定、仲裁等
    RELIGIOUS_SITE = "religious_site"  # 宗教活动场所、宗教院校
    TRADE_UNION = "trade_union"  # 工会
    REPRESENTATIVE_OFFICE = "representative_office"  # 外国常驻机构
    MILITARY_INSTITUTION = "military_institution"  # 军队事业单位
    VILLAGE_COLLECTIVE = "village_collective"  # 农村集体经济组织
    OTHER = "other"


_KINDS = {
    "11": OrganisationKind.STATE_ORGAN,
    "12": OrganisationKind.INSTITUTION,
    "13": OrganisationKind.SOCIETY,  # 编办直接管理机构编制的群众团体
    "21": OrganisationKind.REPRESENTATIVE_OFFICE,
    "31": OrganisationKind.LAW_FIRM,
    "32": OrganisationKind.LEGAL_SERVICE,
    "33": OrganisationKind.LEGAL_SERVICE,
    "34": OrganisationKind.LEGAL_SERVICE,
    "35": OrganisationKind.LEGAL_SERVICE,
    "41": OrganisationKind.REPRESENTATIVE_OFFICE,
    "51": OrganisationKind.SOCIETY,
    "52": OrganisationKind.SOCIAL_SERVICE,
    "53": OrganisationKind.FOUNDATION,
    "61": OrganisationKind.REPRESENTATIVE_OFFICE,
    "62": OrganisationKind.REPRESENTATIVE_OFFICE,
    "71": OrganisationKind.RELIGIOUS_SITE,
    "72": OrganisationKind.RELIGIOUS_SITE,
    "81": OrganisationKind.TRADE_UNION,
    "91": OrganisationKind.COMPANY,
    "92": OrganisationKind.INDIVIDUAL_BUSINESS,
    "93": OrganisationKind.COOPERATIVE,
    "A1": OrganisationKind.MILITARY_INSTITUTION,
    "N1": OrganisationKind.VILLAGE_COLLECTIVE,  # 组级
    "N2": OrganisationKind.VILLAGE_COLLECTIVE,  # 村级
    "N3": OrganisationKind.VILLAGE_COLLECTIVE,  # 乡镇级
}


def kind_of(uscc: Uscc) -> OrganisationKind:
    """The kind that the code names; OTHER for a category that the standard leaves open."""
    return _KINDS.get(uscc.canonical[:2], OrganisationKind.OTHER)
