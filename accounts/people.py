"""Who we know: natural and legal persons, their identifiers and phones. Numbers are sealed and found by blind index."""

from __future__ import annotations

import sqlalchemy as sa

from accounts.db import UtcDateTime, metadata

natural_persons = sa.Table(
    "natural_persons",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attributes", sa.LargeBinary, nullable=False),  # sealed JSON: name, birth date, sex, e-mail, address
    sa.Column("merged_into", sa.Text, sa.ForeignKey("natural_persons.id")),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("status IN ('active', 'disabled', 'deceased', 'merged', 'closed')", name="status"),
)

person_identifiers = sa.Table(
    "person_identifiers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("blind_index", sa.LargeBinary, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime),
)
sa.Index(
    "uq_person_identifiers_active",
    person_identifiers.c.kind,
    person_identifiers.c.blind_index,
    unique=True,
    sqlite_where=person_identifiers.c.until.is_(None),
    postgresql_where=person_identifiers.c.until.is_(None),
)

person_phones = sa.Table(
    "person_phones",
    metadata,
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), primary_key=True),
    sa.Column("blind_index", sa.LargeBinary, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("is_primary", sa.Boolean, nullable=False),
    sa.Column("verified_at", UtcDateTime),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
sa.Index("ix_person_phones_blind_index", person_phones.c.blind_index)
