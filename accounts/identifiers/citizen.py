"""Numbers built like a citizen ID number (GB 11643-1999): citizens, residents from HK, Macao, Taiwan, foreigners."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import ClassVar, Literal, Self

from accounts.identifiers import checks, divisions
from accounts.identifiers.identifier import Identifier, IdentifierKind, normalise, refuse

_SHAPE = re.compile(r"[1-9][0-9]{16}[0-9X]")
_OLD_SHAPE = re.compile(r"[1-9][0-9]{14}")
_OLD_FOREIGNER = re.compile(r"[A-Z]{3}[0-9]{12}")
_LENGTH, _OLD_LENGTH = 18, 15
_CENTENARIANS = frozenset({"996", "997", "998", "999"})  # sequences that the 1989 edition gave to births before 1900
_EARLIEST_YEAR = 1850
_CHINA = timezone(timedelta(hours=8))
_HKMO_AREAS = frozenset({"810000", "820000"})
_TW_AREAS = frozenset({"830000"})


@dataclass(frozen=True, slots=True, repr=False)
class _Resident(Identifier):
    """Eighteen characters: area, birth date, sequence, check."""

    areas: ClassVar[Collection[str]] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The number in the text. Raises InvalidIdentifier; no error repeats the number."""
        number = normalise(text)
        if len(number) == _OLD_LENGTH:
            refuse("citizen_id_old")
        if len(number) != _LENGTH:
            refuse("citizen_id_length")
        if _SHAPE.fullmatch(number) is None:
            refuse("citizen_id_shape")
        cls._refuse_area(number[:6])
        _refuse_birth_date(number, "citizen_id_date")
        if checks.mod_11_2(number[:17]) != number[17]:
            refuse("citizen_id_check")
        return cls(number)

    @classmethod
    def _refuse_area(cls, area: str) -> None:
        if area not in cls.areas:
            refuse("residence_permit_area")

    @property
    def area(self) -> str:
        """The six digits of the division that allotted the number."""
        return self.canonical[:6]

    @property
    def birth_date(self) -> date:
        """The date of birth that the number contains."""
        return date.fromisoformat(self.canonical[6:14])

    @property
    def sex(self) -> Literal["male", "female"]:
        """Odd sequence numbers are men's, even ones women's (GB 11643-1999 §5)."""
        return "male" if int(self.canonical[16]) % 2 else "female"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Codes of what is unusual but allowed."""
        return ()


@dataclass(frozen=True, slots=True, repr=False)
class CitizenId(_Resident):
    """公民身份号码. Only the province is strict: a county may have been renamed long before or after the birth."""

    kind: ClassVar[IdentifierKind] = IdentifierKind.CITIZEN_ID

    @classmethod
    def _refuse_area(cls, area: str) -> None:
        if area in _HKMO_AREAS | _TW_AREAS:
            refuse("citizen_id_is_permit")
        if not divisions.is_province(area[:2]):
            refuse("citizen_id_province")

    @property
    def warnings(self) -> tuple[str, ...]:
        """`area_unknown`, `area_retired` or `area_not_a_county`, if that is true of the first six digits."""
        division = divisions.find(self.area)
        if division is None:
            return ("area_unknown",)
        found = (("area_retired", division.is_retired), ("area_not_a_county", self.area.endswith("00")))
        return tuple(code for code, holds in found if holds)

    @classmethod
    def upgrade_15(cls, text: str) -> CitizenId:
        """The 18-character form of a first-generation number: `19` and the check character are added.

        Raises InvalidIdentifier `citizen_id_century` for sequences 996–999, which the 1989 edition gave to births
        before 1900. Two people can get the same upgraded number: never merge on it without the name.
        """
        old = normalise(text)
        if _OLD_SHAPE.fullmatch(old) is None:
            refuse("citizen_id_upgrade_shape")
        if old[12:] in _CENTENARIANS:
            refuse("citizen_id_century")
        body = f"{old[:6]}19{old[6:]}"
        return cls.parse(body + checks.mod_11_2(body))


@dataclass(frozen=True, slots=True, repr=False)
class HkmoResidencePermit(_Resident):
    """港澳居民居住证: area 810000 or 820000."""

    kind: ClassVar[IdentifierKind] = IdentifierKind.HKMO_RESIDENCE_PERMIT
    areas: ClassVar[Collection[str]] = _HKMO_AREAS


@dataclass(frozen=True, slots=True, repr=False)
class TwResidencePermit(_Resident):
    """台湾居民居住证: area 830000."""

    kind: ClassVar[IdentifierKind] = IdentifierKind.TW_RESIDENCE_PERMIT
    areas: ClassVar[Collection[str]] = _TW_AREAS


@dataclass(frozen=True, slots=True, repr=False)
class ForeignerCard(Identifier):
    """外国人永久居留身份证: 18 characters from December 2023, before that 3 letters and 12 digits. Both stay valid."""

    kind: ClassVar[IdentifierKind] = IdentifierKind.FOREIGNER_CARD

    @classmethod
    def parse(cls, text: str) -> Self:
        """The card number in the text, of either edition. Raises InvalidIdentifier."""
        number = normalise(text)
        if _OLD_FOREIGNER.fullmatch(number):
            return cls(number)
        if _SHAPE.fullmatch(number) is None or not number.startswith("9"):
            refuse("foreigner_card_shape")
        _refuse_birth_date(number, "foreigner_card_date")
        if checks.mod_11_2(number[:17]) != number[17]:
            refuse("foreigner_card_check")
        return cls(number)

    @property
    def birth_date(self) -> date | None:
        """The date of birth. None for the old edition, which does not contain it in full."""
        return date.fromisoformat(self.canonical[6:14]) if len(self.canonical) == _LENGTH else None


def _refuse_birth_date(number: str, code: str) -> None:
    """Refuse a number unless digits 7 to 14 are a day between 1850 and today.

    Only here does code below the edge read the clock. Whether the day is in the future is part of a number's validity,
    and passing a date to every reader of a number would invite wrong dates.
    """
    try:
        born = date.fromisoformat(number[6:14])
    except ValueError:
        refuse(code)
    if born.year < _EARLIEST_YEAR or born > datetime.now(_CHINA).date():
        refuse(code)
