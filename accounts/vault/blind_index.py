"""Search in a sealed column: one statement finds a value under every live key of the vault."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from accounts.vault import MOST_KEYS, PROFILES, Vault

_TERMS = tuple(f"term_{i}" for i in range(MOST_KEYS * len(PROFILES)))


def matches(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """A condition that is true where the blind index is one of `terms`. The number of parameters never changes."""
    return column.in_([sa.bindparam(name, type_=sa.LargeBinary) for name in _TERMS])


def terms(vault: Vault, value: str, *, kind: str) -> dict[str, bytes]:
    """The parameters of `matches` for this value: its index under every live key, padded with the first one."""
    live = vault.indexes(value, kind=kind)
    filled = live + live[:1] * (len(_TERMS) - len(live))
    return dict(zip(_TERMS, filled, strict=True))
