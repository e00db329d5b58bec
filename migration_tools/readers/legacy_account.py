"""The two results of every reader: a LegacyAccount, unchanged, or a RefusedRow with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LegacyAccount:
    """One row of one older system, as text. Empty means that the source has no value. Nothing is repaired here."""

    system: str
    row: int  # counted from 1 over every row, refused ones too; the same file gives the same rows
    uid: str
    login_name: str = field(repr=False)
    name: str = field(default="", repr=False)
    number: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    birth: str = field(default="", repr=False)
    sex: str = field(default="", repr=False)
    last_login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    salt: str = field(default="", repr=False)
    password_user: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """One row whose borders are certain and which is no account. It is counted and named, never repaired."""

    line: int  # of the file, where the fault or its row begins
    cause: str  # this and the cure repeat no value of the row
    cure: str
