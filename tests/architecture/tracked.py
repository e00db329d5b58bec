"""The content of the repository: the files git tracks, as paths and as text."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked(*patterns: str) -> tuple[str, ...]:
    """Tracked files that are on disk, relative to the root."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, check=True)
    return tuple(name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file())


def text_of(name: str) -> str:
    """The file's text; empty for a file that is not text."""
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
