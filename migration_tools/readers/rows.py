"""The checks of every row, in every format, before it becomes an account."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from migration_tools.readers.legacy_account import LegacyAccount, RefusedRow

_LONGEST_KEY = 200  # characters: a key stands in an index, in links and in plans
_BROKEN = re.compile(r"[\0\r\n]")
_NO_KEY = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as its reader found it: the line where it begins, and the text of every mapped field."""

    line: int
    fields: dict[str, str] = field(repr=False)


def account(system: str, row: int, found: SourceRow, keyless: str) -> LegacyAccount | RefusedRow:
    """The account with these fields, each without outer spaces. `keyless` is the cure for a row without a key.

    A missing or unusable key is refused. So is a line break in a mapped field, because half a value is wrong.
    """
    read = {name: value.strip() for name, value in found.fields.items()}
    if not read["uid"]:
        return RefusedRow(found.line, "the key is empty", keyless)
    if len(read["uid"]) > _LONGEST_KEY:
        cause = f"a key of more than {_LONGEST_KEY} characters"
        return RefusedRow(found.line, cause, "Correct the key, or map another column as key.")
    for name, value in read.items():
        if (_NO_KEY if name == "uid" else _BROKEN).search(value):
            cause = f"a line break or control character in {name}"
            return RefusedRow(found.line, cause, "Look for a damaged value in this row.")
    read.setdefault("login_name", read["uid"])
    return LegacyAccount(system, row, **read)
