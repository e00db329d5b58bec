"""what strangers leave: open requests are counted where they come from, failed logins of nobody leave the audit"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "e5a13c0d7f46"
down_revision = "5e0c6b1f9a47"
branch_labels = None
depends_on = None

_OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    op.create_table(
        "failed_logins",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_logins")),
    )
    op.create_index("ix_failed_logins_at_id", "failed_logins", ["at", "id"])
    op.add_column("authorization_requests", sa.Column("opened_from", sa.Text(), nullable=True))
    for column in ("browser_binding", "opened_from"):
        op.create_index(
            f"ix_authorization_requests_open_{column}",
            "authorization_requests",
            [column, "created_at"],
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        )


def downgrade() -> None:
    for column in ("browser_binding", "opened_from"):
        op.drop_index(f"ix_authorization_requests_open_{column}", table_name="authorization_requests")
    op.drop_column("authorization_requests", "opened_from")
    op.drop_table("failed_logins")
