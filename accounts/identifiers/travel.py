"""Travel documents: permits, whose lifetime part identifies the person, and passports, which identify a booklet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from accounts.identifiers.identifier import Identifier, IdentifierKind, normalise, refuse

_HKMO = re.compile(r"([HM][0-9]{8})(?:[0-9]{2}|\([0-9]{2}\))?|([HM]A[0-9]{7})")
_TW = re.compile(r"([0-9]{8})(?:[0-9]{2}(?:\(?[A-Z]\)?)?)?")
_PASSPORT = re.compile(r"([A-Z]{1,3}):([0-9A-Z]{5,9})")
_MAINLAND_PASSPORT = r"E[0-9]{8}|E[A-Z][0-9]{7}|G[0-9]{8}|1[45][0-9]{7}|[DPS][0-9E][0-9]{6,7}"
_REGION_PASSPORTS = {"HKG": r"[HK][0-9]{8}|[HK][A-Z][0-9]{7}", "MAC": r"M[A-Z][0-9]{7}"}
_CHINA = "CHN"
_OF_REGION = {region: re.compile(shape) for region, shape in _REGION_PASSPORTS.items()}
_CHINESE_PASSPORT = re.compile("|".join((_MAINLAND_PASSPORT, *_REGION_PASSPORTS.values())))


@dataclass(frozen=True, slots=True, repr=False)
class HkmoTravelPermit(Identifier):
    """港澳居民来往内地通行证. Canonical is the 9 characters held for life; the two renewal digits are dropped.

    H or M and 8 digits; HA or MA and 7 for residents without Chinese nationality (非中国籍, since July 2024), whose
    number has no renewal digits (National Immigration Administration, description of the permit).
    """

    kind: ClassVar[IdentifierKind] = IdentifierKind.HKMO_TRAVEL_PERMIT

    @classmethod
    def parse(cls, text: str) -> Self:
        """The lifetime number in the text. Raises InvalidIdentifier."""
        read = _HKMO.fullmatch(normalise(text))
        if read is None:
            refuse("hkmo_travel_permit_shape")
        return cls(read[1] or read[2])


@dataclass(frozen=True, slots=True, repr=False)
class TwTravelPermit(Identifier):
    """台湾居民来往大陆通行证. Canonical is the 8 digits held for life; issue digits and letter are dropped."""

    kind: ClassVar[IdentifierKind] = IdentifierKind.TW_TRAVEL_PERMIT

    @classmethod
    def parse(cls, text: str) -> Self:
        """The lifetime number in the text. Raises InvalidIdentifier."""
        read = _TW.fullmatch(normalise(text))
        if read is None:
            refuse("tw_travel_permit_shape")
        return cls(read[1])


@dataclass(frozen=True, slots=True, repr=False)
class Passport(Identifier):
    """Issuing state and number, `CHN:E00000000`. Renewal changes it: weak evidence, never merged across numbers."""

    kind: ClassVar[IdentifierKind] = IdentifierKind.PASSPORT

    @classmethod
    def parse(cls, text: str) -> Self:
        """The passport in the text, `STATE:NUMBER` with the state as in the passport (ICAO 9303).

        Passports of Hong Kong and Macao have CHN as issuing state. HKG and MAC are read as CHN, so that one booklet has
        one key; the three series do not overlap. Raises InvalidIdentifier, `passport_issuer` where the state is
        missing.
        """
        written = normalise(text)
        if ":" not in written:
            refuse("passport_issuer")
        read = _PASSPORT.fullmatch(written)
        if read is None:
            refuse("passport_shape")
        issuer, number = read.groups()
        shape = _OF_REGION.get(issuer) or (_CHINESE_PASSPORT if issuer == _CHINA else None)
        if shape is not None and shape.fullmatch(number) is None:
            refuse("passport_shape")
        return cls(f"{_CHINA if issuer in _OF_REGION else issuer}:{number}")

    @property
    def issuer(self) -> str:
        """The code of the issuing state."""
        return self.canonical.partition(":")[0]

    @property
    def visible(self) -> str:
        """The number without the state."""
        return self.canonical.partition(":")[2]
