"""Rotation of the audit's key: each valid batch is signed once more, as a whole, under the new vault key.

The records keep their signatures, because each signature covers the one before it. No record is rewritten. Every batch
is an update of its own, so an interrupted rotation continues where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from accounts.audit import BATCH_PURPOSE, OF_BATCH, as_a_whole, audit_batches, broken_batch
from accounts.database import Connection, Statement
from accounts.errors import AccountsError
from accounts.vault import Vault

_number = sa.bindparam("number", type_=sa.BigInteger)
_AFTER = Statement(
    sa.select(audit_batches)
    .where(audit_batches.c.number > _number)
    .order_by(audit_batches.c.number)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_ONE = Statement(sa.select(audit_batches).where(audit_batches.c.number == _number))
_COUNTERSIGN = Statement(
    sa.update(audit_batches)
    .where(audit_batches.c.number == _number)
    .values(countersigned=sa.bindparam("signature", type_=sa.LargeBinary))
)


class ChainBroken(AccountsError):
    """A batch is not valid. Signing it again would make it look valid."""

    code = "audit_broken"
    cure = "Keep the database and every key as they are; see `yitong audit verify`, and compare with a backup."


@dataclass(frozen=True, slots=True)
class RotationProgress:
    """The outcome of one call. `after` is where the next call starts; None when every batch has been read."""

    read: int
    written: int
    after: int | None


def countersign(c: Connection, vault: Vault, most: int, *, after: int = 0) -> RotationProgress:
    """The next `most` batches after that number can be verified with the current key alone.

    Raises ChainBroken for an invalid batch; the batches before it are done.
    """
    batches = c.rows(_AFTER, number=after, most=most)
    older = [batch for batch in batches if not _is_current(vault, batch.seal)]
    wanting = [batch for batch in older if not _is_current(vault, batch.countersigned)]
    for batch in wanting:
        _sign(c, vault, batch)
    return RotationProgress(len(batches), len(wanting), batches[-1].number if len(batches) == most else None)


def _sign(c: Connection, vault: Vault, batch: Any) -> None:
    earlier = c.one(_ONE, number=batch.number - 1)
    before = b"" if earlier is None else earlier.seal
    events = c.rows(OF_BATCH, number=batch.number)
    broken = broken_batch(events, batch, before, vault)
    if broken is not None:
        raise ChainBroken(detail=f"batch {broken.batch}, record {broken.position}: {broken.reason}")
    signature = vault.sign(as_a_whole(events, batch, before), purpose=BATCH_PURPOSE)
    c.execute(_COUNTERSIGN, number=batch.number, signature=signature)


def _is_current(vault: Vault, signature: bytes | None) -> bool:
    return signature is not None and vault.knows(signature) and not vault.is_stale(signature)
