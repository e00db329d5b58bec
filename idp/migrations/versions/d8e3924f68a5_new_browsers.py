"""new browsers: a session says whether its browser was new to the person"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "d8e3924f68a5"
down_revision = "c7d2813e57f4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("is_new_browser", sa.Boolean(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "is_new_browser")
