"""CLAIMS: every fact about a person that a client can be given, with its scope, sensitivity and purpose.

The consent page, discovery, UserInfo and the ID token all read this one catalogue. A fact without a row here is never
released. A new claim needs a row (and a source in accounts, if the fact is new).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

from accounts.database import Connection
from accounts.identifiers import IdentifierKind
from accounts.people import People, PersonAttributes, PersonIdentifier, PersonPhone
from idp.oidc import representation
from idp.oidc.representation import ActsFor, Representation, helping

RequestedClaims = Mapping[str, Mapping[str, Any]]  # the `claims` parameter: {"userinfo": {...}, "id_token": {...}}
_IDENTITY_DOCUMENTS = (
    IdentifierKind.CITIZEN_ID,
    IdentifierKind.HKMO_RESIDENCE_PERMIT,
    IdentifierKind.TW_RESIDENCE_PERMIT,
    IdentifierKind.FOREIGNER_CARD,
    IdentifierKind.HKMO_TRAVEL_PERMIT,
    IdentifierKind.TW_TRAVEL_PERMIT,
    IdentifierKind.PASSPORT,
)
_FULL_AGE = 18
_CHINA = timezone(timedelta(hours=8))  # one time zone for the whole country, and no daylight saving


def N_(msgid: str) -> str:  # noqa: N802 - the name by which message extraction finds source texts
    """The source text unchanged: marked here, translated where it is shown."""
    return msgid


class Sensitivity(StrEnum):
    """How much harm a leak does; PIPL art. 28 names the last kind."""

    ORDINARY = "ordinary"
    PERSONAL = "personal"
    SENSITIVE = "sensitive"


@dataclass(frozen=True, slots=True)
class ClaimSources:
    """What is known of one person for one client. A fact that costs a statement is a function, called on release."""

    attributes: PersonAttributes
    updated_at: datetime
    now: datetime
    phones: Callable[[], tuple[PersonPhone, ...]] = field(default=tuple)
    identifiers: Callable[[], tuple[PersonIdentifier, ...]] = field(default=tuple)
    legacy_sub: Callable[[], str | None] = field(default=lambda: None)
    organisation: Callable[[], OrganisationFacts | None] = field(default=lambda: None)


@dataclass(frozen=True, slots=True)
class OrganisationFacts:
    """What is known of the organisation that the person acts for."""

    name: str
    uscc: str | None


def _gender(facts: ClaimSources) -> str | None:
    return facts.attributes.sex


def _birthdate(facts: ClaimSources) -> str | None:
    born = facts.attributes.birth_date
    return born.isoformat() if born else None


def _updated_at(facts: ClaimSources) -> int:
    return int(facts.updated_at.timestamp())


def _phone(facts: ClaimSources) -> PersonPhone | None:
    """The primary phone. UserInfo asks twice, and the second call costs one more indexed read at most."""
    return next(iter(facts.phones()), None)


def _phone_number(facts: ClaimSources) -> str | None:
    phone = _phone(facts)
    return phone.canonical if phone else None


def _phone_number_verified(facts: ClaimSources) -> bool | None:
    phone = _phone(facts)
    return phone.verified_at is not None if phone else None


def _email_verified(facts: ClaimSources) -> bool | None:
    """False for a known address: we verify no e-mail addresses yet, and the client must not have to guess."""
    return False if facts.attributes.email else None


def _address(facts: ClaimSources) -> dict[str, str] | None:
    address = facts.attributes.address
    return {"formatted": address, "country": "CN"} if address else None


def _full_age(facts: ClaimSources) -> bool | None:
    born = facts.attributes.birth_date
    return _age(born, facts.now.astimezone(_CHINA).date()) >= _FULL_AGE if born else None


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _identity_document(facts: ClaimSources) -> PersonIdentifier | None:
    active = [held for held in facts.identifiers() if held.until is None and held.kind in _IDENTITY_DOCUMENTS]
    return min(active, key=lambda held: _IDENTITY_DOCUMENTS.index(held.kind), default=None)


def _identity_number(facts: ClaimSources) -> str | None:
    document = _identity_document(facts)
    return document.canonical if document else None


def _identity_number_type(facts: ClaimSources) -> str | None:
    document = _identity_document(facts)
    return document.kind.value if document else None


def _organization_name(facts: ClaimSources) -> str | None:
    organisation = facts.organisation()
    return organisation.name if organisation else None


def _uscc(facts: ClaimSources) -> str | None:
    organisation = facts.organisation()
    return organisation.uscc if organisation else None


@dataclass(frozen=True, slots=True)
class Claim:
    """One fact: its source, its sensitivity, and why a client would need it.

    `label` and `purpose` are source texts for the catalogue of messages. `only_by_scope` facts cannot be requested by
    the `claims` parameter, and never enter an ID token, because logs and browsers of other people keep those.
    """

    name: str
    scope: str
    source: Callable[[ClaimSources], Any]
    sensitivity: Sensitivity
    label: str
    purpose: str
    only_by_scope: bool = False


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "name",
        "profile",
        lambda facts: facts.attributes.name,
        Sensitivity.PERSONAL,
        N_("姓名"),
        N_("用于核对办事人身份并称呼您"),
    ),
    Claim("birthdate", "profile", _birthdate, Sensitivity.PERSONAL, N_("出生日期"), N_("用于判断是否符合办理条件")),
    Claim("gender", "profile", _gender, Sensitivity.PERSONAL, N_("性别"), N_("用于填写办事表格")),
    Claim(
        "zoneinfo", "profile", lambda _: "Asia/Shanghai", Sensitivity.ORDINARY, N_("时区"), N_("用于正确显示办理时间")
    ),
    Claim("locale", "profile", lambda _: "zh-CN", Sensitivity.ORDINARY, N_("语言"), N_("用于选择页面语言")),
    Claim(
        "updated_at", "profile", _updated_at, Sensitivity.ORDINARY, N_("资料更新时间"), N_("用于判断资料是否需要刷新")
    ),
    Claim(
        "age_over_18",
        "age",
        _full_age,
        Sensitivity.ORDINARY,
        N_("是否年满18周岁"),
        N_("用于判断是否符合年龄条件，不提供出生日期"),
    ),
    Claim("phone_number", "phone", _phone_number, Sensitivity.PERSONAL, N_("手机号码"), N_("用于通知办理进度")),
    Claim(
        "phone_number_verified",
        "phone",
        _phone_number_verified,
        Sensitivity.ORDINARY,
        N_("手机号码是否已验证"),
        N_("用于判断通知能否送达本人"),
    ),
    Claim(
        "email",
        "email",
        lambda facts: facts.attributes.email,
        Sensitivity.PERSONAL,
        N_("电子邮箱"),
        N_("用于发送办理结果"),
    ),
    Claim(
        "email_verified",
        "email",
        _email_verified,
        Sensitivity.ORDINARY,
        N_("电子邮箱是否已验证"),
        N_("用于判断邮件能否送达本人"),
    ),
    Claim("address", "address", _address, Sensitivity.PERSONAL, N_("住址"), N_("用于确定受理机构和寄送材料")),
    Claim(
        "identity_number",
        "identity_number",
        _identity_number,
        Sensitivity.SENSITIVE,
        N_("公民身份号码或证件号码"),
        N_("用于依法核验身份并关联业务档案"),
        only_by_scope=True,
    ),
    Claim(
        "identity_number_type",
        "identity_number",
        _identity_number_type,
        Sensitivity.ORDINARY,
        N_("证件类型"),
        N_("用于说明证件号码属于哪种证件"),
        only_by_scope=True,
    ),
    Claim(
        "organization_name",
        "organization",
        _organization_name,
        Sensitivity.ORDINARY,
        N_("您代表的单位名称"),
        N_("用于显示您代表哪个单位办事，本人办事时不提供"),
        only_by_scope=True,
    ),
    Claim(
        "uscc",
        "uscc",
        _uscc,
        Sensitivity.PERSONAL,
        N_("您代表的单位的统一社会信用代码"),
        N_("用于关联单位的业务档案，本人办事时不提供"),
        only_by_scope=True,
    ),
    Claim(
        "legacy_sub",
        "legacy",
        lambda facts: facts.legacy_sub(),
        Sensitivity.PERSONAL,
        N_("您在该系统原有账号的编号"),
        N_("用于找回您在该系统原有的资料"),
        only_by_scope=True,
    ),
)
# Every ID token carries these by its own rules. Discovery lists them; nobody can withhold them.
TOKEN_CLAIMS = ("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash")
# Scopes that release nothing by themselves: the protocol defines their meaning.
PROTOCOL_SCOPES = ("openid", "offline_access")
BY_NAME = {claim.name: claim for claim in CLAIMS}


def scopes_supported() -> tuple[str, ...]:
    """Every scope by which a person's facts can be requested, for discovery."""
    return (*PROTOCOL_SCOPES, *dict.fromkeys(claim.scope for claim in CLAIMS))


