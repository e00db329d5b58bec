"""An enterprise register for demonstrations and tests: invented organisations of every kind. Never in production."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from accounts.errors import RegistryUnavailable
from accounts.identifiers import CitizenId, Identifier, Uscc, checks
from accounts.organisations.kinds import OrganisationKind, kind_of
from accounts.ports import EnterpriseRecord, RegisterStatus
from idp.adapters.systems.sandbox import SandboxInProduction

_FOUNDED = datetime(2020, 1, 1, tzinfo=UTC)
_NOBODY = "519999"  # an area without people or registries


@dataclass(frozen=True, slots=True)
class InventedEnterprise:
    """One organisation of the sandbox, with its legal representative."""

    uscc: Uscc
    name: str
    representative: str
    number: Identifier = field(repr=False)
    kind: OrganisationKind
    status: RegisterStatus = RegisterStatus.OPERATING
    changed_at: datetime = _FOUNDED


def invented_uscc(category: str, serial: int) -> Uscc:
    """A well-formed code of area 519999: `category` is its first two characters, `serial` tells codes apart."""
    organisation = f"MA{serial:06d}"
    body = f"{category}{_NOBODY}{organisation}{checks.organisation_code(organisation)}"
    return Uscc.parse(body + checks.uscc(body))


def invented_number(serial: int) -> CitizenId:
    """A citizen number of area 519999, born on 1990-01-01."""
    body = f"{_NOBODY}19900101{serial:03d}"
    return CitizenId.parse(body + checks.mod_11_2(body))


def _invented(
    category: str, serial: int, name: str, representative: str, number: int, kind: OrganisationKind | None = None
) -> InventedEnterprise:
    uscc = invented_uscc(category, serial)
    return InventedEnterprise(uscc, name, representative, invented_number(number), kind or kind_of(uscc))


INVENTED: tuple[InventedEnterprise, ...] = (
    InventedEnterprise(
        Uscc.parse("91519999MA7DEM0AXW"),
        "泸州示例酿造有限责任公司",
        "李建国",
        CitizenId.parse("510521189307090014"),
        OrganisationKind.COMPANY,
    ),
    InventedEnterprise(
        Uscc.parse("93519999MA7NARCH4R"),
        "泸州示例柑橘专业合作社",
        "王秀英",
        CitizenId.parse("510502189103150020"),
        OrganisationKind.COOPERATIVE,
    ),
    _invented("91", 1, "泸州江畔示例酒业有限公司", "欧阳娜娜", 1),
    _invented("91", 2, "泸州示例物流有限公司", "江小舟", 21),
    _invented("91", 3, "泸州江畔示例酒业有限公司合江分公司", "周示例", 903, OrganisationKind.BRANCH),
    _invented("92", 4, "江阳区示例小吃店", "吴示例", 904),
    _invented("93", 5, "泸县示例蔬菜专业合作社", "郑示例", 905),
    _invented("11", 6, "泸州市示例局", "冯示例", 906),
    _invented("12", 7, "泸州市示例中学", "陈示例", 907),
    _invented("51", 8, "泸州市示例商会", "褚示例", 908),
    _invented("52", 9, "泸州示例养老服务中心", "卫示例", 909),
    _invented("53", 10, "泸州示例慈善基金会", "蒋示例", 910),
    _invented("31", 11, "四川示例律师事务所", "沈示例", 911),
    _invented("32", 12, "泸州市示例公证处", "韩示例", 912),
    _invented("71", 13, "泸州示例寺", "杨示例", 913),
    _invented("81", 14, "泸州示例企业工会委员会", "朱示例", 914),
    _invented("N2", 15, "合江县示例村股份经济合作联合社", "秦示例", 915),
)


class SandboxEnterprises:
    """An `accounts.ports.EnterpriseRegistry` in memory. Raises SandboxInProduction when created in production."""

    def __init__(self, *, environment: str, enterprises: Iterable[InventedEnterprise] = INVENTED) -> None:
        if environment == "production":
            raise SandboxInProduction
        self._lock = threading.Lock()
        self._enterprises = {enterprise.uscc.canonical: enterprise for enterprise in enterprises}
        self._is_out = False

    def look_up(self, uscc: Uscc) -> EnterpriseRecord | None:
        """The invented organisation of that code, or None."""
        found = self._found(uscc)
        if found is None:
            return None
        return EnterpriseRecord(found.name, found.kind, found.status, found.representative, found.changed_at)

    def confirms_representative(self, uscc: Uscc, number: Identifier, name: str) -> bool:
        """True if number and name are those of the representative."""
        found = self._found(uscc)
        if found is None or found.number.kind is not number.kind:
            return False
        same_number = hmac.compare_digest(found.number.canonical, number.canonical)
        return same_number and found.representative == name

    def changed_since(self, since: datetime) -> Sequence[Uscc]:
        """The codes changed at that moment or later, oldest first."""
        self._answer()
        changed = sorted((e for e in self._enterprises.values() if e.changed_at >= since), key=lambda e: e.changed_at)
        return tuple(enterprise.uscc for enterprise in changed)

    def add(self, enterprise: InventedEnterprise) -> None:
        """The register has this organisation from now on."""
        with self._lock:
            self._enterprises[enterprise.uscc.canonical] = enterprise

    def name_representative(self, uscc: Uscc, number: Identifier, name: str, *, now: datetime) -> None:
        """The register names another legal representative from now on."""
        self._change(uscc, number=number, representative=name, changed_at=now)

    def change_status(self, uscc: Uscc, status: RegisterStatus, *, now: datetime) -> None:
        """The organisation has this status from now on."""
        self._change(uscc, status=status, changed_at=now)

    def fail(self, *, is_out: bool = True) -> None:
        """From now on every call raises RegistryUnavailable, or answers again."""
        self._is_out = is_out

    def _found(self, uscc: Uscc) -> InventedEnterprise | None:
        self._answer()
        return self._enterprises.get(uscc.canonical)

    def _answer(self) -> None:
        if self._is_out:
            raise RegistryUnavailable(detail="the sandbox register was told to fail")

    def _change(self, uscc: Uscc, **changes: object) -> None:
        with self._lock:
            self._enterprises[uscc.canonical] = replace(self._enterprises[uscc.canonical], **changes)  # type: ignore[arg-type]
