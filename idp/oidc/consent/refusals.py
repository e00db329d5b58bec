"""A person's refusals of consent, remembered for a time, so that a service cannot ask again and again.

Once is a slip of the finger: at the next login the person is asked once more. From the second time on they are not
asked until the time is over, unless the service sends `prompt=consent` because the person wants it, or the person
allows it on their account page. So nobody is locked out (docs/decisions/0070-refusals-and-restrictions.md).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from accounts import audit
from accounts.database import Connection
from idp.oidc.consent import consent_store

ASKED_AT_MOST = 2


def remember(c: Connection, person_id: str, client_id: str, *, keeps: timedelta, now: datetime) -> None:
    """The person has refused this client now, once more if an earlier refusal still counts."""
    c.execute(
        consent_store.REMEMBER_REFUSAL, person_id=person_id, client_id=client_id, refused_at=now, until=now + keeps
    )


def forget(c: Connection, person_id: str, client_id: str, *, now: datetime) -> bool:
    """The client may ask again. False if no refusal was remembered."""
    if c.execute(consent_store.FORGET_REFUSAL, of_person=person_id, to_client=client_id) != 1:
        return False
    audit.append(c, "person:refusal:forget", now=now, person=person_id, client=client_id)
    return True


def of_person(c: Connection, person_id: str, now: datetime) -> list[Any]:
    """The refusals that count now, newest first: client_id, client_name, client_name_en, times, refused_at, until."""
    return c.rows(consent_store.REFUSALS_OF_PERSON, of_person=person_id, now=now)