def claims_supported() -> tuple[str, ...]:
    """Every claim, for discovery."""
    return (*TOKEN_CLAIMS, *representation.CLAIMS, *helping.CLAIMS, *(claim.name for claim in CLAIMS))


def of_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The names of all claims of these scopes: a ceiling for a client registered with them."""
    wanted = frozenset(scopes)
    return tuple(claim.name for claim in CLAIMS if claim.scope in wanted)


def by_names(names: Iterable[str]) -> tuple[Claim, ...]:
    """The rows of these names, in the catalogue's order; unknown names are left out."""
    wanted = frozenset(names)
    return tuple(claim for claim in CLAIMS if claim.name in wanted)


def organisation_facts(c: Connection, people: People, represents: ActsFor | None) -> OrganisationFacts | None:
    """The facts of the organisation as they are now, or None where the person acts for none. Two statements."""
    if not isinstance(represents, Representation):
        return None
    row = people.legal_person_by_id(c, represents.organisation_id)
    if row is None:
        return None
    uscc = people.uscc(c, row.id)
    return OrganisationFacts(people.legal_person_attributes(row.attributes).name, uscc.canonical if uscc else None)


def claim_sources(
    c: Connection,
    people: People,
    person_id: str,
    sealed: bytes,
    *,
    updated_at: datetime,
    now: datetime,
    legacy_sub: Callable[[], str | None] = lambda: None,
) -> ClaimSources:
    """The facts of a person whose sealed attributes were read. Raises SealBroken; runs no statement by itself."""
    return ClaimSources(
        attributes=people.attributes(sealed),
        updated_at=updated_at,
        now=now,
        phones=lambda: people.phones(c, person_id),
        identifiers=lambda: people.identifiers(c, person_id),
        legacy_sub=legacy_sub,
    )
