"""tokens for organisations: for whom a person acts, from the choice to the tokens"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "f67b1d4e92f3"
down_revision = "f66a0c3d81e2"
branch_labels = None
depends_on = None

_ADDED = {
    "authorization_requests": ("acting_as", "represents"),
    "access_tokens": ("represents", "delegation_id", "through_id"),
    "refresh_tokens": ("represents",),
}


def upgrade() -> None:
    for table, columns in _ADDED.items():
        for column in columns:
            op.add_column(table, sa.Column(column, sa.Text(), nullable=True))
    op.create_table(
        "organisation_subjects",
        sa.Column("organisation_id", sa.Text(), nullable=False),
        sa.Column("sector", sa.Text(), nullable=False),
        sa.Column("org_sub", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["legal_persons.id"], name=op.f("fk_organisation_subjects_organisation_id")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "sector", name=op.f("pk_organisation_subjects")),
        sa.UniqueConstraint("sector", "org_sub", name=op.f("uq_organisation_subjects_sector_org_sub")),
    )


def downgrade() -> None:
    op.drop_table("organisation_subjects")
    for table, columns in _ADDED.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for column in columns:
                batch_op.drop_column(column)
