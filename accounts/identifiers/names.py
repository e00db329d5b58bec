"""Names of people as they are recorded: one spelling, and no invisible characters.

A name comes from a keyboard, a card reader or a copied table. An invisible character in it makes two equal names
differ, and a bidirectional override (U+202E) lets a name read as something else on an officer's screen.
`migration_tools.planning.normalise` reads an older system's names for comparing. Names that are equal here are equal
there.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NoReturn

from accounts.errors import InvalidName
from accounts.identifiers.cures import ENGLISH

LONGEST = 100  # characters; the longest names on residence permits have fewer than 60
_HAN = "[\u3400-\u9fff\U00020000-\U000323af]"
_MIDDLE_DOT = "·"  # U+00B7, which the population registry uses (GB 18030)
_DOTS = re.compile(r"\s*[•‧∙⋅・·]\s*")
_DOT_BETWEEN_HAN = re.compile(rf"(?<={_HAN})\s*\.\s*(?={_HAN})")
_BLANK_BETWEEN_HAN = re.compile(rf"(?<={_HAN}) +(?={_HAN})")
_BLANKS = re.compile(" {2,}")
_KINDS = ("L", "M", "Nd", "Pd", "Zs")  # Unicode categories: letters, marks, digits, hyphens, blanks
_ALSO = frozenset(f"{_MIDDLE_DOT}'’.,()/")


def person_name(text: str) -> str:
    """The name in its recorded spelling. Reading it again changes nothing.

    NFKC, because full-width letters and radicals copied from a PDF look like the letters that they replace. Blanks
    around it are removed, runs of blanks become one, and blanks between Chinese characters go; every middle dot becomes
    U+00B7. Raises InvalidName: `name_empty`, `name_too_long`, `name_invisible` for a control or formatting character
    inside, `name_characters` for one that no name contains, such as the `?` or `*` of a damaged export.
    """
    if len(text) > LONGEST * 2:
        _refuse("name_too_long")
    plain = unicodedata.normalize("NFKC", text.strip())
    if any(unicodedata.category(character)[0] == "C" or character in "\u2028\u2029" for character in plain):
        _refuse("name_invisible")
    name = _one_spelling(plain)
    if len(name) > LONGEST:
        _refuse("name_too_long")
    if not all(_may_stand_in_a_name(character) for character in name):
        _refuse("name_characters")
    if not any(character.isalpha() for character in name):
        _refuse("name_empty" if not name else "name_characters")
    return name


def masked_name(name: str) -> str:
    """The name with its middle hidden, for screens and messages that others may see: 欧阳娜 → 欧*娜, 张三 → 张*."""
    if len(name) <= 1:
        return "*"
    return name[0] + "*" if len(name) == 2 else f"{name[0]}{'*' * min(len(name) - 2, 3)}{name[-1]}"  # noqa: PLR2004 - a name of two


def _one_spelling(plain: str) -> str:
    dotted = _DOT_BETWEEN_HAN.sub(_MIDDLE_DOT, _DOTS.sub(_MIDDLE_DOT, plain))
    return _BLANKS.sub(" ", _BLANK_BETWEEN_HAN.sub("", dotted)).strip()


def _may_stand_in_a_name(character: str) -> bool:
    return character in _ALSO or unicodedata.category(character).startswith(_KINDS)


def _refuse(code: str) -> NoReturn:
    raise InvalidName(code, ENGLISH[code])
