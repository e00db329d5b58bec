"""merges"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "8c51d0a7e2f4"
down_revision = "3ea2af71c1b3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "merge_runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("plan_digest", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rows_read", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("journal_length", sa.BigInteger(), nullable=False),
        sa.Column("persons", sa.BigInteger(), nullable=False),
        sa.Column("links", sa.BigInteger(), nullable=False),
        sa.Column("skipped", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('applying', 'applied', 'undoing', 'undone')", name=op.f("ck_merge_runs_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merge_runs")),
        sa.UniqueConstraint("plan_digest", name=op.f("uq_merge_runs_plan_digest")),
    )
    op.create_index(op.f("ix_merge_runs_system"), "merge_runs", ["system"], unique=False)
    op.create_table(
        "merge_journal",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("operation IN ('insert', 'delete', 'skip')", name=op.f("ck_merge_journal_operation")),
        sa.ForeignKeyConstraint(["run_id"], ["merge_runs.id"], name=op.f("fk_merge_journal_run_id")),
        sa.PrimaryKeyConstraint("run_id", "seq", name=op.f("pk_merge_journal")),
    )
    op.create_table(
        "separations",
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("system", "uid", "person_id", name=op.f("pk_separations")),
    )


def downgrade() -> None:
    op.drop_table("separations")
    op.drop_table("merge_journal")
    op.drop_index(op.f("ix_merge_runs_system"), table_name="merge_runs")
    op.drop_table("merge_runs")
