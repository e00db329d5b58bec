"""Passwords: one hasher that bounds how many checks run at once, and the sealed row that holds a person's hash.

Argon2id (RFC 9106) over the NFKC form. The vault seals the encoded hash, so nobody can guess at a stolen database
without a key that is not in it (NIST SP 800-63B-4 asks for such a keyed step). The key rotates with all others.
"""

from __future__ import annotations

import importlib.metadata
import os
import secrets
import time
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import argon2
import sqlalchemy as sa
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.dialects.postgresql import insert as insert_with_conflict

from accounts.credentials.bulkhead import Aside, Bulkhead
from accounts.database import Connection, Statement, UtcDateTime, insert_unless_present, metadata
from accounts.vault import Vault

CREDENTIAL = "password_credentials.sealed"
_NATIVE = "Build: 1native"  # what scripts/native-argon2 writes into the package it builds
LONGEST = 256  # code points; the policy refuses more, and so does the hasher before it spends anything
_Result = TypeVar("_Result")
Priority = Callable[[], bool]


def _stranger() -> bool:
    return False


password_credentials = sa.Table(
    "password_credentials",
    metadata,
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the encoded Argon2id hash
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),  # the secret itself; hashing it anew does not count
    sa.CheckConstraint("origin IN ('chosen', 'adopted')", name="origin"),
)

