"""The meaning of a legacy row: numbers, names in one spelling, dates and sexes from their many notations.

Nothing is guessed: a value that cannot be read is None, and matching decides what follows. All functions are pure.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone

from accounts.errors import InvalidIdentifier
from accounts.identifiers import CitizenId, Mobile, guess_person_identifier

_CHINA = timezone(timedelta(hours=8))
_DOTS = re.compile(r"[·•・‧∙⋅.．]")
_SPACES = re.compile(r"\s+")
_NOT_NAMES = frozenset(
    {"", "无", "未知", "不详", "测试", "测试用户", "test", "用户", "null", "none", "n/a", "-"}
    | {"admin", "administrator", "root", "管理员", "系统管理员", "超级管理员"}
)
_PLACEHOLDERS = re.compile(r"(.)\1*|无|未知|不详|null|none|n/a|-+|123456789012345(67[8X])?", re.IGNORECASE)
_OLD_LENGTH = 15
_SHORTEST_NUMBER = 9  # a travel permit of Hong Kong or Macao


@dataclass(frozen=True, slots=True)
class ReadNumber:
    """A number of a row, or why it cannot be read. `was_old` marks one of 15 digits, without a check character."""

    number: CitizenId | None
    problem: str | None = None
    was_old: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """What a row says about its owner."""

    number: ReadNumber
    name: str | None = field(repr=False)
    birth_date: date | None = field(repr=False)
    sex: str | None
    phone: str | None = field(repr=False)


def read_number(text: str) -> ReadNumber:
    """The citizen ID number of the text; `problem` is `no_number` or the reader's code for what is wrong."""
    plain = _SPACES.sub("", unicodedata.normalize("NFKC", text))
    if not plain or _PLACEHOLDERS.fullmatch(plain):
        return ReadNumber(None, "no_number")
    try:
        if len(plain) == _OLD_LENGTH:
            return ReadNumber(CitizenId.upgrade_15(plain), was_old=True)
        return ReadNumber(CitizenId.parse(plain))
    except InvalidIdentifier as error:
        return ReadNumber(None, error.code)


def read_name(text: str) -> str | None:
    """The name in one spelling: NFKC, no spaces, one middle dot, lower-case letters; None for no name."""
    plain = _DOTS.sub("·", _SPACES.sub("", unicodedata.normalize("NFKC", text))).casefold()
    return None if plain in _NOT_NAMES or "*" in plain or plain.isdigit() else plain


def shown_name(text: str) -> str:
    """The name as a person reads it: NFKC, single spaces, and nothing invisible (U+202E shows another name)."""
    spaced = _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip()
    return "".join(character for character in spaced if not unicodedata.category(character).startswith("C"))


def read_date(text: str) -> date | None:
    """A day from `1951-02-03`, `1951/2/3`, `1951年2月3日` or `19510203`; None for anything else."""
    digits = re.findall(r"\d+", text)
    try:
        if len(digits) == 1 and len(digits[0]) in {8, 14}:
            return date(int(digits[0][:4]), int(digits[0][4:6]), int(digits[0][6:8]))
        year, month, day = (int(part) for part in digits[:3])
        return date(year, month, day)
    except ValueError:
        return None


def read_sex(text: str) -> str | None:
    """`male` or `female` from 男/女, 1/2 (GB/T 2261.1), M/F; None for anything else."""
    plain = text.strip().casefold()
    if plain in {"男", "1", "m", "male", "男性"}:
        return "male"
    return "female" if plain in {"女", "2", "f", "female", "女性"} else None


def read_moment(text: str) -> datetime | None:
    """A moment from ISO 8601, LDAP's generalized time, or a local `2019/3/4 5:06:07`; None for anything else.

    Without a zone it is China's time.
    """
    plain = text.strip().replace("/", "-")
    if re.fullmatch(r"\d{14}(\.\d+)?Z", plain):
        return datetime.strptime(plain[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"):
        try:
            return datetime.strptime(plain, form).replace(tzinfo=_CHINA)
        except ValueError:
            continue
    try:
        read = datetime.fromisoformat(plain)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=_CHINA)


def read_phone(text: str) -> str | None:
    """The mobile number in E.164, or None."""
    if not text:
        return None
    try:
        return Mobile.parse(text).canonical
    except InvalidIdentifier:
        return None


def is_personal(uid: str) -> bool:
    """Whether a system's key is itself a person's number, which must not stand in a link, claim or report."""
    return len(uid) >= _SHORTEST_NUMBER and guess_person_identifier(uid) is not None
