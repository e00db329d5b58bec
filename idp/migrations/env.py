"""How Alembic gets our database: `idp.migrations` passes the connection, with its transaction open."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from accounts.database import Json, UtcDateTime, metadata
from idp.migrations import load_tables


def plain_type(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """A revision names the type that the database stores, so it still runs when our own types have changed."""
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
