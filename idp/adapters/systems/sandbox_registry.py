"""Registries for demonstrations and tests: invented persons, each with the answers that a real registry may give.

Nothing leaves the process, and nobody is checked: whoever knows an invented number gets its answers. Never in
production.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from accounts.errors import RegistryUnavailable
from accounts.identifiers import Identifier, IdentifierKind, Mobile
from accounts.ports import PopulationRecord
from idp.adapters.systems.sandbox import SandboxInProduction

_CONFIRMS = frozenset(
    {
        IdentifierKind.CITIZEN_ID,
        IdentifierKind.HKMO_RESIDENCE_PERMIT,
        IdentifierKind.TW_RESIDENCE_PERMIT,
        IdentifierKind.FOREIGNER_CARD,
    }
)


class Scenario(StrEnum):
    """What happens when somebody registers as an invented person."""

    HOLDER = "holder"  # everything agrees, also the face
    STRANGER = "stranger"  # number and name agree, but the face is another person's
    DECEASED = "deceased"
    UNAVAILABLE = "unavailable"  # the registry does not answer


@dataclass(frozen=True, slots=True)
class InventedPerson:
    """One person of the sandbox. `phone` is the one that the operator has under their name."""

    name: str = field(repr=False)
    kind: IdentifierKind
    number: str = field(repr=False)
    phone: str | None = field(default=None, repr=False)
    scenario: Scenario = Scenario.HOLDER


_CITIZEN = IdentifierKind.CITIZEN_ID
INVENTED: tuple[InventedPerson, ...] = (
    InventedPerson("郑小雨", _CITIZEN, "519999199506180011", "+8613900000041"),
    InventedPerson("钱大明", _CITIZEN, "51999919880322002X", "+8613900000042", Scenario.STRANGER),
    InventedPerson("冯玉兰", _CITIZEN, "519999193304050035", None, Scenario.DECEASED),
    InventedPerson("蒋晓东", _CITIZEN, "519999197910100045", None, Scenario.UNAVAILABLE),
    InventedPerson("沈思远", _CITIZEN, "519999201109090055", "+8613900000045"),
    InventedPerson("周文博", _CITIZEN, "510524189605120049", "+8613900000005"),
    InventedPerson("王秀英", _CITIZEN, "510502189103150020", "+8613900000001"),
    InventedPerson("黄志强", IdentifierKind.HKMO_RESIDENCE_PERMIT, "810000189202020062", "+8613900000046"),
    InventedPerson("林佳蓉", IdentifierKind.TW_RESIDENCE_PERMIT, "830000189403030076", "+8613900000047"),
    InventedPerson("BROWN EMILY", IdentifierKind.FOREIGNER_CARD, "951840189304040087", "+8613900000048"),
)


class SandboxPopulation:
    """An `accounts.ports.PopulationRegistry` of invented persons. Raises SandboxInProduction when created there."""

    source = "registry:sandbox"
    confirms = _CONFIRMS

    def __init__(self, *, environment: str, persons: tuple[InventedPerson, ...] = INVENTED) -> None:
        self._persons = _by_number(environment, persons)

    def check(self, identifier: Identifier, name: str, phone: Mobile | None = None) -> PopulationRecord:
        """As the person's scenario has it. An unknown number does not match."""
        known = self._persons.get((identifier.kind, identifier.canonical))
        if known is None or known.name != name or (phone is not None and known.phone != phone.canonical):
            return PopulationRecord(matches=False)
        if known.scenario is Scenario.UNAVAILABLE:
            raise RegistryUnavailable(detail="the sandbox plays an outage")
        died = date(2020, 1, 1) if known.scenario is Scenario.DECEASED else None
        return PopulationRecord(matches=True, deceased_on=died)


class SandboxVerification:
    """An `accounts.ports.PersonVerification` that sends nobody away. Raises SandboxInProduction when created there."""

    def __init__(self, upstream: str, *, environment: str, persons: tuple[InventedPerson, ...] = INVENTED) -> None:
        self.upstream = upstream
        self._persons = _by_number(environment, persons)

    def begin(self, identifier: Identifier, name: str, *, reference: str, return_to: str) -> str:  # noqa: ARG002 - the port's
        """Straight back: there is no other site to go to."""
        return return_to

    def outcome(self, identifier: Identifier, name: str, *, reference: str) -> str | None:  # noqa: ARG002 - the port's
        """`verified` for a HOLDER under their own name, else `refused`."""
        known = self._persons.get((identifier.kind, identifier.canonical))
        if known is not None and known.scenario is Scenario.UNAVAILABLE:
            raise RegistryUnavailable(detail="the sandbox plays an outage")
        holds = known is not None and known.name == name and known.scenario is Scenario.HOLDER
        return "verified" if holds else "refused"


def _by_number(
    environment: str, persons: tuple[InventedPerson, ...]
) -> dict[tuple[IdentifierKind, str], InventedPerson]:
    if environment == "production":
        raise SandboxInProduction
    return {(person.kind, person.number): person for person in persons}
