"""Writes the two invented exports beside this file, always with the same bytes: a forum (CSV) and a library (LDIF).

Nobody in them lives: numbers are of area 519999 or of births in the 1890s, phones are 13900000xxx, names are drawn from
lists. They have the errors of real exports: 15-digit and full-width numbers, missing and wrong ones, two names on one
number, keys that occur twice, and passwords that everybody knows.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from accounts.identifiers import checks

HERE = Path(__file__).parent
HEADER = ("用户ID", "登录名", "姓名", "身份证号", "手机号", "性别", "出生日期", "最后登录", "密码", "盐")
SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
GIVEN = "明华建国秀英桂兰志强丽娟海涛文静春梅立新晓东雪松永福玉珍子轩雨桐浩然思远"
WORDS = (
    "荷塘",
    "river",
    "maple",
    "lantern",
    "酒城",
    "harbour",
    "orange",
    "bamboo",
    "copper",
    "ferry",
    "meadow",
    "slate",
)
WU = ("吴秀英", "510502189304120020")  # born 1893: the person to log in as; she has no account here yet
WU_PASSWORD = "tea-house-by-the-river"
# Personas of the demonstration city who have an account here already (demo/people.py).
WANG = ("王秀英", "510502189103150020")
LI = ("李建国", "510521189307090014")
ZHOU = ("周文博", "510524189605120049")


class City:
    """Invented people, drawn in a fixed order."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self._used: set[str] = set()

    def name(self) -> str:
        """Two or three characters."""
        return self.dice.choice(SURNAMES) + "".join(self.dice.sample(GIVEN, self.dice.choice((1, 2, 2))))

    def number(self) -> str:
        """A valid number of area 519999 that was not drawn before."""
        born = date(1938, 1, 1) + timedelta(days=self.dice.randrange(24000))
        body = f"519999{born:%Y%m%d}{self.dice.randrange(1, 900):03d}"
        number = body + checks.mod_11_2(body)
        if number in self._used:
            return self.number()
        self._used.add(number)
        return number

    def phone(self) -> str:
        """A number of the block that is reserved for examples."""
        return f"13900000{self.dice.randrange(1000):03d}"

    def password(self) -> str:
        """Two words and a number."""
        return f"{self.dice.choice(WORDS)}{self.dice.choice(WORDS)}{self.dice.randrange(10, 99)}"

    def moment(self) -> str:
        """A last login in China's time."""
        day = date(2016, 1, 1) + timedelta(days=self.dice.randrange(3600))
        return f"{day} {self.dice.randrange(7, 23):02d}:{self.dice.randrange(60):02d}:00"


def old(number: str) -> str:
    """The 15 digits of the first generation."""
    return number[:6] + number[8:17]


def wide(number: str) -> str:
    """The full-width form that old forms accepted."""
    return "".join(chr(ord(c) + 0xFEE0) for c in number)


def wrong(number: str) -> str:
    """The same with one digit mistyped."""
    return number[:13] + str((int(number[13]) + 1) % 10) + number[14:]


