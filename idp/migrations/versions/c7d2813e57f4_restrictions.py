"""restrictions: a measure against a person has reason, papers and a way to appeal, or does not exist"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "c7d2813e57f4"
down_revision = "b9a1702d46e3"
branch_labels = None
depends_on = None

_REASONS = "'court_order', 'fraud_suspected', 'identity_in_doubt', 'lent_or_sold', 'misuse'"
_DECIDED = "(decided_at IS NULL) = (decision IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)"
_STATUS = "status IN ('active', 'restricted', 'disabled', 'deceased', 'merged', 'closed')"
_EARLIER_STATUS = "status IN ('active', 'disabled', 'deceased', 'merged', 'closed')"
_OPEN = sa.text("decided_at IS NULL")
# The earlier release knows no restrictions. It must not let such a person in.
_DISABLE_RESTRICTED = (
    "UPDATE natural_persons SET status = 'disabled', restriction_id = NULL WHERE status = 'restricted'"
)


def upgrade() -> None:
    op.create_table(
        "restrictions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("papers", sa.Text(), nullable=False),
        sa.Column("appeal_to", sa.Text(), nullable=False),
        sa.Column("imposed_at", sa.BigInteger(), nullable=False),
        sa.Column("imposed_by", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.CheckConstraint(f"reason IN ({_REASONS})", name=op.f("ck_restrictions_reason")),
        sa.CheckConstraint("length(trim(papers)) >= 3", name=op.f("ck_restrictions_papers")),
        sa.CheckConstraint("length(trim(appeal_to)) >= 3", name=op.f("ck_restrictions_appeal_to")),
        sa.CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name=op.f("ck_restrictions_lifted")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restrictions")),
    )
    op.create_index("ix_restrictions_person_id", "restrictions", ["person_id"])
    with op.batch_alter_table("natural_persons", schema=None) as batch_op:
        batch_op.add_column(sa.Column("restriction_id", sa.Text(), nullable=True))
        batch_op.drop_constraint(op.f("ck_natural_persons_status"), type_="check")
        batch_op.create_check_constraint(op.f("ck_natural_persons_status"), _STATUS)
        batch_op.create_check_constraint(
            op.f("ck_natural_persons_restriction"), "(status = 'restricted') = (restriction_id IS NOT NULL)"
        )
        batch_op.create_foreign_key(
            op.f("fk_natural_persons_restriction_id"), "restrictions", ["restriction_id"], ["id"]
        )
    _appeals()


def _appeals() -> None:
    op.create_table(
        "appeals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("restriction_id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.CheckConstraint("decision IN ('lifted', 'refused')", name=op.f("ck_appeals_decision")),
        sa.CheckConstraint(_DECIDED, name=op.f("ck_appeals_decided")),
        sa.CheckConstraint("decision <> 'refused' OR answer IS NOT NULL", name=op.f("ck_appeals_refusal_has_reasons")),
        sa.ForeignKeyConstraint(["restriction_id"], ["restrictions.id"], name=op.f("fk_appeals_restriction_id")),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_appeals_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeals")),
    )
    op.create_index("ix_appeals_person_id", "appeals", ["person_id"])
    for name, columns, unique in (
        ("uq_appeals_open", ["restriction_id"], True),
        ("ix_appeals_undecided", ["made_at", "id"], False),
    ):
        op.create_index(name, "appeals", columns, unique=unique, sqlite_where=_OPEN, postgresql_where=_OPEN)


def downgrade() -> None:
    op.drop_table("appeals")
    op.execute(_DISABLE_RESTRICTED)
    with op.batch_alter_table("natural_persons", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("fk_natural_persons_restriction_id"), type_="foreignkey")
        batch_op.drop_constraint(op.f("ck_natural_persons_restriction"), type_="check")
        batch_op.drop_constraint(op.f("ck_natural_persons_status"), type_="check")
        batch_op.create_check_constraint(op.f("ck_natural_persons_status"), _EARLIER_STATUS)
        batch_op.drop_column("restriction_id")
    op.drop_table("restrictions")
