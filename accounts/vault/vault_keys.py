"""Which keys seal a database, so that a process with other keys is refused before it reads or writes anything.

Each key that ever sealed here has a row with a keyed check value. Only a holder of the same key can make it, and nobody
can learn the key from it. A connection is compared when it opens and every few seconds after (accounts.database), so a
node that missed a step of a rotation stops soon. docs/decisions/0050-a-database-knows-its-keys.md has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime, insert_unless_present, metadata
from accounts.errors import SealBroken, VaultKeyMismatch
from accounts.vault import Vault, resealing
from accounts.vault.resealing import SealedColumn

vault_keys = sa.Table(
    "vault_keys",
    metadata,
    sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key_id", sa.Text, nullable=False, unique=True),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("check_value", sa.LargeBinary, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("retired_at", UtcDateTime),
)
_ALL = Statement(sa.select(vault_keys).order_by(vault_keys.c.generation))
_RECORD = Statement(insert_unless_present(vault_keys))
_RETIRE = Statement(
    sa.update(vault_keys)
    .where(vault_keys.c.key_id != sa.bindparam("current"), vault_keys.c.retired_at.is_(None))
    .values(retired_at=sa.bindparam("now", type_=UtcDateTime))
)
_SAMPLE = 20  # rows of each column; some have no seal
_OWN_KEYS = (
    "Use the settings this database was made with: its own YITONG_VAULT_KEYS, or another YITONG_DATABASE_URL. "
    "While keys rotate, every node names both (docs/how-to/rotate-keys.md)."
)


class VaultKeys:
    """The keys of one vault, compared with those of the databases that it opens."""

    def __init__(
        self, vault: Vault, now: Callable[[], datetime], sealed: Sequence[SealedColumn] = resealing.SEALED
    ) -> None:
        """`sealed`: every sealed column of the program, tried where a database does not record its keys yet."""
        self._vault, self._now, self._sealed = vault, now, sealed

    def admit(self, c: Connection) -> None:
        """This vault's keys seal the database, and the database records them. Raises VaultKeyMismatch.

        If two processes start for the first time together, one records its key: each generation is inserted once. The
        other compares again.
        """
        while (rows := self.compare(c)) is not None and not self._record(c, rows):
            continue

    def compare(self, c: Connection) -> list[Any] | None:
        """The rows of the database's keys, or None where it has no table of them. Raises VaultKeyMismatch.

        This vault has every key that is not retired. Nothing is written.
        """
        tables = c.tables()
        rows = c.rows(_ALL) if vault_keys.name in tables else None
        for row in rows or ():
            self._check(row)
        if not rows:
            self._open_samples(c, tables)
        return rows

    def retire_older(self, c: Connection) -> int:
        """Retire every key but the current one, under which all is sealed by now. Returns how many were retired."""
        return c.execute(_RETIRE, current=self._vault.key_ids[0], now=self._now())

    def _check(self, row: Any) -> None:
        current = row.key_id == self._vault.key_ids[0]
        check_value = self._vault.check_value(row.key_id, row.profile)
        if check_value is None and row.retired_at is None:
            cause = f"The database is sealed under the key {row.key_id}, which YITONG_VAULT_KEYS does not have."
            raise VaultKeyMismatch(cause, _OWN_KEYS)
        if check_value is not None and check_value != bytes(row.check_value):
            cause = f"The key {row.key_id} in YITONG_VAULT_KEYS is another than the {row.key_id} of this database."
            raise VaultKeyMismatch(cause, _OWN_KEYS)
        if current and row.retired_at is not None:
            cause = f"The key {row.key_id} was retired: nothing may be sealed under it any more."
            raise VaultKeyMismatch(cause, "Put the newest key in front in YITONG_VAULT_KEYS.")
        if current and row.profile != self._vault.profile:
            cause = f"The key {row.key_id} seals in the profile {row.profile} here, not in {self._vault.profile}."
            cure = f"Set YITONG_CRYPTO_PROFILE={row.profile}; another profile comes with a new key in front."
            raise VaultKeyMismatch(cause, cure)

    def _record(self, c: Connection, rows: Sequence[Any]) -> bool:
        """True if the current key is recorded. False when another process inserted a row first.

        Any of these keys may have sealed a database that is older than this table, so all are recorded there, the
        current one last. After an interruption the next start continues.
        """
        known = {row.key_id for row in rows}
        current, *older = self._vault.key_ids
        missing = [key_id for key_id in (*(older if not rows else ()), current) if key_id not in known]
        if not rows and self._is_empty(c):
            missing = [current]
        generation = max((row.generation for row in rows), default=0)
        return all(self._insert(c, key_id, generation + n) for n, key_id in enumerate(missing, 1))

    def _insert(self, c: Connection, key_id: str, generation: int) -> bool:
        row = {"generation": generation, "key_id": key_id, "profile": self._vault.profile}
        value = self._vault.check_value(key_id, self._vault.profile)
        return c.execute(_RECORD, **row, check_value=value, since=self._now(), retired_at=None) == 1

    def _is_empty(self, c: Connection) -> bool:
        return not any(True for _ in self._samples(c, c.tables()))

    def _open_samples(self, c: Connection, tables: frozenset[str]) -> None:
        """Open samples of what earlier releases sealed. Raises VaultKeyMismatch."""
        for column, sealed in self._samples(c, tables):
            try:
                self._vault.open(sealed, place=column.place)
            except SealBroken:
                cause = f"What {column.name} holds does not open with the keys in YITONG_VAULT_KEYS."
                raise VaultKeyMismatch(cause, _OWN_KEYS) from None

    def _samples(self, c: Connection, tables: frozenset[str]) -> Any:
        for column in self._sealed:
            if column.sealed.table.name in tables:
                for row in column.page(c, (), _SAMPLE):
                    if row.sealed is not None:
                        yield column, bytes(row.sealed)
