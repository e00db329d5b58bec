"""Numbers that one export gave to several names. They are kept, so that the next export cannot capture them.

Nobody knows which of the names is right. An export that has only one of them would otherwise make that name the owner
of the number, and the others could never be linked. A conflict ends when a person here holds the number (after a check
at a counter or a registry), when its own system exports it with one name, or when the run that recorded it is undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from accounts.database import Connection, Statement, insert_unless_present, new_id
from accounts.database.bulk_select import BulkSelect
from accounts.identifiers import CitizenId
from accounts.merging.tables import contested_numbers, merge_runs
from accounts.vault import Vault

CONTESTED = "contested_numbers.sealed"

_INSERT = Statement(insert_unless_present(contested_numbers), columns=[col.key for col in contested_numbers.columns])
_FORGET = Statement(sa.delete(contested_numbers).where(contested_numbers.c.run_id == sa.bindparam("run")))
_OTHERS = BulkSelect(
    sa.select(contested_numbers.c.blind_index)
    .join(merge_runs, merge_runs.c.id == contested_numbers.c.run_id)
    .where(
        merge_runs.c.system != sa.bindparam("of_system"),
        merge_runs.c.state != "undoing",
        merge_runs.c.state != "undone",
    ),
    contested_numbers.c.blind_index,
)


def remember(c: Connection, vault: Vault, run_id: str, numbers: Sequence[CitizenId], *, now: datetime) -> None:
    """The run has found these numbers under several names each."""
    rows = [
        {
            "id": new_id(),
            "run_id": run_id,
            "sealed": vault.seal(number.canonical, place=CONTESTED),
            "blind_index": vault.index(number.canonical, kind=number.kind.value),
            "created_at": now,
        }
        for number in dict.fromkeys(numbers)
    ]
    if rows:
        c.execute_many(_INSERT, rows)


def contested(c: Connection, vault: Vault, system: str, numbers: Sequence[CitizenId]) -> frozenset[CitizenId]:
    """Which of these numbers a run of another system found under several names. Without a system: any run."""
    of_index = {index: n for n in numbers for index in vault.indexes(n.canonical, kind=n.kind.value)}
    return frozenset(of_index[bytes(row.blind_index)] for row in _OTHERS.rows(c, of_index, of_system=system))


def forget(c: Connection, run_id: str) -> None:
    """The conflicts that the run recorded are deleted."""
    c.execute(_FORGET, run=run_id)
