"""The ledger of releases, read from both ends: who received facts about a person, and whom a client was told about.

Both walk an index from a place to the next. A page costs the same however long the ledger is, and an operator's list
begins at once at 5 million persons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from accounts.database import Connection, Statement, UtcDateTime
from idp.oidc.models import clients, grants, releases

PAGE = 20
BATCH = 5000
_r, _p = releases.c, sa.bindparam
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_most: sa.BindParameter[int] = _p("most", type_=sa.Integer)
_before = sa.tuple_(_r.at, _r.id) < sa.tuple_(_p("before_at", type_=UtcDateTime), _p("before_id", type_=sa.Text))
_RELEASE = sa.select(
    _r.id,
    _r.at,
    _r.client_id,
    _r.claims,
    _r.legal_basis,
    clients.c.name.label("client_name"),
    clients.c.name_en.label("client_name_en"),
).select_from(releases.outerjoin(clients, clients.c.client_id == _r.client_id))
OF_PERSON = Statement(
    _RELEASE.where(_r.person_id == _p("person"), _before).order_by(_r.at.desc(), _r.id.desc()).limit(_most)
)
# Found by person, never by client: see idp.login.session_store about young databases.
TO_CLIENT = Statement(
    _RELEASE.where(_r.person_id == _p("person"), _r.client_id + "" == _p("client"), _before)
    .order_by(_r.at.desc(), _r.id.desc())
    .limit(_most)
)
TOUCHED = Statement(
    sa.select(_r.at, _r.id, _r.person_id, _r.claims)
    .where(
        _r.client_id == _p("client"),
        sa.tuple_(_r.at, _r.id) > sa.tuple_(_p("after_at", type_=UtcDateTime), _p("after_id", type_=sa.Text)),
    )
    .order_by(_r.at, _r.id)
    .limit(_most)
)
GRANT = Statement(
    sa.select(
        grants.c.client_id,
        grants.c.purpose,
        grants.c.legal_basis,
        grants.c.given_at,
        grants.c.withdrawn_at,
        clients.c.name.label("client_name"),
        clients.c.name_en.label("client_name_en"),
        clients.c.purpose_en,
    )
    .join(clients, clients.c.client_id == grants.c.client_id)
    .where(grants.c.id == _p("of_grant"), grants.c.person_id == _p("person"))
)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list that is ordered by time: of the last entry shown."""

    at: datetime
    id: str


def of_person(c: Connection, person_id: str, before: Place, client_id: str | None = None) -> list[Any]:
    """The next PAGE releases about the person before that place, newest first, and one more if the list goes on."""
    place = {"person": person_id, "before_at": before.at, "before_id": before.id, "most": PAGE + 1}
    return c.rows(OF_PERSON, **place) if client_id is None else c.rows(TO_CLIENT, client=client_id, **place)


def grant_of(c: Connection, person_id: str, grant_id: str) -> Any:
    """The person's grant of that id, with its client, also one that was withdrawn. None if it is not theirs."""
    return c.one(GRANT, of_grant=grant_id, person=person_id)


def touched(c: Connection, client_id: str, since: datetime | None = None) -> Iterator[Any]:
    """Every release to the client since then, oldest first: at, id, person_id, claims. Read in batches."""
    at, last = since or _FIRST, ""
    while rows := c.rows(TOUCHED, client=client_id, after_at=at, after_id=last, most=BATCH):
        yield from rows
        at, last = rows[-1].at, rows[-1].id
