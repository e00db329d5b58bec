"""The base of every identifier: a canonical form, a kind, and masks. Reading a text starts with `normalise`."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, NoReturn, Self

from accounts.errors import InvalidIdentifier
from accounts.identifiers.cures import ENGLISH

LONGEST = 64  # longer than any identifier with all its spaces; refused before any other work
_SEPARATORS = re.compile(r"[\s\-‐‑‒–—―−.·•‧∙⋅・]+")  # blanks, hyphens, dots: they only group characters
_AROUND = "。、,;:…!?'\"“”‘’「」『』《》〈〉"  # punctuation that a sentence or list puts around a number
_BRACKETS = {"(": ")", "[": "]", "{": "}", "【": "】", "〔": "〕", "<": ">"}
_ANY_BRACKET = frozenset(_BRACKETS) | frozenset(_BRACKETS.values())


class IdentifierKind(StrEnum):
    """Kinds of identifiers. The caller states the kind, because a string of digits does not show it."""

    CITIZEN_ID = "citizen_id"
    HKMO_RESIDENCE_PERMIT = "hkmo_residence_permit"
    TW_RESIDENCE_PERMIT = "tw_residence_permit"
    HKMO_TRAVEL_PERMIT = "hkmo_travel_permit"
    TW_TRAVEL_PERMIT = "tw_travel_permit"
    FOREIGNER_CARD = "foreigner_card"
    PASSPORT = "passport"
    USCC = "uscc"
    ORGANISATION_CODE = "organisation_code"
    BUSINESS_REGISTRATION = "business_registration"
    MOBILE = "mobile"


@dataclass(frozen=True, slots=True, repr=False)
class Identifier(ABC):
    """A valid identifier. `canonical` is stored and compared; `repr` and `str` show only the mask."""

    canonical: str
    kind: ClassVar[IdentifierKind]

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self:
        """The identifier in the text. Raises InvalidIdentifier, and nothing else, for any other text."""

    @property
    def masked(self) -> str:
        """First and last character only: for lists that staff read."""
        return _mask(self.visible, 1, 1)

    @property
    def masked_own(self) -> str:
        """First three and last four characters (one and two of a short number): for the holder's own page."""
        return _mask(self.visible, 3, 4) if len(self.visible) >= 11 else _mask(self.visible, 1, 2)  # noqa: PLR2004

    @property
    def visible(self) -> str:
        """The characters to be masked."""
        return self.canonical

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.masked!r})"


def _mask(text: str, first: int, last: int) -> str:
    return text[:first] + "*" * (len(text) - first - last) + text[-last:]


def normalise(text: str) -> str:
    """The text in upper-case ASCII without spaces, hyphens, dots, invisible marks, and punctuation around it.

    Normalising twice changes nothing. Punctuation and brackets inside stay, so that the shape of the kind refuses them:
    the bracketed digit of a Hong Kong identity card must not become one more digit of another document. Raises
    InvalidIdentifier: `identifier_empty`, `identifier_too_long`, or `identifier_foreign_characters` for a character
    that only looks like a Latin letter (a Cyrillic Х, a × sign).
    """
    if len(text) > LONGEST:
        refuse("identifier_too_long")
    plain = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text))
    plain = _unwrapped("".join(character for character in plain if unicodedata.category(character) != "Cf").upper())
    if not plain:
        refuse("identifier_empty")
    if not (plain.isascii() and plain.isprintable()):
        refuse("identifier_foreign_characters")
    return plain


def _unwrapped(text: str) -> str:
    """The text without punctuation at its ends and without brackets around all of it."""
    bare = text.strip(_AROUND)
    if bare and _BRACKETS.get(bare[0]) == bare[-1] and _ANY_BRACKET.isdisjoint(bare[1:-1]):
        bare = bare[1:-1]
    return bare if bare == text else _unwrapped(bare)


def refuse(code: str, *, suggestion: str | None = None) -> NoReturn:
    """Raise InvalidIdentifier with the code's English cure. It never contains the text that was read."""
    raise InvalidIdentifier(code, ENGLISH[code], suggestion=suggestion) from None
