"""The encoding of an export: named by the mapping, or UTF-8 where every byte fits, or GB18030.

UTF-8 bytes are often valid GB18030 bytes of other characters. A file that changes its encoding half-way would be read
without an error and with garbled names. So a file without a named encoding must be one of the two throughout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from migration_tools.errors import SourceRefused

_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 24
_HAN = re.compile("[\u4e00-\u9fff]")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_MARK = b"\xef\xbb\xbf"
_AGAIN = "Export again as UTF-8, or name the encoding under [source]."


def opened(path: Path, declared: str | None, *, newline: str | None) -> TextIO:
    """The file as text, after its byte order mark. Raises SourceRefused at the first line in another encoding."""
    file = path.open(encoding=encoding_of(path, declared), newline=newline)
    if file.read(1) != "\ufeff":
        file.seek(0)
    return file


def encoding_of(path: Path, declared: str | None) -> str:
    """The encoding, verified over the whole file. Raises SourceRefused at the first line that does not fit."""
    if declared is None:
        return _guessed(path)
    for number, line in _lines(path):
        if _decoded(line, declared) is None:
            raise SourceRefused(path, number, f"the text is not {declared}", _AGAIN)
    return declared


def _guessed(path: Path) -> str:
    surely_utf8 = not_utf8 = 0
    for number, line in _lines(path):
        if line.isascii():
            continue
        text, other = _decoded(line, "utf-8"), _decoded(line, "gb18030")
        if text is None and other is None:
            raise SourceRefused(path, number, "the text is not utf-8 or gb18030", _AGAIN)
        if text is None:
            not_utf8 = not_utf8 or number
        elif other is None or len(_HAN.findall(text)) > 1:  # one such character is chance, two in a whole line are not
            surely_utf8 = surely_utf8 or number
        if surely_utf8 and not_utf8:
            raise SourceRefused(path, number, "the encoding changes between utf-8 and gb18030", _AGAIN)
    return "gb18030" if not_utf8 else "utf-8"


def _decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every line with its number. In both encodings the byte of a line end is part of no other character."""
    number = 0
    for number, line in enumerate(_split(path), 1):
        if b"\0" in line:
            raise SourceRefused(path, number, "a NUL character", "Export again as text; the file may be UTF-16.")
        if number > 1 and line.startswith(_MARK):
            cure = "Two exports were joined here: merge each by itself."
            raise SourceRefused(path, number, "a byte order mark inside the file", cure)
        yield number, line


def _split(path: Path) -> Iterator[bytes]:
    """The lines, their ends kept, from a file of any size in little memory."""
    number = 1
    try:
        with path.open("rb") as file:
            rest = file.read(_BLOCK)
            if rest.startswith(_UTF_16):
                raise SourceRefused(path, 1, "the text is UTF-16", "Export again as UTF-8.")
            while block := file.read(_BLOCK):
                *lines, rest = (rest + block).splitlines(keepends=True)
                yield from lines
                number += len(lines)
                if len(rest) > _LONGEST_LINE:
                    cure = "Look for the export's line ends; a value this long belongs in no account."
                    raise SourceRefused(path, number, "a line of more than 16 MiB", cure)
            yield from rest.splitlines(keepends=True)
    except OSError as error:
        raise SourceRefused(path, None, error.strerror or "unreadable", "Check the path.") from None
