"""Subjects: the name by which one sector knows one person. It is random and stored, never computed from a number.

Because it is stored, a corrected number, a rotated key or a merge of accounts changes no `sub` that a relying system
has seen. A person who was merged keeps their own rows. The survivor uses them where it has none itself, and undoing the
merge gives every `sub` back to its owner.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from accounts.database import Connection
from idp.oidc.consent import consent_store as store

_LENGTH = 24  # bytes: 192 random bits, 32 characters


def subject_for(c: Connection, person_id: str, sector: str, now: datetime) -> str:  # noqa: ARG001 - every writer takes the time
    """The person's `sub` in that sector, made on the first call. Two first calls at once return the same one."""
    known = subject_of(c, person_id, sector)
    if known is not None:
        return known
    c.execute(store.INSERT_SUBJECT, person_id=person_id, sector=sector, sub=secrets.token_urlsafe(_LENGTH))
    made = c.one(store.FIND_SUBJECT, of_person=person_id, in_sector=sector)
    if made is None:  # impossible, because nothing deletes subjects
        raise RuntimeError("a subject vanished between writing and reading it")
    sub: str = made.sub
    return sub


def subject_of(c: Connection, person_id: str, sector: str) -> str | None:
    """The person's `sub` in that sector, their own or one inherited from a person merged into them, or None."""
    row = c.one(store.FIND_SUBJECT, of_person=person_id, in_sector=sector)
    if row is None:
        row = c.one(store.INHERITED_SUBJECT, of_person=person_id, in_sector=sector)
    return None if row is None else row.sub


def subject_of_organisation(c: Connection, organisation_id: str, sector: str) -> str:
    """The organisation's `org_sub` in that sector, made on the first call, with the same promises as `subject_for`."""
    key = {"of_organisation": organisation_id, "in_sector": sector}
    row = c.one(store.FIND_ORGANISATION_SUBJECT, **key)
    if row is None:
        new = {"organisation_id": organisation_id, "sector": sector, "org_sub": secrets.token_urlsafe(_LENGTH)}
        c.execute(store.INSERT_ORGANISATION_SUBJECT, **new)
        row = c.one(store.FIND_ORGANISATION_SUBJECT, **key)
    org_sub: str = row.org_sub
    return org_sub


def services_of_organisation(c: Connection, organisation_id: str) -> list[Any]:
    """The clients of the sectors that know this organisation: client_id, name, name_en, ordered by name."""
    return c.rows(store.SERVICES_OF_ORGANISATION, of_organisation=organisation_id)
