"""The database's statistics of its own tables, refreshed while a merge fills them."""

from __future__ import annotations

import sqlalchemy as sa

from accounts.database import Connection, Statement
from accounts.merging.linking import linked_accounts
from accounts.merging.tables import merge_journal
from accounts.people import natural_persons, person_identifiers

_ANALYZE = tuple(
    Statement(sa.text(f"ANALYZE {table.name}"))
    for table in (natural_persons, person_identifiers, linked_accounts, merge_journal)
)


def gather(c: Connection) -> None:
    """The database plans its next statements for the tables as large as they are now.

    A first merge fills tables that were empty when their statements were planned. PostgreSQL would go on reading them
    whole, and each batch would be slower than the one before.
    """
    for statement in _ANALYZE:
        c.execute(statement)
