"""delegations: who may act for an organisation, and what the register said of it last"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "f66a0c3d81e2"
down_revision = "d8e3924f68a5"
branch_labels = None
depends_on = None

_REPRESENTATIVE = sa.text("role = 'representative' AND ended_at IS NULL")
_CHECKS = {
    "role": "role IN ('representative', 'manager', 'handler')",
    "appointed": "(role = 'representative') = (appointed_under IS NULL)",
    "organisation_handles": "delegate_id IS NULL OR (role = 'handler' AND person_id IS NULL)",
    "not_itself": "delegate_id IS NULL OR delegate_id <> organisation_id",
    "matters_of_handlers": "role = 'handler' OR matters IS NULL",
    "handlers_for_a_period": "role <> 'handler' OR expires_at IS NOT NULL",
    "accepted_by_somebody": "(accepted_at IS NULL) = (person_id IS NULL AND delegate_id IS NULL)",
    "ended_for_a_reason": "(ended_at IS NULL) = (ended_because IS NULL)",
    "ended_because": (
        "ended_because IN ('declined', 'withdrawn', 'removed', 'resigned', 'appointer_ended', 'register')"
    ),
}


def upgrade() -> None:
    op.create_table(
        "delegations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("appointed_under", sa.Text(), nullable=True),
        sa.Column("appointed_by", sa.Text(), nullable=True),
        sa.Column("person_id", sa.Text(), nullable=True),
        sa.Column("delegate_id", sa.Text(), nullable=True),
        sa.Column("invitee", sa.LargeBinary(), nullable=True),
        sa.Column("invitee_kind", sa.Text(), nullable=True),
        sa.Column("invitee_index", sa.LargeBinary(), nullable=True),
        sa.Column("matters", sa.Text(), nullable=True),
        sa.Column("offered_at", sa.BigInteger(), nullable=False),
        sa.Column("accept_by", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("accepted_by", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_delegations_{name}")) for name, rule in _CHECKS.items()),
        sa.ForeignKeyConstraint(["organisation_id"], ["legal_persons.id"], name=op.f("fk_delegations_organisation_id")),
        sa.ForeignKeyConstraint(["appointed_under"], ["delegations.id"], name=op.f("fk_delegations_appointed_under")),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_delegations_person_id")),
        sa.ForeignKeyConstraint(["delegate_id"], ["legal_persons.id"], name=op.f("fk_delegations_delegate_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delegations")),
    )
    for column in ("organisation_id", "appointed_under", "person_id", "delegate_id", "invitee_index"):
        op.create_index(op.f(f"ix_delegations_{column}"), "delegations", [column], unique=False)
    op.create_index(
        "uq_delegations_representative",
        "delegations",
        ["organisation_id"],
        unique=True,
        sqlite_where=_REPRESENTATIVE,
        postgresql_where=_REPRESENTATIVE,
    )
    op.create_table(
        "register_facts",
        sa.Column("organisation_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "status IN ('operating', 'revoked', 'deregistered', 'moved', 'unknown')",
            name=op.f("ck_register_facts_status"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["legal_persons.id"], name=op.f("fk_register_facts_organisation_id")
        ),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_register_facts")),
    )


def downgrade() -> None:
    op.drop_table("register_facts")
    op.drop_index("uq_delegations_representative", table_name="delegations")
    for column in ("organisation_id", "appointed_under", "person_id", "delegate_id", "invitee_index"):
        op.drop_index(op.f(f"ix_delegations_{column}"), table_name="delegations")
    op.drop_table("delegations")
