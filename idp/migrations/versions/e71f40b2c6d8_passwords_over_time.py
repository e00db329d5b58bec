"""profiles of the password policy, former passwords, sessions that wait for a new password, spent human checks"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from accounts.database import UtcDateTime

revision = "e71f40b2c6d8"
down_revision = "7d1e42c08b35"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "password_profiles",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_password_profiles_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_password_profiles")),
    )
    op.create_table(
        "password_history",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("replaced_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_password_history_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_history")),
    )
    op.create_index("ix_password_history_person_id_replaced_at", "password_history", ["person_id", "replaced_at"])
    op.create_table(
        "spent_human_checks",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_spent_human_checks")),
    )
    op.create_index("ix_spent_human_checks_expires_at_digest", "spent_human_checks", ["expires_at", "digest"])
    op.add_column("sessions", sa.Column("password_due", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "password_due")
    op.drop_index("ix_spent_human_checks_expires_at_digest", table_name="spent_human_checks")
    op.drop_table("spent_human_checks")
    op.drop_index("ix_password_history_person_id_replaced_at", table_name="password_history")
    op.drop_table("password_history")
    op.drop_table("password_profiles")
