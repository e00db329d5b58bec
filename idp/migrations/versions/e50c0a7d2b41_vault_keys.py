"""vault keys"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "e50c0a7d2b41"
down_revision = "c41e7a905d22"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vault_keys",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("check_value", sa.LargeBinary(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("generation", name=op.f("pk_vault_keys")),
        sa.UniqueConstraint("key_id", name=op.f("uq_vault_keys_key_id")),
    )


def downgrade() -> None:
    op.drop_table("vault_keys")
