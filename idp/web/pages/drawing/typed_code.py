"""A code as a person types it."""

from __future__ import annotations

import unicodedata

_LONGEST = 32


def meant(typed: str) -> str:
    """The code without blanks, in ordinary characters: keyboards of phones write full-width digits."""
    return "".join(unicodedata.normalize("NFKC", typed[:_LONGEST]).split())
