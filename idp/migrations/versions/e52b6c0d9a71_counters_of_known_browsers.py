"""counters of known browsers, and of networks that are new to a person"""

from __future__ import annotations

from alembic import op

revision = "e52b6c0d9a71"
down_revision = "e50c0a7d2b41"
branch_labels = None
depends_on = None

_NAME = "ck_throttle_counters_counter"
_BEFORE = "counter IN ('pair', 'source', 'stranger', 'familiar')"
_AFTER = "counter IN ('pair', 'source', 'stranger', 'newcomer', 'familiar', 'browser')"


def upgrade() -> None:
    _allow(_AFTER)


def downgrade() -> None:
    op.execute("DELETE FROM throttle_counters WHERE counter IN ('newcomer', 'browser')")
    _allow(_BEFORE)


def _allow(condition: str) -> None:
    with op.batch_alter_table("throttle_counters", schema=None) as batch_op:
        batch_op.drop_constraint(op.f(_NAME), type_="check")
        batch_op.create_check_constraint(op.f(_NAME), condition)
