"""Directory exports in LDIF (RFC 2849): content records, folded lines, base64 values."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from collections.abc import Mapping as Attributes
from pathlib import Path

from migration_tools.errors import SourceRefused
from migration_tools.legacy import LegacyAccount
from migration_tools.mapping import Mapping
from migration_tools.readers.decoding import encoding_of

FORMAT = "ldif"
_SINGLE = frozenset({"uid", "number", "name", "login_name", "password"})  # two values would be two people or two keys
_Entry = tuple[int, dict[str, list[str]]]


def read(path: Path, mapping: Mapping) -> Iterator[LegacyAccount]:
    """Every entry of the mapped object class (every entry, without one). Raises SourceRefused at what is no LDIF."""
    wanted = (mapping.source.object_class or "").lower()
    row = 0
    for line, attributes in _entries(path, mapping.source.encoding):
        classes = {value.lower() for value in attributes.get("objectclass", ())}
        if wanted and wanted not in classes:
            continue
        row += 1
        yield _account(path, line, row, attributes, mapping)
    if row == 0:
        return


def _account(
    path: Path, line: int, row: int, attributes: Attributes[str, list[str]], mapping: Mapping
) -> LegacyAccount:
    fields: dict[str, str] = {}
    for field, column in mapping.columns():
        values = attributes.get(column.lower(), [])
        if field in _SINGLE and len(values) > 1:
            cause = f"{column} has {len(values)} values"
            raise SourceRefused(path, line, cause, "Map an attribute that has one value, or correct the entry.")
        fields[field] = values[0].strip() if values else ""
    if not fields["uid"]:
        cure = "Map another attribute as key, or name the accounts' object_class under [source]."
        raise SourceRefused(path, line, f"an entry without {mapping.source.key}", cure)
    fields.setdefault("login_name", fields["uid"])
    return LegacyAccount(mapping.system.id, row, **fields)


def _entries(path: Path, encoding: str | None) -> Iterator[_Entry]:
    """(first line, attributes by lower-case name) for each record."""
    attributes: dict[str, list[str]] = {}
    first = 0
    for line, text in _unfolded(path, encoding_of(path, encoding)):
        if not text:
            if attributes:
                yield first, attributes
                attributes = {}
            continue
        name, value = _value(path, line, text)
        if name == "version" and not attributes:
            continue
        if name == "changetype":
            raise SourceRefused(path, line, "a change record", "Export the entries themselves, e.g. with slapcat.")
        if name == "dn" and attributes:
            raise SourceRefused(path, line, "a second dn in one record", "Records are separated by a blank line.")
        first = line if not attributes else first
        attributes.setdefault(name, []).append(value)
    if attributes:
        yield first, attributes


def _unfolded(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first one; comments are left out (RFC 2849 notes 2 and 3)."""
    held, first, line = None, 0, 0
    with path.open(encoding=encoding, newline=None) as file:
        for line, raw in enumerate(file, 1):
            text = raw.rstrip("\n")
            if text.startswith(" ") and held is not None:
                held += text[1:]
                continue
            if held is not None and not held.startswith("#"):
                yield first, held
            held, first = text, line
    if held is not None and not held.startswith("#"):
        yield first, held


def _value(path: Path, line: int, text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise SourceRefused(path, line, "neither an attribute nor a comment", "Look for a line that was cut.")
    name = name.partition(";")[0].strip().lower()  # options such as ;lang-zh do not change what it is
    if value.startswith("<"):
        raise SourceRefused(path, line, "a value kept in another file", "Export with the values inside.")
    if not value.startswith(":"):
        return name, value.strip()
    try:
        return name, base64.b64decode(value[1:].strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        if name in {"jpegphoto", "usercertificate", "cacertificate", "photo"}:
            return name, ""
        raise SourceRefused(path, line, f"{name} is no base64 of text", "Export again; the line may be cut.") from None
