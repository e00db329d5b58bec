"""sealed words of clients: requests keep `state`, `nonce` and the asked `sub` sealed, sessions no User-Agent

Expand only. The columns in the clear stay for the release before, which may serve meanwhile, and are emptied of
everything that has been answered or is over; what waits for an answer at this moment is emptied by its answer.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "5e0c6b1f9a47"
down_revision = "e52b6c0d9a71"
branch_labels = None
depends_on = None

_NAMES = (
    "HarmonyOS", "OpenHarmony", "iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux",
    "MicroMessenger", "AlipayClient", "Edg", "Firefox", "HuaweiBrowser", "QQBrowser", "Chrome", "Safari",
)  # fmt: skip
_ANSWERED = (
    "UPDATE authorization_requests SET client_state = NULL, nonce = NULL, login_hint = NULL, claims = '{}'"
    " WHERE state IN ('redeemed', 'denied')"
)
_HINTS = "UPDATE authorization_requests SET login_hint = NULL WHERE login_hint IS NOT NULL"
_KNOWN = " || ".join(f"CASE WHEN user_agent LIKE '%{name}%' THEN '{name} ' ELSE '' END" for name in _NAMES)
_NAMES_ONLY = f"UPDATE sessions SET user_agent = NULLIF(TRIM({_KNOWN}), '') WHERE user_agent IS NOT NULL"  # noqa: S608


def upgrade() -> None:
    with op.batch_alter_table("authorization_requests", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sealed", sa.LargeBinary(), nullable=True))
    op.execute(_ANSWERED)
    op.execute(_HINTS)
    op.execute(_NAMES_ONLY)


def downgrade() -> None:
    with op.batch_alter_table("authorization_requests", schema=None) as batch_op:
        batch_op.drop_column("sealed")
