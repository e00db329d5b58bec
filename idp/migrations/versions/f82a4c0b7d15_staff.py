"""members of staff, their second factors and their sessions"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "f82a4c0b7d15"
down_revision = "c78e5f20b1d4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "staff_members",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("staff_index", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("division", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_members")),
        sa.UniqueConstraint("staff_index", name=op.f("uq_staff_members_staff_index")),
    )
    op.create_table(
        "staff_enrolments",
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        _to_member("staff_enrolments"),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_staff_enrolments")),
    )
    op.create_table(
        "staff_authenticators",
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("attempts_until", sa.BigInteger(), nullable=False),
        sa.Column("staff_session_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        _to_member("staff_authenticators"),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_staff_authenticators")),
    )
    _sessions()


def _sessions() -> None:
    op.create_table(
        "staff_sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("handle_digest", sa.LargeBinary(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("proven_at", sa.BigInteger(), nullable=True),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        _to_member("staff_sessions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_sessions")),
        sa.UniqueConstraint("handle_digest", name=op.f("uq_staff_sessions_handle_digest")),
    )
    op.create_index(op.f("ix_staff_sessions_member_id"), "staff_sessions", ["member_id"])
    op.create_index("ix_staff_sessions_expires_at_id", "staff_sessions", ["expires_at", "id"])


def downgrade() -> None:
    for table in ("staff_sessions", "staff_authenticators", "staff_enrolments", "staff_members"):
        op.drop_table(table)


def _to_member(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["member_id"], ["staff_members.id"], name=op.f(f"fk_{table}_member_id"))
