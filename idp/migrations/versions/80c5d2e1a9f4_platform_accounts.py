"""bound platform accounts: WeChat and Alipay"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "80c5d2e1a9f4"
down_revision = "f82a4c0b7d15"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "federated_identities",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_federated_identities_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_federated_identities")),
    )
    op.create_index(op.f("ix_federated_identities_person_id"), "federated_identities", ["person_id"])
    op.create_table(
        "federated_identifiers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("identity_id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("blind_index", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["federated_identities.id"], name=op.f("fk_federated_identifiers_identity_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_federated_identifiers_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_federated_identifiers")),
        sa.UniqueConstraint("blind_index", name=op.f("uq_federated_identifiers_blind_index")),
    )
    op.create_index(op.f("ix_federated_identifiers_identity_id"), "federated_identifiers", ["identity_id"])
    op.create_index(op.f("ix_federated_identifiers_person_id"), "federated_identifiers", ["person_id"])


def downgrade() -> None:
    op.drop_table("federated_identifiers")
    op.drop_table("federated_identities")
