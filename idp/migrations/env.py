"""How Alembic meets our database: the connection is handed in by `idp.migrations`, inside its transaction."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from accounts.database import Json, UtcDateTime, metadata
from idp.migrations import load_tables


def plain_type(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """A revision names what the database stores: it must still run when our own types have changed."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.BigInteger()"
    if kind == "type" and isinstance(item, Json):
        return "sa.Text()"
    return False


load_tables()
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_item=plain_type,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