_columns = password_credentials.c
_ORIGIN = Statement(
    sa.select(password_credentials.c.origin).where(password_credentials.c.person_id == sa.bindparam("person_id"))
)
_READ = Statement(sa.select(password_credentials).where(_columns.person_id == sa.bindparam("person_id")))
_insert = insert_with_conflict(password_credentials)
_STORE = Statement(
    _insert.on_conflict_do_update(
        index_elements=["person_id"],
        set_={name: _insert.excluded[name] for name in ("sealed", "origin", "changed_at")},
    ),
    columns=[c.key for c in _columns],
)
_ADOPT = Statement(insert_unless_present(password_credentials), columns=[c.key for c in _columns])
_REPLACE_HASH = Statement(
    sa.update(password_credentials)
    .where(_columns.person_id == sa.bindparam("person"), _columns.sealed == sa.bindparam("was"))
    .values(sealed=sa.bindparam("new_sealed", type_=sa.LargeBinary))
)
_REPLACE = Statement(
    sa.update(password_credentials)
    .where(_columns.person_id == sa.bindparam("person"), _columns.sealed == sa.bindparam("was"))
    .values(
        sealed=sa.bindparam("new_sealed", type_=sa.LargeBinary),
        origin=sa.bindparam("new_origin"),
        changed_at=sa.bindparam("now", type_=UtcDateTime),
    )
)
_FORGET = Statement(sa.delete(password_credentials).where(_columns.person_id == sa.bindparam("person_id")))


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one Argon2id hash, and how long it took where it was measured."""

    memory_kib: int
    passes: int
    lanes: int
    took: timedelta


class PasswordHasher:
    """Hashes and verifies, `concurrent` at a time. Threads may share it.

    Without the bound Argon2 releases the GIL and takes every core; other requests then wait ten times longer.
    """

    def __init__(
        self,
        *,
        memory_kib: int = 19456,
        passes: int = 2,
        lanes: int = 1,
        concurrent: int | None = None,
        wait: timedelta = timedelta(milliseconds=50),
        aside: Aside = nullcontext,
    ) -> None:
        """`concurrent` defaults to one check a core; a call waits up to `wait` for its turn, then raises Busy.

        It waits inside `aside()`. Where `priority` says so a call goes before others, and waits longer.
        """
        self._argon2 = argon2.PasswordHasher(passes, memory_kib, lanes)
        self._bulkhead = Bulkhead(concurrent or os.cpu_count() or 1, wait, named="password checks", aside=aside)
        self._nothing = _encoded_nothing(memory_kib, passes, lanes)

    def is_crowded(self) -> bool:
        """Whether a stranger's check would be refused at once."""
        return self._bulkhead.is_crowded()

    def hash(self, password: str, *, priority: Priority = _stranger) -> str:
        """The encoded Argon2id hash of the password's NFKC form, with a fresh salt. Raises Busy."""
        return self._bulkhead.run(lambda: self._argon2.hash(_normal(password)), priority=priority)

    def verify(self, encoded: str, password: str, *, priority: Priority = _stranger) -> bool:
        """Whether the hash is of this password. Raises Busy. A hash that cannot be read verifies nothing."""
        return self._bulkhead.run(lambda: self._verified(encoded, password), priority=priority)

    def verify_nothing(self, password: str, *, priority: Priority = _stranger) -> bool:
        """False, after the time `verify` takes: for a person who does not exist or has no password. Raises Busy."""
        return self.verify(self._nothing, password, priority=priority) and False

    def in_turn(self, work: Callable[[], _Result], *, priority: Priority = _stranger) -> _Result:
        """The result of `work`, run in one of our turns: the hash of an older system takes a core, too. Raises Busy."""
        return self._bulkhead.run(work, priority=priority)

    def needs_rehash(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than ours are now."""
        return self._argon2.check_needs_rehash(encoded)

    def _verified(self, encoded: str, password: str) -> bool:
        try:
            return self._argon2.verify(encoded, _normal(password))
        except (VerificationError, InvalidHashError):
            return False


def _encoded_nothing(memory_kib: int, passes: int, lanes: int) -> str:
    """A hash that costs what ours cost and matches no password: its digest is random, not computed."""
    salt, digest = (b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (16, 32))
    return f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${digest}"


def _normal(password: str) -> bytes:
    """NFKC, so that full-width and composed forms of one word are the same password. At most LONGEST characters."""
    return unicodedata.normalize("NFKC", password[: LONGEST + 1]).encode("utf-8", "surrogatepass")


def calibrate(target: timedelta = timedelta(milliseconds=100), *, memory_kib: int = 19456) -> Parameters:
    """The costliest parameters whose hash takes at most `target` on this machine, never below OWASP's minimum.

    It raises the passes before the memory, because every check that runs at the same time needs the memory.
    """
    best = measured(memory_kib, 2)
    for memory, passes in ((memory_kib, 3), (memory_kib, 4), (2 * memory_kib, 2), (2 * memory_kib, 4)):
        tried = measured(memory, passes)
        if tried.took <= target and tried.took > best.took:
            best = tried
    return best


def measured(memory_kib: int, passes: int) -> Parameters:
    """What one hash of these parameters costs on this machine now."""
    hasher = argon2.PasswordHasher(passes, memory_kib, 1)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        hasher.hash("calibration")
        took.append(time.perf_counter() - start)
    return Parameters(memory_kib, passes, 1, timedelta(seconds=sorted(took)[1]))


def is_native() -> bool:
    """Whether Argon2 was built for this machine's processor (scripts/native-argon2)."""
    wheel = importlib.metadata.distribution("argon2-cffi-bindings").read_text("WHEEL") or ""
    return _NATIVE in wheel.splitlines()


def read(c: Connection, vault: Vault, person_id: str) -> str | None:
    """The person's encoded hash, or None. Raises SealBroken."""
    row = c.one(_READ, person_id=person_id)
    return vault.open(row.sealed, place=CREDENTIAL) if row else None


def store(c: Connection, vault: Vault, person_id: str, encoded: str, *, now: datetime) -> None:
    """This is the person's password from now on. Raises Conflict for a person who does not exist."""
    c.execute(_STORE, **_row(vault, person_id, encoded, "chosen", now))


def adopt(c: Connection, vault: Vault, person_id: str, encoded: str, *, now: datetime) -> bool:
    """The older system's password becomes the person's. False if the person has one already, which stays."""
    return c.execute(_ADOPT, **_row(vault, person_id, encoded, "adopted", now)) == 1


def replace_hash(c: Connection, vault: Vault, person_id: str, was: bytes, encoded: str) -> bool:
    """The same password under new parameters or keys. False if it changed since `was` was read."""
    return c.execute(_REPLACE_HASH, person=person_id, was=was, new_sealed=vault.seal(encoded, place=CREDENTIAL)) == 1


def stored(c: Connection, person_id: str) -> Any | None:
    """The person's row (sealed, origin, changed_at), or None. It is what `replace` needs to know was not changed."""
    return c.one(_READ, person_id=person_id)


def replace(
    c: Connection, vault: Vault, person_id: str, was: bytes | None, encoded: str, *, origin: str, now: datetime
) -> bool:
    """The person has this password instead of the one sealed as `was`, or instead of none.

    False, and nothing has changed, if it is another one by now: of two changes at once one wins.
    """
    sealed = vault.seal(encoded, place=CREDENTIAL)
    if was is None:
        row = {"person_id": person_id, "sealed": sealed, "origin": origin, "created_at": now, "changed_at": now}
        return c.execute(_ADOPT, **row) == 1
    return c.execute(_REPLACE, person=person_id, was=was, new_sealed=sealed, new_origin=origin, now=now) == 1


def is_chosen(c: Connection, person_id: str) -> bool:
    """True if the person chose their password here. False for an older system's password, and without one."""
    row = c.one(_ORIGIN, person_id=person_id)
    return row is not None and row.origin == "chosen"


def forget(c: Connection, person_id: str) -> bool:
    """The person has no password. False if they had none."""
    return c.execute(_FORGET, person_id=person_id) == 1


def _row(vault: Vault, person_id: str, encoded: str, origin: str, now: datetime) -> dict[str, object]:
    sealed = vault.seal(encoded, place=CREDENTIAL)
    return {"person_id": person_id, "sealed": sealed, "origin": origin, "created_at": now, "changed_at": now}
