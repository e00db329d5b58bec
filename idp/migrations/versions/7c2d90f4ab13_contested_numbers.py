"""contested numbers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "7c2d90f4ab13"
down_revision = "b9f028f5c9a9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contested_numbers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("blind_index", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["merge_runs.id"], name=op.f("fk_contested_numbers_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contested_numbers")),
        sa.UniqueConstraint("run_id", "blind_index", name=op.f("uq_contested_numbers_run_id_blind_index")),
    )
    with op.batch_alter_table("contested_numbers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contested_numbers_blind_index"), ["blind_index"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("contested_numbers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contested_numbers_blind_index"))

    op.drop_table("contested_numbers")
