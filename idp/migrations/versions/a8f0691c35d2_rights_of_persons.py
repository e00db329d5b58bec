"""rights of persons: closing, disputes and corrections; the ledger of releases is read by person and by client"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "a8f0691c35d2"
down_revision = "7d1e42c08b35"
branch_labels = None
depends_on = None

_DECIDED = "(decided_at IS NULL) = (decision IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)"
_OPEN = sa.text("cancelled_at IS NULL AND done_at IS NULL")
_REMEMBERED = sa.text("done_at IS NOT NULL AND forgotten_at IS NULL")
_UNDECIDED = sa.text("decided_at IS NULL")


def upgrade() -> None:
    _closures()
    _disputes()
    _corrections()
    op.create_index("ix_separations_person_id", "separations", ["person_id"])
    op.create_index("ix_releases_person_id_at_id", "releases", ["person_id", "at", "id"])
    op.create_index("ix_releases_client_id_at_id", "releases", ["client_id", "at", "id"])
    op.drop_index("ix_releases_person_id", table_name="releases")


def _closures() -> None:
    op.create_table(
        "account_closures",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=True),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("forgotten_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("due_at >= asked_at", name=op.f("ck_account_closures_waits")),
        sa.CheckConstraint("cancelled_at IS NULL OR done_at IS NULL", name=op.f("ck_account_closures_one_end")),
        sa.CheckConstraint(
            "forgotten_at IS NULL OR done_at IS NOT NULL", name=op.f("ck_account_closures_forgotten_when_done")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_account_closures_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_closures")),
    )
    op.create_index("ix_account_closures_person_id", "account_closures", ["person_id"])
    _partial("uq_account_closures_open", "account_closures", ["person_id"], _OPEN, unique=True)
    _partial("ix_account_closures_due", "account_closures", ["due_at", "id"], _OPEN)
    _partial("ix_account_closures_remembered", "account_closures", ["done_at", "id"], _REMEMBERED)


def _disputes() -> None:
    op.create_table(
        "link_disputes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.CheckConstraint("decision IN ('separated', 'kept')", name=op.f("ck_link_disputes_decision")),
        sa.CheckConstraint(_DECIDED, name=op.f("ck_link_disputes_decided")),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_link_disputes_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_disputes")),
    )
    op.create_index("ix_link_disputes_person_id", "link_disputes", ["person_id"])
    _partial("uq_link_disputes_open", "link_disputes", ["system", "uid"], _UNDECIDED, unique=True)
    _partial("ix_link_disputes_undecided", "link_disputes", ["opened_at", "id"], _UNDECIDED)


def _corrections() -> None:
    op.create_table(
        "corrections",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('name', 'birth_date', 'other')", name=op.f("ck_corrections_kind")),
        sa.CheckConstraint("decision IN ('corrected', 'refused')", name=op.f("ck_corrections_decision")),
        sa.CheckConstraint(_DECIDED, name=op.f("ck_corrections_decided")),
        sa.CheckConstraint(
            "decision <> 'refused' OR answer IS NOT NULL", name=op.f("ck_corrections_refusal_has_reasons")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["natural_persons.id"], name=op.f("fk_corrections_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index("ix_corrections_person_id", "corrections", ["person_id"])
    _partial("ix_corrections_undecided", "corrections", ["asked_at", "id"], _UNDECIDED)


def _partial(name: str, table: str, columns: list[str], where: sa.TextClause, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.create_index("ix_releases_person_id", "releases", ["person_id"])
    op.drop_index("ix_releases_client_id_at_id", table_name="releases")
    op.drop_index("ix_releases_person_id_at_id", table_name="releases")
    op.drop_index("ix_separations_person_id", table_name="separations")
    for table in ("corrections", "link_disputes", "account_closures"):
        op.drop_table(table)
