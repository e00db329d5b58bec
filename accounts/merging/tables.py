"""The tables of merges: runs, their journal, pairs declared different, numbers in conflict."""

from __future__ import annotations

import sqlalchemy as sa

from accounts.database import Json, UtcDateTime, metadata

merge_runs = sa.Table(
    "merge_runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("plan_digest", sa.Text, nullable=False, unique=True),
    sa.Column("system", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("rows_read", sa.BigInteger, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),  # steps done; while undoing, journal entries left
    sa.Column("journal_length", sa.BigInteger, nullable=False),
    sa.Column("persons", sa.BigInteger, nullable=False),
    sa.Column("links", sa.BigInteger, nullable=False),
    sa.Column("skipped", sa.BigInteger, nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("undone_at", UtcDateTime),
    sa.CheckConstraint("state IN ('applying', 'applied', 'undoing', 'undone')", name="state"),
)
merge_journal = sa.Table(
    "merge_journal",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("merge_runs.id"), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("row_key", Json, nullable=False),
    sa.Column("old", Json),
    sa.Column("new", Json),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.CheckConstraint("operation IN ('insert', 'delete', 'skip')", name="operation"),
)
separations = sa.Table(
    "separations",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("uid", sa.Text, primary_key=True),
    sa.Column(
        "person_id", sa.Text, primary_key=True, index=True
    ),  # no foreign key: "not the same" outlives the person's row
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
contested_numbers = sa.Table(
    "contested_numbers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, sa.ForeignKey("merge_runs.id"), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the number, so that its index outlives a key
    sa.Column("blind_index", sa.LargeBinary, nullable=False, index=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("run_id", "blind_index"),
)
