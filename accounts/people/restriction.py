"""Restrictions: the table of measures against a person's use of their account, and the reasons that one may have."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from accounts.database import UtcDateTime, metadata


class RestrictionReason(StrEnum):
    """Why a person is restricted. The code is stable; pages have words for it."""

    COURT_ORDER = "court_order"
    FRAUD_SUSPECTED = "fraud_suspected"
    IDENTITY_IN_DOUBT = "identity_in_doubt"
    LENT_OR_SOLD = "lent_or_sold"
    MISUSE = "misuse"


# A measure against a person's use of their account. None exists without reason, papers and the way to appeal
# (Anti-telecom-fraud Law art. 32). No foreign key to the person, whose row points here.
restrictions = sa.Table(
    "restrictions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("papers", sa.Text, nullable=False),  # the decision's file number
    sa.Column("appeal_to", sa.Text, nullable=False),  # the office, and how to reach it
    sa.Column("imposed_at", UtcDateTime, nullable=False),
    sa.Column("imposed_by", sa.Text, nullable=False),
    sa.Column("lifted_at", UtcDateTime),
    sa.Column("lifted_by", sa.Text),
    sa.CheckConstraint(sa.column("reason").in_([reason.value for reason in RestrictionReason]), name="reason"),
    sa.CheckConstraint("length(trim(papers)) >= 3", name="papers"),
    sa.CheckConstraint("length(trim(appeal_to)) >= 3", name="appeal_to"),
    sa.CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="lifted"),
)
