"""Which new passwords are good enough: long, not on a list, and not made of what strangers know about the person.

NIST SP 800-63B-4 asks for length and a list, and against composition rules. The Chinese entries of the list and the
check of the person's own words are ours. Each refusal has a stable code, which the message catalogue explains.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from datetime import date

from pypinyin import Style, lazy_pinyin

from accounts.credentials.password import LONGEST
from accounts.credentials.password_rules.blocklist import common_passwords
from accounts.credentials.password_rules.profiles import CITIZEN, PolicyProfile
from accounts.database import Connection
from accounts.errors import CredentialRefused
from accounts.identifiers import IdentifierKind
from accounts.people import NewPerson, People, PersonAttributes

# Refusals: code → what the person did. The catalogue has the words.
CODES = (
    "password_too_short",
    "password_too_long",
    "password_common",
    "password_breached",
    "password_uniform",
    "password_repeats",
    "password_keyboard_walk",
    "password_personal",
    "password_contextual",
    "password_unchanged",
    "password_used_before",
)
CONTEXT_WORDS = (
    # the city: its names, its districts, what it is known for
    "luzhou", "sichuan", "lzs", "jiangyang", "longmatan", "naxi", "luxian", "hejiang", "xuyong", "gulin", "laojiao",
    "jiucheng", "泸州", "四川", "江阳", "龙马潭", "纳溪", "泸县", "合江", "叙永", "古蔺", "老窖", "酒城",
    # the services
    "yitong", "zhengwu", "shebao", "yibao", "gongjijin", "minzheng", "gongan", "shimin", "tongyi", "renzheng", "renshe",
    "shuiwu", "jiaoyu", "shenfenzheng", "jiashizheng", "hukou", "tianfutongban", "tongban",
    "一通", "通办", "政务", "社保", "医保", "公积金", "民政", "公安", "市民", "统一", "认证", "人社", "税务", "教育",
    "身份证", "驾驶证", "户口", "天府",
    # what everybody has, and what everybody types
    "weixin", "wechat", "wx", "qq", "tencent", "zhifubao", "alipay", "taobao", "password", "passwd", "mima", "admin",
    "guanliyuan", "login", "denglu", "woaini", "iloveyou", "zhongguo", "china",
    "微信", "支付宝", "淘宝", "我爱你", "密码", "登录", "管理员", "中国",
)  # fmt: skip
ENDINGS = ("5201314", "1314", "520", "521", "888", "666", "999", "168")
WALKS = (
    "1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp", "1q2w3e4r5t6y7u8i9o0p", "147258369", "159357", "abcdefghijklmnopqrstuvwxyz",
)  # fmt: skip
_LEAST_WALK = 4
_LEAST_OWN = 4  # a shorter word of the person's own is part of too many innocent passwords
_FILLER = re.compile(r"[\d\W_]+|abc|qwe|asd|zxc|qaz")


@dataclass(frozen=True, slots=True)
class PersonContext:
    """What strangers may know about the person. `words` are, for example, login names of older systems."""

    name: str = field(default="", repr=False)
    numbers: tuple[str, ...] = field(default=(), repr=False)
    phones: tuple[str, ...] = field(default=(), repr=False)
    birth_date: date | None = field(default=None, repr=False)
    words: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, new: NewPerson) -> PersonContext:
        """The context of a person about to be registered."""
        numbers = tuple(i.canonical for i in new.identifiers if i.kind is not IdentifierKind.MOBILE)
        phones = tuple(phone.canonical for phone in new.phones)
        words = (new.email.partition("@")[0],) if new.email else ()
        return cls(new.name, numbers, phones, new.birth_date, words)

    @classmethod
    def of_person(cls, c: Connection, people: People, person_id: str) -> PersonContext:
        """The context of a person we know: also numbers that they had before. Three statements. Raises SealBroken."""
        person = people.by_id(c, person_id)
        known = people.attributes(person.attributes) if person else PersonAttributes("")
        numbers = tuple(each.canonical for each in people.identifiers(c, person_id))
        phones = tuple(phone.canonical for phone in people.phones(c, person_id))
        words = (known.email.partition("@")[0],) if known.email else ()
        return cls(known.name, numbers, phones, known.birth_date, words)


class PasswordPolicy:
    """The rules for new passwords of one profile: its length, up to 256, its kinds of characters, and the lists."""

    def __init__(self, profile: PolicyProfile = CITIZEN, *, breached: Container[str] = ()) -> None:
        """`breached` are the passwords of the breach list. Where there is none, the built-in list is all."""
        self.profile = profile
        self._breached = breached

    def of(self, profile: PolicyProfile) -> PasswordPolicy:
        """The same lists under another profile's rules."""
        return PasswordPolicy(profile, breached=self._breached)

    def check(self, password: str, *, context: PersonContext) -> None:
        """The password is good enough. Raises CredentialRefused with one of CODES."""
        normal = unicodedata.normalize("NFKC", password)
        plain = normal.casefold()
        if len(normal) < self.profile.least:
            raise CredentialRefused("password_too_short")
        if len(normal) > LONGEST:
            raise CredentialRefused("password_too_long")
        if plain in common_passwords():
            raise CredentialRefused("password_common")
        if normal in self._breached:
            raise CredentialRefused("password_breached")
        if _classes(normal) < self.profile.classes:
            raise CredentialRefused("password_uniform")
        if _repeats(plain):
            raise CredentialRefused("password_repeats")
        self._check_words(plain, context)

    def _check_words(self, plain: str, context: PersonContext) -> None:
        """What remains without the known words must be a password by itself: 8 characters that are no filler."""
        if _carried_by(plain, _own_words(context)):
            raise CredentialRefused("password_personal")
        if _walks(plain):
            raise CredentialRefused("password_keyboard_walk")
        if _carried_by(plain, CONTEXT_WORDS):
            raise CredentialRefused("password_contextual")


