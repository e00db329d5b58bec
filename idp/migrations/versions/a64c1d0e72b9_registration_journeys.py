"""registration journeys: what strangers have proven so far, and how often registries were called"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "a64c1d0e72b9"
down_revision = "7d1e42c08b35"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journeys",
        sa.Column("handle_digest", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("opened_from", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "stage IN ('person', 'proof', 'check', 'phone', 'code', 'password', 'known', 'done')",
            name=op.f("ck_journeys_stage"),
        ),
        sa.PrimaryKeyConstraint("handle_digest", name=op.f("pk_journeys")),
    )
    op.create_index("ix_journeys_expires_at_handle_digest", "journeys", ["expires_at", "handle_digest"])
    op.create_index("ix_journeys_opened_from_expires_at", "journeys", ["opened_from", "expires_at"])
    op.create_table(
        "call_counters",
        sa.Column("counter", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("counter", "subject", name=op.f("pk_call_counters")),
    )
    op.create_index(
        "ix_call_counters_expires_at_counter_subject", "call_counters", ["expires_at", "counter", "subject"]
    )


def downgrade() -> None:
    op.drop_table("call_counters")
    op.drop_table("journeys")
