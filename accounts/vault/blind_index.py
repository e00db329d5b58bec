"""Searching a sealed column: one statement that finds a value under every live key of the vault."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from accounts.vault import MOST_KEYS, PROFILES, Vault

_TERMS = tuple(f"term_{i}" for i in range(MOST_KEYS * len(PROFILES)))


def matches(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """A condition true for rows whose blind index is one of `terms`; the number of parameters never changes."""
    return column.in_([sa.bindparam(name, type_=sa.LargeBinary) for name in _TERMS])


def terms(vault: Vault, value: str, *, kind: str) -> dict[str, bytes]:
    """The parameters of `matches` for this value: its index under every live key, the first repeated to fill up."""
    live = vault.indexes(value, kind=kind)
    filled = live + live[:1] * (len(_TERMS) - len(live))
    return dict(zip(_TERMS, filled, strict=True))
