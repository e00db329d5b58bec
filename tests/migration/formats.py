"""SAMPLES: for each format a mapping, rows and faults. The tests of this folder run over them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.migration.bench import HEADER, MAPPING, number, row
from tests.migration.faulty import (
    BROKEN,
    ENTRY,
    FIRST,
    LDIF,
    NAME,
    PHONE,
    SECOND,
    WHOLE,
    A,
    B,
    between,
    entries,
    entry,
    lines,
)

Faults = Mapping[str, tuple[str | bytes, int, str]]  # the fault: the file, the line in the error, the reason


@dataclass(frozen=True)
class Sample:
    """One format. A row has the key `str(i)`, the number `number(100 + i)` and its own line end."""

    mapping: str
    head: str  # the text before the first row
    row: Callable[[int], str]
    signs: str  # characters that damage a row at any place
    row_faults: Faults  # in the second of three rows; the others are sound
    file_faults: Faults


def csv_of(i):
    return f"{i},user{i},王{'明芳华国'[i % 4]},{number(100 + i)},1951-02-03,,a word,{i}\n"


def ldif_of(i):
    return (
        f"dn: uid={i},dc=x\nuid: {i}\ncn: name {i}\nemployeeNumber: {number(100 + i)}\nmobile: 1390000000{i % 10}\n\n"
    )


CSV_ROW_FAULTS = {
    "too few fields": (between(BROKEN), 3, "4 fields where the header has 8"),
    "too many fields": (between(f"{SECOND},{PHONE}"), 3, "9 fields where the header has 8"),
    "a line break in a name": (
        between(SECOND.replace("王芳", '"王\n芳"')),
        3,
        "a line break or control character in name",
    ),
    "a key with a control character": (
        between(row("2\x1b[2J", "王芳", B)),
        3,
        "a line break or control character in uid",
    ),
    "a huge key": (between(row("k" * 201, "王芳", B)), 3, "a key of more than 200 characters"),
    "no key": (between(row("  ", "王芳", B)), 3, "the key is empty"),
}
CSV_FILE_FAULTS = {
    "UTF-16": (WHOLE.encode("utf-16"), 1, "the text is UTF-16"),
    "UTF-16 without a mark": (WHOLE.encode("utf-16-le"), 1, "a NUL character"),
    "UTF-32": (WHOLE.encode("utf-32"), 1, "the text is UTF-16"),
    "Latin-1": (lines("1,a,José,,,,,").encode("latin-1"), 2, "the text is not utf-8 or gb18030"),
    "GB18030 after UTF-8": (
        lines(FIRST).encode() + f"{SECOND}\n".encode("gb18030"),
        3,
        "the encoding changes between utf-8 and gb18030",
    ),
    "UTF-8 after GB18030": (
        lines(SECOND).encode("gb18030") + f"{FIRST}\n".encode(),
        3,
        "the encoding changes between utf-8 and gb18030",
    ),
    "cut in a character": (lines(FIRST, f"2,u,{NAME}").encode()[:-2], 3, "the encoding changes"),
    "NUL bytes": (lines(FIRST, SECOND.replace("王", "\0")), 3, "a NUL character"),
    "two exports joined": (WHOLE.encode("utf-8-sig") * 2, 4, "a byte order mark inside the file"),
    "the header twice": (WHOLE * 2, 4, "the header again"),
    "no header": (f"{FIRST}\n{SECOND}\n", 1, "the first line has none of the mapped columns"),
    "another delimiter": (WHOLE.replace(",", ";"), 1, "the first line has none of the mapped columns"),
    "a missing column": (WHOLE.replace("salt", "pepper", 1), 1, "no column salt"),
    "a header twice in it": (lines().replace("salt", "salt,salt"), 1, "a column name occurs twice"),
    "a quote never closed": (lines(FIRST, SECOND.replace("王", '"王'), SECOND), 3, "unexpected end of data"),
    "two quotes never closed": (
        lines(row(1, f'"{NAME}', A), row(2, "周五", B), row(3, '周六"', B)),
        2,
        "a field that holds a whole row",
    ),
    "two quotes in different columns": (
        lines(row(1, f'"{NAME}', A), row(2, "周五", B, login='x"')),
        2,
        "9 fields where the header has 8, over several lines",
    ),
    "a line end lost": (lines(FIRST + SECOND), 2, "15 fields where the header has 8: enough for two rows"),
    "text behind a quote": (lines(SECOND.replace("王芳", f'"{NAME}"王')), 2, "',' expected after '\"'"),
    "a huge field": (lines(FIRST, row(2, "王" * 140_000, B)), 3, "field larger than field limit (131072)"),
    "a huge line": (WHOLE + "x" * 17_000_000, 4, "a line of more than 16 MiB"),
    "an empty file": ("", 1, "the file is empty"),
    "blank lines only": ("\r\n\r\n", 1, "the file is empty"),
}
LDIF_ROW_FAULTS = {
    "base64 cut": (entries(entry("mobile:: MTM5MDAw\nsn:: MTM5MD\n")), 9, "a value that is no base64"),
    "a dn cut": (entries("dn:: MTM5MD\nuid: r2\n"), 6, "a value that is no base64"),
    "base64 of bytes": (entries(entry("cn:: /9j/\n")), 6, "cn holds no text"),
    "base64 of a NUL": (entries(entry("", "uid:: cgBx\n")), 6, "a line break or control character in uid"),
    "a fold without its space": (
        entries(entry(f"description: one\n{PHONE}\n")),
        9,
        "neither an attribute nor a comment",
    ),
    "half a value": (entries(entry(f"{B}: x\n")), 8, "neither an attribute nor a comment"),
    "two names": (entries(entry(f"cn: {NAME}\ncn: {NAME}\n")), 6, "cn has 2 values"),
    "two keys": (entries(entry("uid: r3\n")), 6, "uid has 2 values"),
    "no key in an entry": (entries(entry(f"cn: {NAME}\n", "")), 6, "the key is empty"),
    "a file elsewhere": (entries(entry(f"photo:< file:///{PHONE}\n")), 8, "a value kept in another file"),
}
LDIF_FILE_FAULTS = {
    "a fold after a blank line": (f"{ENTRY}\n {NAME}\n", 6, "a continuation of nothing"),
    "a fold first": (f" {NAME}\n{ENTRY}", 1, "a continuation of nothing"),
    "no dn": (f"{ENTRY}\nuid: r2\ncn: {NAME}\n", 6, "a record without dn"),
    "two dns": (ENTRY * 2, 5, "a dn inside a record"),
    "a dn behind a damaged line": (f"{ENTRY}\n{PHONE}\n{ENTRY}", 7, "a dn inside a record"),
    "a damaged line without dn": (f"{ENTRY}\nref: x\n{PHONE}\n", 6, "a record without dn"),
    "changes": ("dn: uid=r1\nchangetype: delete\n", 2, "a change record"),
    "a search cut short": (f"{ENTRY}\nsearch: 2\nresult: 4 Size\n", 6, "ended the search with result 4"),
    "half UTF-16": (ENTRY.encode() + ENTRY.encode("utf-16-le"), 5, "a NUL character"),
}

SAMPLES = {
    "csv": Sample(MAPPING, f"{HEADER}\n", csv_of, '",x\n\r ', CSV_ROW_FAULTS, CSV_FILE_FAULTS),
    "ldif": Sample(LDIF, "", ldif_of, '":x\n #', LDIF_ROW_FAULTS, LDIF_FILE_FAULTS),
}
