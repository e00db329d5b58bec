"""refusals: a person who refused consent is not asked again and again"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b9a1702d46e3"
down_revision = "a8f0691c35d2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refusals",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("refused_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("times >= 1", name=op.f("ck_refusals_times")),
        sa.PrimaryKeyConstraint("person_id", "client_id", name=op.f("pk_refusals")),
    )


def downgrade() -> None:
    op.drop_table("refusals")
