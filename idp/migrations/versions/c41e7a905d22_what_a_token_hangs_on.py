"""what a token hangs on: requests end what their codes bought (no release knew the columns that go)"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "c41e7a905d22"
down_revision = "7c2d90f4ab13"
branch_labels = None
depends_on = None

_SWEPT_BY = (
    ("access_tokens", "request_id"),
    ("access_tokens", "session_id"),
    ("refresh_tokens", "family"),
    ("refresh_tokens", "request_id"),
    ("refresh_tokens", "session_id"),
)
_REVOKED_WITH_THEIR_FAMILY = (
    "UPDATE authorization_requests SET revoked_at ="
    " (SELECT min(r.revoked_at) FROM refresh_tokens r WHERE r.request_id = authorization_requests.id)"
)
_FAMILIES_OF_REQUESTS = (
    "UPDATE refresh_tokens SET family = request_id, revoked_at ="
    " (SELECT a.revoked_at FROM authorization_requests a WHERE a.id = refresh_tokens.request_id)"
)
# Who looked at the token alone must find there what ended it: a replay, a revocation, the end of its session.
_ACCESS_ENDED_WITH_ITS_REQUEST = (
    "UPDATE access_tokens SET revoked_at ="
    " (SELECT a.revoked_at FROM authorization_requests a WHERE a.id = access_tokens.request_id)"
    " WHERE revoked_at IS NULL"
)
_ACCESS_ENDED_WITH_ITS_SESSION = (
    "UPDATE access_tokens SET revoked_at ="
    " (SELECT s.ended_at FROM sessions s WHERE s.id = access_tokens.session_id)"
    " WHERE revoked_at IS NULL"
)


def upgrade() -> None:
    with op.batch_alter_table("authorization_requests", schema=None) as batch_op:
        batch_op.add_column(sa.Column("revoked_at", sa.BigInteger(), nullable=True))
        batch_op.drop_constraint("uq_authorization_requests_code_digest", type_="unique")
    op.execute(_REVOKED_WITH_THEIR_FAMILY)
    for table, column in _SWEPT_BY:
        op.drop_index(f"ix_{table}_{column}", table_name=table)
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.drop_column("family")
        batch_op.drop_column("offline")
        batch_op.drop_column("revoked_at")
        batch_op.create_index("ix_refresh_tokens_request_id", ["request_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_refresh_tokens_request_id", table_name="refresh_tokens")
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.add_column(sa.Column("family", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("offline", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column("revoked_at", sa.BigInteger(), nullable=True))
    for moved in (_FAMILIES_OF_REQUESTS, _ACCESS_ENDED_WITH_ITS_REQUEST, _ACCESS_ENDED_WITH_ITS_SESSION):
        op.execute(moved)
    with op.batch_alter_table("refresh_tokens", schema=None) as batch_op:
        batch_op.alter_column("family", server_default=None)
        batch_op.alter_column("offline", server_default=None)
    for table, column in _SWEPT_BY:
        held = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_{table}_{column}", table, [column], sqlite_where=held, postgresql_where=held)
    with op.batch_alter_table("authorization_requests", schema=None) as batch_op:
        batch_op.create_unique_constraint("uq_authorization_requests_code_digest", ["code_digest"])
        batch_op.drop_column("revoked_at")
