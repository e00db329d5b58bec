"""codes that are sent to phones, and how many were sent"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "6a01d3c5b7e2"
down_revision = "7d1e42c08b35"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "one_time_codes",
        sa.Column("handle_digest", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("bound_to", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("guesses", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("purpose IN ('login', 'phone')", name=op.f("ck_one_time_codes_purpose")),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_one_time_codes_person_id")),
        sa.PrimaryKeyConstraint("handle_digest", name=op.f("pk_one_time_codes")),
    )
    op.create_index("ix_one_time_codes_expires_at_handle_digest", "one_time_codes", ["expires_at", "handle_digest"])
    op.create_table(
        "sending_counters",
        sa.Column("counter", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("ceiling", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("counter", "subject", name=op.f("pk_sending_counters")),
    )
    op.create_index(
        "ix_sending_counters_expires_at_counter_subject", "sending_counters", ["expires_at", "counter", "subject"]
    )


def downgrade() -> None:
    op.drop_table("sending_counters")
    op.drop_table("one_time_codes")
