"""Numbers of organisations: unified social credit code, organisation code, business registration number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from accounts.identifiers import checks
from accounts.identifiers.identifier import Identifier, IdentifierKind, normalise, refuse

_USCC_LENGTH = 18
_NEVER_IN_USCC = frozenset("IOSVZ")
_LOOK_ALIKES = str.maketrans("IOSVZ", "105U2")
# Registering authorities after the 2016 amendment: 1–9, A military, N agriculture (village collectives), Y other.
_USCC = re.compile(
    rf"[1-9ANY][{checks.USCC_ALPHABET}][0-9]{{6}}[{checks.USCC_ALPHABET}]{{8}}[0-9X][{checks.USCC_ALPHABET}]"
)
_ORGANISATION_CODE = re.compile(r"[0-9A-Z]{8}[0-9X]")
_BUSINESS_REGISTRATION = re.compile(r"[0-9]{15}")


@dataclass(frozen=True, slots=True, repr=False)
class OrganisationCode(Identifier):
    """组织机构代码 (GB 11714-1997), 9 characters. The unified social credit code contains it."""

    kind: ClassVar[IdentifierKind] = IdentifierKind.ORGANISATION_CODE

    @classmethod
    def parse(cls, text: str) -> Self:
        """The code in the text, with or without hyphen. Raises InvalidIdentifier."""
        code = normalise(text)
        if _ORGANISATION_CODE.fullmatch(code) is None:
            refuse("organisation_code_shape")
        if checks.organisation_code(code[:8]) != code[8]:
            refuse("organisation_code_check")
        return cls(code)


@dataclass(frozen=True, slots=True, repr=False)
class Uscc(Identifier):
    """统一社会信用代码 (GB 32100-2015 with amendment 1), 18 characters."""

    kind: ClassVar[IdentifierKind] = IdentifierKind.USCC

    @classmethod
    def parse(cls, text: str) -> Self:
        """The code in the text. Both check characters are right.

        Raises InvalidIdentifier. For I, O, S, V or Z (`uscc_letters`) the error's `suggestion` is the code that was
        probably meant, if there is one. It is offered, never used without asking.
        """
        code = normalise(text)
        if len(code) != _USCC_LENGTH:
            refuse("uscc_length")
        if _NEVER_IN_USCC & set(code):
            refuse("uscc_letters", suggestion=_suggestion(code))
        _refuse_wrong(code)
        return cls(code)

    @property
    def authority(self) -> str:
        """The registering authority: the first character."""
        return self.canonical[0]

    @property
    def division(self) -> str:
        """The six digits of the registry's division."""
        return self.canonical[2:8]

    @property
    def organisation_code(self) -> OrganisationCode:
        """The organisation code inside. It links to older records of 9 characters."""
        return OrganisationCode(self.canonical[8:17])


def _refuse_wrong(code: str) -> None:
    wrong = _wrong(code)
    if wrong is not None:
        refuse(wrong)


def _wrong(code: str) -> str | None:
    """The error code of what is wrong with 18 characters, or None."""
    if _USCC.fullmatch(code) is None:
        return "uscc_shape"
    if checks.uscc(code[:17]) != code[17]:
        return "uscc_check"
    return None if checks.organisation_code(code[8:16]) == code[16] else "uscc_organisation_check"


def _suggestion(code: str) -> str | None:
    likely = code.translate(_LOOK_ALIKES)
    return likely if _wrong(likely) is None else None


@dataclass(frozen=True, slots=True, repr=False)
class BusinessRegistration(Identifier):
    """工商注册号 (GS 15-2006), 15 digits. A citizen number of 15 digits may pass, too: the caller states the kind."""

    kind: ClassVar[IdentifierKind] = IdentifierKind.BUSINESS_REGISTRATION

    @classmethod
    def parse(cls, text: str) -> Self:
        """The number in the text. Raises InvalidIdentifier."""
        number = normalise(text)
        if _BUSINESS_REGISTRATION.fullmatch(number) is None:
            refuse("business_registration_shape")
        if checks.mod_11_10(number[:14]) != number[14]:
            refuse("business_registration_check")
        return cls(number)