class Forum:
    """市民论坛: MySQL, exported as GB18030; `md5(password + salt)`."""

    def __init__(self) -> None:
        self.city = City(20261124)
        self._next = 1000

    def row(self, name: str, number: str, **other: str) -> dict[str, str]:
        """One account. `other` overrides a column by its Chinese name."""
        city = self.city
        self._next += city.dice.randrange(1, 9)
        password, salt = other.pop("plain", None) or city.password(), f"{city.dice.randrange(16**6):06x}"
        plain = number if len(number) == 18 and number.isascii() else ""
        values = (
            str(self._next),
            f"user{self._next}",
            name,
            number,
            city.phone(),
            ("男" if int(plain[16]) % 2 else "女") if plain else "",
            f"{plain[6:10]}-{plain[10:12]}-{plain[12:14]}" if plain else "",
            city.moment(),
            hashlib.md5((password + salt).encode()).hexdigest(),
            salt,
        )
        return dict(zip(HEADER, values, strict=True)) | other

    def rows(self) -> list[dict[str, str]]:
        """Every account, shuffled."""
        made = [*self._plain(), *self._numbers(), *self._quarrels(), *self._keys()]
        self.city.dice.shuffle(made)
        return made

    def _plain(self) -> Iterator[dict[str, str]]:
        for i in range(118):
            number = self.city.number()
            plain = {0: "123456", 1: number[-6:], 2: number[6:14]}.get(i % 12, "")
            yield self.row(self.city.name(), number, plain=plain)
        yield self.row(*WU, 登录名="wuxiuying", plain=WU_PASSWORD)
        yield self.row(*WANG, 登录名="wangpopo", plain="old-forum-word-1")

    def _numbers(self) -> Iterator[dict[str, str]]:
        name, number = self.city.name, self.city.number
        yield from (self.row(name(), wide(number())) for _ in range(10))
        yield from (self.row(name(), old(number())) for _ in range(9))
        for _ in range(4):  # a 15-digit number, confirmed by a second account of the same person
            who, full = name(), number()
            yield from (self.row(who, full), self.row(who, old(full)))
        yield from (self.row(name(), "") for _ in range(14))
        yield from (self.row(name(), text) for text in ("无", "111111111111111111", "0", "123456789012345678"))
        yield from (self.row(name(), wrong(number())) for _ in range(6))
        yield from (self.row(name(), text) for text in ("519999195113450012", "51999919510203", "51999919510203001Х"))

    def _quarrels(self) -> Iterator[dict[str, str]]:
        name, number = self.city.name, self.city.number
        for _ in range(4):  # two people, one number
            shared = number()
            yield from (self.row(name(), shared), self.row(name(), shared))
        yield self.row("李卫国", LI[1], 登录名="liweiguo")  # somebody else under 李建国's number
        yield self.row(*ZHOU, 登录名="zhouwenbo", plain="not-his-word-99")  # an account somebody opened in his name
        yield from (self.row(text, number()) for text in ("", "测试", "李*", "13900000000"))
        yield from (self.row(name(), number(), 出生日期="1901-01-01") for _ in range(3))
        for _ in range(2):
            full = number()
            yield self.row(name(), full, 性别="女" if int(full[16]) % 2 else "男")

    def _keys(self) -> Iterator[dict[str, str]]:
        twice = self.row(self.city.name(), self.city.number())
        yield from (twice, dict(twice))
        yield self.row(self.city.name(), self.city.number(), 用户ID=self.city.phone())
        for _ in range(3):  # one person, two accounts
            who, number = self.city.name(), self.city.number()
            yield from (self.row(who, number), self.row(who, number))


class Library:
    """图书馆: OpenLDAP, `{SSHA}`. Some of its readers are also in the forum."""

    def __init__(self, forum: list[dict[str, str]]) -> None:
        self.city = City(18930412)
        self._forum = forum

    def entries(self) -> Iterator[str]:
        """The base, then every reader."""
        yield "dn: ou=readers,dc=library,dc=example\nobjectClass: organizationalUnit\nou: readers\n"
        known = [r for r in self._forum if len(r["身份证号"]) == 18 and r["身份证号"].isascii() and len(r["姓名"]) > 1]
        people = [(r["姓名"], r["身份证号"]) for r in known[:30]] + [WU, WANG]
        people += [(self.city.name(), self.city.number()) for _ in range(22)]
        people += [(self.city.name(), "") for _ in range(6)]
        for i, (name, number) in enumerate(people):
            secret = WU_PASSWORD if (name, number) == WU else self.city.password()
            yield self._entry(f"R{20001 + i * 7}", name, number, secret, shelf=i)

    def _entry(self, key: str, name: str, number: str, secret: str, *, shelf: int) -> str:
        salt = self.city.dice.randbytes(8)
        ssha = base64.b64encode(hashlib.sha1(secret.encode() + salt).digest() + salt).decode()
        login = "wu.xiuying" if (name, number) == WU else f"reader{shelf:03d}"
        lines = [
            f"dn: uid={key},ou=readers,dc=library,dc=example",
            "objectClass: inetOrgPerson",
            f"uid: {key}",
            f"displayName: {login}",
            _text("cn", name),
            _text("userPassword", "{SSHA}" + ssha),
            f"mobile: {self.city.phone()}",
        ]
        lines += [f"employeeNumber: {number}"] if number else []
        return "\n".join(_folded(line) for line in lines) + "\n"


def _text(attribute: str, value: str) -> str:
    """Base64, which LDIF uses for text that is not plain ASCII and always for a password."""
    return f"{attribute}:: {base64.b64encode(value.encode()).decode()}"


def _folded(line: str) -> str:
    return "\n ".join(line[i : i + 60] for i in range(0, len(line), 60))


def forum_csv(rows: list[dict[str, str]]) -> bytes:
    """The export as its database tool writes it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("gb18030")


def files() -> dict[str, bytes]:
    """Name → bytes of every generated file."""
    rows = Forum().rows()
    forum = forum_csv(rows)
    cut = forum.splitlines(keepends=True)
    cut[57] = cut[57].rpartition(b",")[0] + b"\r\n"
    library = "version: 1\n\n" + "\n".join(Library(rows).entries())
    return {"forum.csv": forum, "forum-broken.csv": b"".join(cut), "library.ldif": library.encode()}


if __name__ == "__main__":
    for file, content in files().items():
        (HERE / file).write_bytes(content)
