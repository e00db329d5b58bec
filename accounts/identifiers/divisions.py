"""Administrative divisions of China by six-digit code (GB/T 2260), with retired codes and their successors.

The table is `accounts/data/divisions.csv`, written by `scripts/build-divisions`. It is read once, at first use.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

# First two digits: the north, the north-east, the east, the south, the south-west, the north-west, and 71, 81, 82.
_PROVINCES_OF_REGIONS = ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 82))
PROVINCES = frozenset(str(code) for first, last in _PROVINCES_OF_REGIONS for code in range(first, last + 1))


@dataclass(frozen=True, slots=True)
class Division:
    """One code. `since` and `until` are years. The first year of the record means "no later than"."""

    code: str
    name: str
    since: int
    until: int | None
    successors: tuple[str, ...]

    @property
    def is_retired(self) -> bool:
        """True if the code is no longer allotted. Numbers that begin with it stay valid for life."""
        return self.until is not None


def is_province(prefix: str) -> bool:
    """True if the two digits are those of a province, a municipality or a (special administrative) region."""
    return prefix in PROVINCES


def find(code: str) -> Division | None:
    """The division of that code, in force or retired, or None."""
    return _table().get(code)


def is_retired(code: str) -> bool:
    """True if the code existed and is no longer allotted."""
    division = find(code)
    return division is not None and division.is_retired


def under(prefix: str) -> tuple[Division, ...]:
    """Every division in force whose code begins with the prefix, by code: `under("5105")` is Luzhou."""
    return tuple(d for d in _table().values() if d.code.startswith(prefix) and not d.is_retired)


@cache
def _table() -> Mapping[str, Division]:
    lines = files("accounts").joinpath("data", "divisions.csv").read_text(encoding="utf-8").splitlines()
    return MappingProxyType({row["code"]: _division(row) for row in csv.DictReader(lines)})


def _division(row: Mapping[str, str]) -> Division:
    return Division(
        code=row["code"],
        name=row["name"],
        since=int(row["since"]),
        until=int(row["until"]) if row["until"] else None,
        successors=tuple(row["successors"].split()),
    )
