"""What every reader asks of a row before it hands it on as an account."""

from __future__ import annotations

import re
from pathlib import Path

from migration_tools.errors import SourceRefused
from migration_tools.legacy import LegacyAccount

_LONGEST_KEY = 200  # characters: a key stands in an index, in links and in plans
_BROKEN = re.compile(r"[\0\r\n]")
_NO_KEY = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def account(path: Path, line: int, row: int, fields: dict[str, str], *, system: str, keyless: str) -> LegacyAccount:
    """The account of these fields, each without the spaces around it. `keyless` is the cure for a row without a key.

    Raises SourceRefused for a key that is missing or cannot be one, and for a line break in what is mapped: it is the
    trace of a quote that was never closed, or of bytes that are no text.
    """
    read = {field: value.strip() for field, value in fields.items()}
    if not read["uid"]:
        raise SourceRefused(path, line, "the key is empty", keyless)
    if len(read["uid"]) > _LONGEST_KEY:
        raise SourceRefused(path, line, f"a key of more than {_LONGEST_KEY} characters", "Map another column as key.")
    for field, value in read.items():
        if (_NO_KEY if field == "uid" else _BROKEN).search(value):
            cure = "Look for an unclosed quote or a damaged value in this row."
            raise SourceRefused(path, line, f"a line break or control character in {field}", cure)
    read.setdefault("login_name", read["uid"])
    return LegacyAccount(system, row, **read)
