"""The tables of people's requests about their own account. What a person wrote is sealed."""

from __future__ import annotations

import sqlalchemy as sa

from accounts.database import UtcDateTime, metadata

CORRECTION_TEXT = "corrections.sealed"
CORRECTION_ANSWER = "corrections.answer"
APPEAL_TEXT = "appeals.sealed"
APPEAL_ANSWER = "appeals.answer"

# A person asked for the end of their account. `forgotten_at`: the name and the number were deleted, too.
account_closures = sa.Table(
    "account_closures",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("cancelled_at", UtcDateTime),
    sa.Column("done_at", UtcDateTime),
    sa.Column("forgotten_at", UtcDateTime),
    sa.CheckConstraint("due_at >= asked_at", name="waits"),
    sa.CheckConstraint("cancelled_at IS NULL OR done_at IS NULL", name="one_end"),
    sa.CheckConstraint("forgotten_at IS NULL OR done_at IS NOT NULL", name="forgotten_when_done"),
)
CLOSURE_IS_OPEN = account_closures.c.cancelled_at.is_(None) & account_closures.c.done_at.is_(None)
_remembered = account_closures.c.done_at.is_not(None) & account_closures.c.forgotten_at.is_(None)
sa.Index(
    "uq_account_closures_open",
    account_closures.c.person_id,
    unique=True,
    sqlite_where=CLOSURE_IS_OPEN,
    postgresql_where=CLOSURE_IS_OPEN,
)
sa.Index(
    "ix_account_closures_due",
    account_closures.c.due_at,
    account_closures.c.id,
    sqlite_where=CLOSURE_IS_OPEN,
    postgresql_where=CLOSURE_IS_OPEN,
)
sa.Index(
    "ix_account_closures_remembered",
    account_closures.c.done_at,
    account_closures.c.id,
    sqlite_where=_remembered,
    postgresql_where=_remembered,
)

# A person said that a linked account is not theirs. The link had this level and opens nothing until it is decided.
link_disputes = sa.Table(
    "link_disputes",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("system", sa.Text, nullable=False),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("opened_at", UtcDateTime, nullable=False),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("decision", sa.Text),
    sa.Column("decided_by", sa.Text),
    sa.CheckConstraint("decision IN ('separated', 'kept')", name="decision"),
    sa.CheckConstraint(
        "(decided_at IS NULL) = (decision IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)", name="decided"
    ),
)
_undecided = link_disputes.c.decided_at.is_(None)
sa.Index(
    "uq_link_disputes_open",
    link_disputes.c.system,
    link_disputes.c.uid,
    unique=True,
    sqlite_where=_undecided,
    postgresql_where=_undecided,
)
sa.Index(
    "ix_link_disputes_undecided",
    link_disputes.c.opened_at,
    link_disputes.c.id,
    sqlite_where=_undecided,
    postgresql_where=_undecided,
)

# A person said that a proven fact is wrong. A refusal needs an answer (PIPL art. 50).
corrections = sa.Table(
    "corrections",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # what should be recorded, in the person's words
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("decision", sa.Text),
    sa.Column("answer", sa.LargeBinary),  # sealed: the reasons of a refusal
    sa.Column("decided_by", sa.Text),
    sa.CheckConstraint("kind IN ('name', 'birth_date', 'other')", name="kind"),
    sa.CheckConstraint("decision IN ('corrected', 'refused')", name="decision"),
    sa.CheckConstraint(
        "(decided_at IS NULL) = (decision IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)", name="decided"
    ),
    sa.CheckConstraint("decision <> 'refused' OR answer IS NOT NULL", name="refusal_has_reasons"),
)
_waiting = corrections.c.decided_at.is_(None)
sa.Index(
    "ix_corrections_undecided",
    corrections.c.asked_at,
    corrections.c.id,
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)

# A person appealed against a restriction. Lifting it decides the appeal, too. A refusal needs an answer.
appeals = sa.Table(
    "appeals",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("restriction_id", sa.Text, sa.ForeignKey("restrictions.id"), nullable=False),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),  # the person's words
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("decision", sa.Text),
    sa.Column("answer", sa.LargeBinary),  # sealed: the reasons of a refusal
    sa.Column("decided_by", sa.Text),
    sa.CheckConstraint("decision IN ('lifted', 'refused')", name="decision"),
    sa.CheckConstraint(
        "(decided_at IS NULL) = (decision IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)", name="decided"
    ),
    sa.CheckConstraint("decision <> 'refused' OR answer IS NOT NULL", name="refusal_has_reasons"),
)
_unanswered = appeals.c.decided_at.is_(None)
sa.Index(
    "uq_appeals_open",
    appeals.c.restriction_id,
    unique=True,
    sqlite_where=_unanswered,
    postgresql_where=_unanswered,
)
sa.Index(
    "ix_appeals_undecided", appeals.c.made_at, appeals.c.id, sqlite_where=_unanswered, postgresql_where=_unanswered
)
