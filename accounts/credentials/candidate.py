"""The person that a guess at a password is about: one read with everything that a login needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from accounts.credentials.password import password_credentials
from accounts.credentials.password_rules.history import password_profiles
from accounts.database import Statement
from accounts.people import OWN_PAGES, PHONE_ORDER, natural_persons, person_identifiers, person_phones
from accounts.vault.blind_index import matches


@dataclass(frozen=True, slots=True)
class Candidate:
    """The person that a guess is about, as far as known."""

    person_id: str | None = None
    may_log_in: bool = False
    sealed: bytes | None = field(default=None, repr=False)
    adopted: bool = False
    password_since: datetime | None = None
    status_since: datetime | None = None
    profile: str | None = None


_PERSON = (
    natural_persons.c.id,
    natural_persons.c.status,
    natural_persons.c.updated_at,
    password_credentials.c.sealed,
    password_credentials.c.origin,
    password_credentials.c.changed_at,
    password_profiles.c.profile,
)
_WITH_PASSWORD = natural_persons.outerjoin(
    password_credentials, password_credentials.c.person_id == natural_persons.c.id
).outerjoin(password_profiles, password_profiles.c.person_id == natural_persons.c.id)
BY_IDENTIFIER = Statement(
    sa.select(*_PERSON)
    .select_from(_WITH_PASSWORD.join(person_identifiers, person_identifiers.c.person_id == natural_persons.c.id))
    .where(
        person_identifiers.c.kind == sa.bindparam("identifier_kind"),
        matches(person_identifiers.c.blind_index),
        person_identifiers.c.until.is_(None),
    )
)
BY_PHONE = Statement(
    sa.select(*_PERSON)
    .select_from(_WITH_PASSWORD.join(person_phones, person_phones.c.person_id == natural_persons.c.id))
    .where(
        matches(person_phones.c.blind_index),
        person_phones.c.verified_at.is_not(None),
        natural_persons.c.status.in_([sa.literal(status, sa.Text) for status in OWN_PAGES]),
    )
    .order_by(*PHONE_ORDER)
    .limit(1)
)
BY_PERSON = Statement(
    sa.select(*_PERSON).select_from(_WITH_PASSWORD).where(natural_persons.c.id == sa.bindparam("person_id"))
)


def candidate_of(row: Any) -> Candidate:
    """The candidate of a row of one of these statements; nobody for None."""
    return (
        Candidate()
        if row is None
        else Candidate(
            row.id,
            row.status in OWN_PAGES,
            row.sealed,
            row.origin == "adopted",
            row.changed_at,
            row.updated_at,
            row.profile,
        )
    )
