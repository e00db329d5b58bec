"""Which encoding an export has: said by the mapping, or UTF-8 where every byte fits, or GB18030."""

from __future__ import annotations

import codecs
from pathlib import Path

from migration_tools.errors import SourceRefused

_BLOCK = 1 << 20


def encoding_of(path: Path, declared: str | None) -> str:
    """The encoding, proven over the whole file. Raises SourceRefused at the first line that does not fit."""
    candidates = [declared] if declared else ["utf-8", "gb18030"]
    broken: list[int] = []
    for encoding in candidates:
        line = _first_broken_line(path, encoding)
        if line is None:
            return "utf-8-sig" if encoding == "utf-8" else encoding
        broken.append(line)
    cause = f"the text is not {' or '.join(candidates)}"
    raise SourceRefused(path, broken[0], cause, "Export again as UTF-8, or name the encoding under [source].")


def _first_broken_line(path: Path, encoding: str) -> int | None:
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    line = 1
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                start = line
                try:
                    line += decoder.decode(block).count("\n")
                except UnicodeDecodeError as error:
                    return start + block[: max(error.start, 0)].count(b"\n")
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return line
    except OSError as error:
        raise SourceRefused(path, None, error.strerror or "unreadable", "Check the path.") from None
    return None
