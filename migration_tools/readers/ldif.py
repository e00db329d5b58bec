"""Directory exports in LDIF (RFC 2849), as slapcat and ldapsearch write it: content records, folds, base64 values."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from collections.abc import Mapping as Attributes
from pathlib import Path

from migration_tools.errors import SourceRefused
from migration_tools.legacy import LegacyAccount
from migration_tools.mapping import Mapping
from migration_tools.readers import rows
from migration_tools.readers.decoding import opened

FORMAT = "ldif"
_SINGLE = frozenset({"uid", "number", "name", "login_name", "password"})  # two values would be two people or two keys
_DESCRIPTION = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)(?:;[A-Za-z0-9-]+)*")
_Values = Attributes[str, list[str | None]]  # None for a value that is no text


def read(path: Path, mapping: Mapping) -> Iterator[LegacyAccount]:
    """Every entry of the mapped object class (every entry, without one). Raises SourceRefused at what is no LDIF."""
    wanted = (mapping.source.object_class or "").lower()
    row = 0
    for line, attributes in _entries(path, mapping.source.encoding):
        classes = {(value or "").lower() for value in attributes.get("objectclass", ())}
        if wanted and wanted not in classes:
            continue
        row += 1
        fields = {field: _field(path, line, field, column, attributes) for field, column in mapping.columns()}
        keyless = "Map another attribute as key, or name the accounts' object_class under [source]."
        yield rows.account(path, line, row, fields, system=mapping.system.id, keyless=keyless)


def _field(path: Path, line: int, field: str, column: str, attributes: _Values) -> str:
    values = _values(attributes, column.lower())
    if field in _SINGLE and len(values) > 1:
        cause = f"{column} has {len(values)} values"
        raise SourceRefused(path, line, cause, "Map an attribute that has one value, or correct the entry.")
    if not values:
        return ""
    if values[0] is None and field != "password":  # bytes that no recipe reads are no password
        raise SourceRefused(path, line, f"{column} holds no text", "Map another attribute, or correct the entry.")
    return values[0] or ""


def _values(attributes: _Values, column: str) -> list[str | None]:
    """What stands under exactly this description; failing that, under it with any options, such as ;lang-zh."""
    if column in attributes:
        return attributes[column]
    return [v for name, values in attributes.items() if name.partition(";")[0] == column for v in values]


def _entries(path: Path, encoding: str | None) -> Iterator[tuple[int, _Values]]:
    """(first line, attributes by lower-case description) for each entry; referrals and a search's end are none."""
    for first, record in _records(path, encoding):
        attributes: dict[str, list[str | None]] = {}
        for line, text in record:
            name, value = _value(path, line, text)
            if name == "changetype":
                raise SourceRefused(path, line, "a change record", "Export the entries themselves, e.g. with slapcat.")
            if name == "dn" and attributes:
                raise SourceRefused(path, line, "a second dn in one record", "Records are separated by a blank line.")
            attributes.setdefault(name, []).append(value)
        if "dn" in attributes:
            yield first, attributes
        else:
            _check_no_entry(path, first, attributes)


def _check_no_entry(path: Path, line: int, attributes: _Values) -> None:
    """A record without dn is what ldapsearch says beside entries: a referral, or that its search ended well."""
    (result,) = attributes.get("result", ["0"])[:1]
    if result is None or not result.startswith("0"):
        code = re.match(r"\d{0,3}", result or "")
        cause = f"the directory ended the search with result {code[0] if code else ''}"
        raise SourceRefused(path, line, cause, "The export is not whole: search again without limits, or use slapcat.")
    if not {"ref", "search", "result", "version"} & set(attributes):
        raise SourceRefused(path, line, "a record without dn", "Look for a blank line inside an entry.")


def _records(path: Path, encoding: str | None) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    """(first line, its logical lines) for each record; a version line before the first entry is no part of it."""
    record: list[tuple[int, str]] = []
    for line, text in _unfolded(path, encoding):
        if text:
            if record or not text.lower().startswith("version:"):
                record.append((line, text))
        elif record:
            yield record[0][0], record
            record = []
    if record:
        yield record[0][0], record


def _unfolded(path: Path, encoding: str | None) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first one; comments are left out (RFC 2849 notes 2 and 3)."""
    held: list[str] = []
    first = 0
    with opened(path, encoding, newline=None) as file:
        for line, raw in enumerate(file, 1):
            text = raw.rstrip("\n")
            if text.startswith(" "):
                if not held or not held[0]:
                    raise SourceRefused(path, line, "a continuation of nothing", "Look for a blank line in a value.")
                held.append(text[1:])
                continue
            if held and not held[0].startswith("#"):
                yield first, "".join(held)
            held, first = [text], line
    if held and not held[0].startswith("#"):
        yield first, "".join(held)


def _value(path: Path, line: int, text: str) -> tuple[str, str | None]:
    name, colon, value = text.partition(":")
    if not colon or not _DESCRIPTION.fullmatch(name):  # the text is not repeated: it may be half of somebody's value
        raise SourceRefused(path, line, "neither an attribute nor a comment", "Look for a line that was cut.")
    if value.startswith("<"):
        raise SourceRefused(path, line, "a value kept in another file", "Export with the values inside.")
    if not value.startswith(":"):
        return name.lower(), value.strip()
    try:
        octets = base64.b64decode(value[1:].strip(), validate=True)
    except (binascii.Error, ValueError):
        cure = "Export again; the line may be cut."
        raise SourceRefused(path, line, "a value that is no base64", cure) from None
    try:
        return name.lower(), octets.decode()
    except UnicodeDecodeError:
        return name.lower(), None
