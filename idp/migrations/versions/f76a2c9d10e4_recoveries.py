"""recoveries, the journeys on the way to one, and codes to phones to recover a password"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "f76a2c9d10e4"
down_revision = "f67b1d4e92f3"
branch_labels = None
depends_on = None

_PURPOSE = "ck_one_time_codes_purpose"
_BEFORE = "purpose IN ('login', 'phone')"
_AFTER = "purpose IN ('login', 'phone', 'recovery')"
_STAGES = "'way', 'phone', 'code', 'totp', 'recovery-code', 'counter', 'more', 'password', 'waiting', 'done'"


def upgrade() -> None:
    op.create_table(
        "recoveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("proofs", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("begun_by", sa.Text(), nullable=True),
        sa.Column("confirmed_by", sa.Text(), nullable=True),
        sa.Column("code_digest", sa.Text(), nullable=True),
        sa.Column("code_used_at", sa.BigInteger(), nullable=True),
        sa.Column("opens_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("cancel_digest", sa.Text(), nullable=True),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('wait', 'counter')", name=op.f("ck_recoveries_kind")),
        sa.CheckConstraint("(kind = 'counter') = (begun_by IS NOT NULL)", name=op.f("ck_recoveries_clerk")),
        sa.CheckConstraint("confirmed_by IS NULL OR confirmed_by <> begun_by", name=op.f("ck_recoveries_two_clerks")),
        sa.CheckConstraint(
            "code_digest IS NULL OR confirmed_by IS NOT NULL", name=op.f("ck_recoveries_confirmed_code")
        ),
        sa.CheckConstraint("cancelled_at IS NULL OR finished_at IS NULL", name=op.f("ck_recoveries_one_end")),
        sa.CheckConstraint("kind = 'counter' OR proofs <> ''", name=op.f("ck_recoveries_proven")),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_recoveries_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recoveries")),
    )
    op.create_index(op.f("ix_recoveries_person_id"), "recoveries", ["person_id"])
    op.create_index(op.f("ix_recoveries_cancel_digest"), "recoveries", ["cancel_digest"])
    op.create_index("ix_recoveries_expires_at_id", "recoveries", ["expires_at", "id"])
    op.create_table(
        "recovery_journeys",
        sa.Column("handle_digest", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=True),
        sa.Column("proofs", sa.Text(), nullable=False),
        sa.Column("recovery_id", sa.Text(), nullable=True),
        sa.Column("opened_from", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(f"stage IN ({_STAGES})", name=op.f("ck_recovery_journeys_stage")),
        sa.CheckConstraint(
            "person_id IS NOT NULL OR proofs = ''", name=op.f("ck_recovery_journeys_nobody_proves_nothing")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_recovery_journeys_person_id")),
        sa.PrimaryKeyConstraint("handle_digest", name=op.f("pk_recovery_journeys")),
    )
    op.create_index(op.f("ix_recovery_journeys_person_id"), "recovery_journeys", ["person_id"])
    op.create_index(
        "ix_recovery_journeys_expires_at_handle_digest", "recovery_journeys", ["expires_at", "handle_digest"]
    )
    op.create_index("ix_recovery_journeys_opened_from_expires_at", "recovery_journeys", ["opened_from", "expires_at"])
    _allow(_AFTER)


def downgrade() -> None:
    op.execute("DELETE FROM one_time_codes WHERE purpose = 'recovery'")
    _allow(_BEFORE)
    op.drop_table("recovery_journeys")
    op.drop_table("recoveries")


def _allow(condition: str) -> None:
    with op.batch_alter_table("one_time_codes", schema=None) as batch_op:
        batch_op.drop_constraint(op.f(_PURPOSE), type_="check")
        batch_op.create_check_constraint(op.f(_PURPOSE), condition)
