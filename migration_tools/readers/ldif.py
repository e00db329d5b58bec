"""Directory exports in LDIF (RFC 2849), as slapcat and ldapsearch write it: content records, folds, base64 values."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Attributes
from pathlib import Path

from migration_tools.errors import SourceRefused
from migration_tools.mapping import Mapping
from migration_tools.readers.decoding import opened
from migration_tools.readers.legacy_account import RefusedRow
from migration_tools.readers.rows import SourceRow

FORMAT = "ldif"
KEYLESS = "Map another attribute as key, or name the accounts' object_class under [source]."
_SINGLE = frozenset({"uid", "number", "name", "login_name", "password"})  # two values would be two people or two keys
_DESCRIPTION = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)(?:;[A-Za-z0-9-]+)*")
_Values = Attributes[str, list[str | None]]  # None for a value that is no text
_Record = list[tuple[int, str]]  # its logical lines, each with the number of its first line


def read(path: Path, mapping: Mapping) -> Iterator[SourceRow | RefusedRow]:
    """Every entry of the mapped object class (every entry, without one). Raises SourceRefused at a doubtful border."""
    wanted = (mapping.source.object_class or "").lower()
    columns = mapping.columns()
    for record in _records(path, mapping.source.encoding):
        attributes, damage = _attributes(path, record)
        if "dn" not in attributes:
            _check_no_entry(path, record[0][0], attributes, damage)
        elif damage is not None:  # in any class, because the damaged line may have been the class
            yield damage
        elif not wanted or wanted in {(value or "").lower() for value in attributes.get("objectclass", ())}:
            yield _found(record[0][0], attributes, columns)


def _found(line: int, attributes: _Values, columns: Sequence[tuple[str, str]]) -> SourceRow | RefusedRow:
    fields = {}
    for field, column in columns:
        values = _values(attributes, column.lower())
        if field in _SINGLE and len(values) > 1:
            cure = "Map an attribute that has one value, or correct the entry."
            return RefusedRow(line, f"{column} has {len(values)} values", cure)
        value = values[0] if values else ""
        if value is None and field != "password":  # bytes that no recipe reads are not a password
            return RefusedRow(line, f"{column} holds no text", "Map another attribute, or correct the entry.")
        fields[field] = value or ""
    return SourceRow(line, fields)


def _values(attributes: _Values, column: str) -> list[str | None]:
    """The values of exactly this description; without any, those with options such as ;lang-zh."""
    if column in attributes:
        return attributes[column]
    return [v for name, values in attributes.items() if name.partition(";")[0] == column for v in values]


def _attributes(path: Path, record: _Record) -> tuple[_Values, RefusedRow | None]:
    """A record's values by lower-case description, and the first of its lines that cannot be read.

    The record lies between blank lines and starts with its dn, so damage inside it belongs to this entry only. A second
    dn belongs to another entry. A change record is refused.
    """
    attributes: dict[str, list[str | None]] = {}
    damage = None
    for line, text in record:
        name, value = _value(line, text)
        if name == "changetype":
            raise SourceRefused(path, line, "a change record", "Export the entries themselves, e.g. with slapcat.")
        if name == "dn" and line != record[0][0]:
            raise SourceRefused(path, line, "a dn inside a record", "Records are separated by a blank line.")
        if isinstance(value, RefusedRow):
            damage = damage or value
        attributes.setdefault(name, []).append(None if isinstance(value, RefusedRow) else value)
    return attributes, damage


def _check_no_entry(path: Path, line: int, attributes: _Values, damage: RefusedRow | None) -> None:
    """A record without dn is what ldapsearch writes beside entries: a referral, or the result of its search."""
    result = attributes.get("result", ["0"])[0]
    if result is None or not result.startswith("0"):
        code = re.match(r"\d{0,3}", result or "")
        cause = f"the directory ended the search with result {code[0] if code else ''}"
        raise SourceRefused(path, line, cause, "The export is not whole: search again without limits, or use slapcat.")
    if damage is not None or not {"ref", "search", "result", "version"} & set(attributes):
        raise SourceRefused(path, line, "a record without dn", "Look for a blank line inside an entry.")


def _records(path: Path, encoding: str | None) -> Iterator[_Record]:
    """Each record. A version line before the first entry belongs to none."""
    record: _Record = []
    for line, text in _unfolded(path, encoding):
        if text:
            if record or not text.lower().startswith("version:"):
                record.append((line, text))
        elif record:
            yield record
            record = []
    if record:
        yield record


def _unfolded(path: Path, encoding: str | None) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first line, without comments (RFC 2849 notes 2 and 3)."""
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


def _value(line: int, text: str) -> tuple[str, str | RefusedRow | None]:
    """The description and value of a logical line. The value is None where it is no text."""
    name, colon, value = text.partition(":")
    if not colon or not _DESCRIPTION.fullmatch(name):  # the text is not repeated: it may be half of somebody's value
        return "", RefusedRow(line, "neither an attribute nor a comment", "Look for a line that was cut.")
    if value.startswith("<"):
        return name.lower(), RefusedRow(line, "a value kept in another file", "Export with the values inside.")
    if not value.startswith(":"):
        return name.lower(), value.strip()
    try:
        octets = base64.b64decode(value[1:].strip(), validate=True)
    except (binascii.Error, ValueError):
        return name.lower(), RefusedRow(line, "a value that is no base64", "Export again; the line may be cut.")
    try:
        return name.lower(), octets.decode()
    except UnicodeDecodeError:
        return name.lower(), None
