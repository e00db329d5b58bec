"""helpers: who acts for a member of the family, and the tokens that rest on it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "c78e5f20b1d4"
down_revision = "f76a2c9d10e4"
branch_labels = None
depends_on = None

_CHECKS = {
    "relation": "relation IN ('spouse', 'parent', 'child', 'grandparent', 'grandchild', 'guardian', 'other')",
    "proof": "proof IN ('declared', 'household_register', 'birth_certificate', 'court_decision')",
    "paper_is_kept_somewhere": "(proof = 'declared') = (proof_reference IS NULL)",
    "guardians_show_papers": (
        "NOT is_guardianship OR (proof <> 'declared' AND relation IN ('parent', 'grandparent', 'guardian'))"
    ),
    "one_of_both": "helped_id IS NOT NULL OR helper_id IS NOT NULL",
    "accepted_by_both": "accepted_at IS NULL OR (helped_id IS NOT NULL AND helper_id IS NOT NULL)",
    "not_oneself": "helped_id <> helper_id",
    "ended_for_a_reason": "(ended_at IS NULL) = (ended_because IS NULL)",
    "ended_because": (
        "ended_because IN ('declined', 'withdrawn', 'ended_by_helped', 'ended_by_helper', 'replaced', 'death', "
        "'incapacity', 'account_ended')"
    ),
}
_INDEXED = ("helped_id", "helper_id", "invitee_index")


def upgrade() -> None:
    op.create_table(
        "helper_relations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("proof_reference", sa.Text(), nullable=True),
        sa.Column("is_guardianship", sa.Boolean(), nullable=False),
        sa.Column("helped_id", sa.Text(), nullable=True),
        sa.Column("helper_id", sa.Text(), nullable=True),
        sa.Column("invitee", sa.LargeBinary(), nullable=True),
        sa.Column("invitee_kind", sa.Text(), nullable=True),
        sa.Column("invitee_index", sa.LargeBinary(), nullable=True),
        sa.Column("matters", sa.Text(), nullable=True),
        sa.Column("offered_at", sa.BigInteger(), nullable=False),
        sa.Column("accept_by", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_helper_relations_{name}")) for name, rule in _CHECKS.items()),
        sa.ForeignKeyConstraint(["helped_id"], ["natural_persons.id"], name=op.f("fk_helper_relations_helped_id")),
        sa.ForeignKeyConstraint(["helper_id"], ["natural_persons.id"], name=op.f("fk_helper_relations_helper_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_helper_relations")),
    )
    for column in _INDEXED:
        op.create_index(op.f(f"ix_helper_relations_{column}"), "helper_relations", [column], unique=False)
    op.add_column("access_tokens", sa.Column("relation_id", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("access_tokens", schema=None) as batch_op:
        batch_op.drop_column("relation_id")
    for column in _INDEXED:
        op.drop_index(op.f(f"ix_helper_relations_{column}"), table_name="helper_relations")
    op.drop_table("helper_relations")
