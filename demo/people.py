"""The invented people of the demonstration city. Born in the 1890s or in area 519999: nobody alive has such numbers."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody to log in as, and what a login as them shows."""

    name: str
    kind: IdentifierKind
    number: str
    password: str
    evidence: tuple[EvidenceKind, ...]
    shows: str
    shows_zh: str
    phone: str | None = None
    email: str | None = None
    address: str | None = None
    status: str = "active"


PERSONAS: tuple[Persona, ...] = (
    Persona(
        "王秀英",
        IdentifierKind.CITIZEN_ID,
        "510502189103150020",
        "lantern-river-orange-47",
        (EvidenceKind.PHONE, EvidenceKind.COUNTER_COMPARISON),
        "an elder whose identity a clerk has checked (IAL3); her phone logs her in as well; try the elder mode",
        "年长的市民，窗口已核验身份（IAL3）；用手机号也能登录；可试试长辈版",
        phone="+8613900000001",
        email="xiuying@example.cn",
        address="泸州市江阳区示例街1号",
    ),
    Persona(
        "李建国",
        IdentifierKind.CITIZEN_ID,
        "510521189307090014",
        "bamboo-ferry-copper-82",
        (EvidenceKind.PHONE, EvidenceKind.TWO_ELEMENTS),
        "her husband: the same phone, another person (IAL2); he logs in with his number, or with a code to the phone",
        "她的老伴：同一个手机号，另一个人（IAL2）；他用身份证号和密码登录，也可以用手机验证码登录",
        phone="+8613900000001",
    ),
    Persona(
        "陈小满",
        IdentifierKind.CITIZEN_ID,
        "519999201306010085",
        "kite-garden-violet-36",
        (EvidenceKind.TWO_ELEMENTS,),
        "a child: social security learns her name and that she is under 18, not when she was born",
        "未成年人：社保得知姓名和未满18周岁，不得知出生日期",
    ),
    Persona(
        "何家豪",
        IdentifierKind.HKMO_RESIDENCE_PERMIT,
        "810000189101010017",
        "harbour-maple-window-59",
        (EvidenceKind.AUTHORITY_CONFIRMATION,),
        "a resident from Hong Kong with a mainland residence permit: every service, the same login",
        "持港澳居民居住证的香港居民：同样登录，同样办事",
        phone="+8613900000003",
    ),
    Persona(
        "SMITH JOHN",
        IdentifierKind.FOREIGNER_CARD,
        "951840189101010013",
        "granite-teapot-meadow-68",
        (EvidenceKind.AUTHORITY_CONFIRMATION,),
        "a foreigner with a permanent residence card; try the English pages",
        "持外国人永久居留身份证的外籍人士；可试试英文页面",
    ),
    Persona(
        "周文博",
        IdentifierKind.CITIZEN_ID,
        "510524189605120049",
        "pebble-saffron-cloud-21",
        (EvidenceKind.PHONE,),
        "a phone is all that was checked: every service is told ial1, where others have ial2 or ial3",
        "只核验过手机号：每个服务看到的认证级别都是 ial1，别人是 ial2 或 ial3",
        phone="+8613900000005",
    ),
    Persona(
        "孙立新",
        IdentifierKind.CITIZEN_ID,
        "510522189509200038",
        "walnut-harvest-signal-90",
        (EvidenceKind.COUNTER_COMPARISON,),
        "a disabled account: refused in the words of a wrong password, for strangers must not learn the difference",
        "已停用的账号：与密码错误同样的答复，外人看不出差别",
        status="disabled",
    ),
)