def _classes(normal: str) -> int:
    """How many kinds of characters: upper case, lower case, digits, other letters such as 汉字, signs."""
    return len({_class(character) for character in normal})


def _class(character: str) -> str:
    kind = unicodedata.category(character)
    return kind if kind in {"Lu", "Ll", "Nd"} else kind[0].replace("Z", "S").replace("P", "S")


def _repeats(plain: str) -> bool:
    """Whether the password repeats one short piece, or has fewer than four different characters."""
    return len(set(plain)) < 4 or plain in (plain + plain)[1:-1]  # noqa: PLR2004 - aaa, abab, 112112


def _walks(plain: str) -> bool:
    """Whether the password consists only of walks over the keyboard, digits and usual endings."""
    rest = plain
    for ending in ENDINGS:
        rest = rest.replace(ending, " ")
    while (step := _longest_walk(rest)) is not None:
        rest = rest.replace(step, " ", 1)
    return _is_filler(rest) and rest != plain


def _longest_walk(text: str) -> str | None:
    for size in range(len(text), _LEAST_WALK - 1, -1):
        for start in range(len(text) - size + 1):
            piece = text[start : start + size]
            if any(piece in walk or piece in walk[::-1] for walk in WALKS):
                return piece
    return None


def _carried_by(plain: str, words: Iterator[str] | tuple[str, ...]) -> bool:
    """Whether only filler (digits, signs, endings) remains beside known words."""
    rest, found = plain, False
    for word in sorted(set(words), key=len, reverse=True):
        if word and word in rest:
            rest, found = rest.replace(word, " "), True
    return found and _is_filler(rest)


def _is_filler(rest: str) -> bool:
    """Whether what remains is digits, signs, spaces and at most two letters."""
    return len(_FILLER.sub("", rest)) <= 2  # noqa: PLR2004


def _own_words(context: PersonContext) -> Iterator[str]:
    yield from _name_words(context.name)
    for number in context.numbers:
        plain = number.casefold()
        yield from (plain, plain[-8:], plain[-6:], plain[-4:], plain[:6])
        digits = plain.removesuffix("x")  # people who may not type a letter leave the check character out
        yield from (digits, digits[-8:], digits[-6:], digits[-4:])
        if len(plain) == 18:  # noqa: PLR2004 - a citizen number holds the birth date
            yield from _date_words(plain[6:10], plain[10:12], plain[12:14])
    for phone in context.phones:
        digits = phone.removeprefix("+86")
        yield from (digits, digits[-8:], digits[-6:], digits[-4:], digits[:7])
    if context.birth_date is not None:
        yield from _date_words(*context.birth_date.isoformat().split("-"))
    yield from (word.casefold() for word in context.words if len(word) >= _LEAST_OWN)


def _date_words(year: str, month: str, day: str) -> Iterator[str]:
    yield from (year + month + day, year[2:] + month + day, month + day + year, day + month + year, month + day)
    yield from (year + month, f"{year}{int(month)}{int(day)}", f"{year[2:]}{int(month)}{int(day)}")


def _name_words(name: str) -> Iterator[str]:
    """The name as written and as typed: zhangwei, zhang, wei, zw, zhangw, zwei, weizhang."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    syllables = [word for s in lazy_pinyin(plain, style=Style.NORMAL) for word in s.split()]
    if not syllables:
        return
    yield from (s.replace("v", "yu") for s in syllables if "v" in s)  # 吕 is lv on keyboards and lyu in passports
    initials = "".join(s[0] for s in syllables)
    family, given = syllables[0], "".join(syllables[1:])
    yield from (plain, "".join(syllables), given + family, family + initials[1:], family[0] + given, initials)
    yield from (word for word in (family, given, *syllables) if len(word) > 1)
