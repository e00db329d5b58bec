"""Recovery codes: ten codes on paper, each good once, for a person whose phone is lost or broken.

A code has 80 random bits, so guessing needs no counter. What is stored is a digest, and the digest is sealed: a stolen
database without the vault's keys gives nothing to search (docs/decisions/0074-second-factors.md).
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.database import Connection, Redemption, Statement, UtcDateTime, metadata, new_id
from accounts.vault import Vault

COUNT = 10
PLACE = "recovery_codes.sealed"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_LENGTH, _GROUP = 16, 4
_READ_AS = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None})

recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the code's digest
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
)
_t = recovery_codes.c
_INSERT = Statement(sa.insert(recovery_codes))
_FORGET = Statement(sa.delete(recovery_codes).where(_t.person_id == sa.bindparam("person")))
_OF = Statement(sa.select(_t.id, _t.sealed, _t.created_at, _t.used_at).where(_t.person_id == sa.bindparam("person")))
SPEND_RECOVERY_CODE = Redemption(
    sa.update(recovery_codes)
    .where(_t.id == sa.bindparam("code_id"), _t.used_at.is_(None))
    .values(used_at=sa.bindparam("now", type_=UtcDateTime)),
    audit_events,
)


@dataclass(frozen=True, slots=True)
class RecoveryCodes:
    """What is known of a person's codes: how many are left, and when they were made."""

    left: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewCodes:
    """Codes that nobody has seen yet, in groups of four. They are never shown again."""

    codes: tuple[str, ...] = field(repr=False)


def renew(c: Connection, vault: Vault, person_id: str, *, now: datetime) -> NewCodes:
    """Ten new codes of the person. Every earlier code is void."""
    codes = tuple(in_groups(random_text(_LENGTH)) for _ in range(COUNT))
    c.execute(_FORGET, person=person_id)
    c.execute_many(_INSERT, [_row(vault, person_id, code, now) for code in codes])
    return NewCodes(codes)


def spend(c: Connection, vault: Vault, person_id: str, code: str, *, now: datetime, record: Mapping[str, Any]) -> bool:
    """True if this is an unused code of the person. It is used now, and `record` is written with it. Two statements."""
    typed = _digest(code)
    fitting = [
        row.id
        for row in c.rows(_OF, person=person_id)
        if row.used_at is None and secrets.compare_digest(vault.open(row.sealed, place=PLACE), typed)
    ]
    return any(c.redeem(SPEND_RECOVERY_CODE, {"code_id": each, "now": now}, record) for each in fitting)


def of(c: Connection, person_id: str) -> RecoveryCodes | None:
    """How many codes the person has left. None if they never had any."""
    rows = c.rows(_OF, person=person_id)
    if not rows:
        return None
    return RecoveryCodes(sum(row.used_at is None for row in rows), max(row.created_at for row in rows))


def forget(c: Connection, person_id: str) -> None:
    """The person has no codes."""
    c.execute(_FORGET, person=person_id)


def random_text(length: int) -> str:
    """Random characters that people can read aloud and copy: five bits each."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def in_groups(text: str) -> str:
    """The text in groups of four, as it is shown and printed."""
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def meant(typed: str) -> str:
    """The code as it was meant: any case, width and grouping, and o, i, l read as the digits they look like."""
    return "".join(unicodedata.normalize("NFKC", typed).split()).casefold().translate(_READ_AS)


def _digest(code: str) -> str:
    return sha256(meant(code).encode("utf-8", "replace")).hexdigest()


def _row(vault: Vault, person_id: str, code: str, now: datetime) -> dict[str, Any]:
    sealed = vault.seal(_digest(code), place=PLACE)
    return {"id": new_id(), "person_id": person_id, "sealed": sealed, "created_at": now, "used_at": None}
