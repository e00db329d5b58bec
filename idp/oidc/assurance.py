"""Assurance: identity (IAL) and authentication (AAL) levels, and how methods become `amr` and `acr`. Pure.

An `acr` of ours names a pair, `urn:yitong:ial<0-4>:aal<1-3>`. The two axes are never combined into one number, because
who a person is says nothing about how firmly they logged in today. What an organisation vouches for is a third axis
with its own claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

HIGHEST_IAL = 4
HIGHEST_AAL = 3
_ACR = re.compile(r"urn:yitong:ial([0-4]):aal([1-3])")


class Factor(StrEnum):
    """What a method proves: something known, held, or of the body."""

    KNOWN = "known"
    HELD = "held"
    OF_THE_BODY = "of_the_body"
    KNOWN_OR_OF_THE_BODY = "known_or_of_the_body"  # the device has checked one of them, and does not say which


@dataclass(frozen=True, slots=True)
class Method:
    """One way of authenticating. `name` is the RFC 8176 value; `resists_phishing` if it is bound to our origin."""

    name: str
    factors: tuple[Factor, ...]
    resists_phishing: bool = False


# A passkey is accepted only when its device has verified the person (docs/decisions/0063-a-passkey-is-two-factors.md).
_UNLOCKED_KEY = (Factor.HELD, Factor.KNOWN_OR_OF_THE_BODY)
# RFC 8176 §2. `mfa` is never a method: it is computed. A name missing here proves nothing.
METHODS: tuple[Method, ...] = (
    Method("pwd", (Factor.KNOWN,)),
    Method("pin", (Factor.KNOWN,)),
    Method("otp", (Factor.HELD,)),
    Method("sms", (Factor.HELD,)),
    Method("swk", _UNLOCKED_KEY, resists_phishing=True),
    Method("hwk", _UNLOCKED_KEY, resists_phishing=True),
    Method("sc", (Factor.HELD,), resists_phishing=True),
    Method("face", (Factor.OF_THE_BODY,)),
    Method("fpt", (Factor.OF_THE_BODY,)),
    # Not in RFC 8176, but in use: a platform says who it is, by means that it does not tell. So it adds no factor
    # (docs/decisions/0080-platform-accounts-are-bound.md).
    Method("fed", ()),
)
_BY_NAME = {method.name: method for method in METHODS}
_HARDWARE = frozenset({"hwk", "sc"})
_BY_PHONE = ("sms",)
_MOST_BY_PHONE = 1
_OF_OTHERS = frozenset({"sms", "fed"})  # an operator or a platform decides who can do it


@dataclass(frozen=True, slots=True)
class Acr:
    """A pair of assurance levels."""

    ial: int
    aal: int

    def __str__(self) -> str:
        return _urn(self.ial, self.aal)

    def covers(self, asked: Acr) -> bool:
        """True if this is at least `asked` on both axes."""
        return self.ial >= asked.ial and self.aal >= asked.aal


@dataclass(frozen=True, slots=True)
class Authentication:
    """How and when the person authenticated, and the assurance levels that follow."""

    amr: tuple[str, ...]
    auth_time: datetime
    ial: int
    aal: int

    @property
    def acr(self) -> str:
        """The pair as clients read it."""
        return _urn(self.ial, self.aal)


def authentication(methods: Iterable[str], auth_time: datetime, ial: int) -> Authentication:
    """The value for a login with these methods (RFC 8176 names) by a person of this identity assurance.

    A code sent to a phone shows who holds the phone today. Alone it gives IAL1 at most, whatever is known about the
    person: the number may have been reissued.
    """
    proven, level = _proven(tuple(methods))
    return Authentication(proven, auth_time, min(ial, _MOST_BY_PHONE) if proven == _BY_PHONE else ial, level)


def amr(methods: Iterable[str]) -> tuple[str, ...]:
    """The `amr` claim: the methods in order, and `mfa` where they prove two different factors."""
    names = tuple(dict.fromkeys(name for name in methods if name != "mfa"))
    return (*names, "mfa") if len(_factors(names)) > 1 else names


def aal(methods: Iterable[str]) -> int:
    """1 for at most one factor, 2 for two, 3 for two with a hardware key bound to our origin."""
    names = frozenset(methods)
    if len(_factors(names)) < 2:  # noqa: PLR2004 - two factors are what the word means
        return 1
    return HIGHEST_AAL if names & _HARDWARE else 2


def is_by_others_alone(methods: Iterable[str]) -> bool:
    """True if the login began with a code to a phone or an account of a platform, and no password or key followed."""
    names = frozenset(methods) - {"mfa"}
    return bool(names & _OF_OTHERS) and names <= _OF_OTHERS | {"otp"}


def parse(acr: str) -> Acr | None:
    """The pair that an `acr` of ours names, or None for any other text. No foreign level is interpreted."""
    match = _ACR.fullmatch(acr)
    return Acr(int(match[1]), int(match[2])) if match else None


def meets(requested: str, got: str) -> bool:
    """True if `got` is at least the pair that `requested` names. False if either is not an `acr` of ours."""
    asked, have = parse(requested), parse(got)
    return asked is not None and have is not None and have.covers(asked)


def meets_any(requested: Iterable[str], got: str) -> bool:
    """True if `got` meets one of the values, or nothing is requested."""
    values = tuple(requested)
    return not values or any(meets(value, got) for value in values)


def acr_values_supported() -> tuple[str, ...]:
    """Every pair, for discovery, weakest first."""
    return tuple(str(Acr(i, a)) for i in range(HIGHEST_IAL + 1) for a in range(1, HIGHEST_AAL + 1))


def _urn(ial: int, aal: int) -> str:
    return f"urn:yitong:ial{ial}:aal{aal}"


@lru_cache(maxsize=256)  # all sessions of a city share a few lists of methods
def _proven(methods: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
    return amr(methods), aal(methods)


def _factors(names: Iterable[str]) -> frozenset[Factor]:
    return frozenset(factor for name in names if name in _BY_NAME for factor in _BY_NAME[name].factors)
