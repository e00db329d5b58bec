"""Every statement on subjects and grants: a person's `sub` in each sector, and what a client may have."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_with_conflict

from accounts.database import Json, Statement, UtcDateTime, insert_unless_present
from accounts.people import natural_persons
from idp.oidc.models import clients, grants, organisation_subjects, refusals, releases, subjects

_p = sa.bindparam

# subjects -----------------------------------------------------------------------------------------------------------
INSERT_SUBJECT = Statement(insert_unless_present(subjects), ["person_id", "sector", "sub"])
FIND_SUBJECT = Statement(
    sa.select(subjects.c.sub).where(subjects.c.person_id == _p("of_person"), subjects.c.sector == _p("in_sector"))
)
INSERT_ORGANISATION_SUBJECT = Statement(
    insert_unless_present(organisation_subjects), ["organisation_id", "sector", "org_sub"]
)
FIND_ORGANISATION_SUBJECT = Statement(
    sa.select(organisation_subjects.c.org_sub).where(
        organisation_subjects.c.organisation_id == _p("of_organisation"),
        organisation_subjects.c.sector == _p("in_sector"),
    )
)
SERVICES_OF_ORGANISATION = Statement(
    sa.select(clients.c.client_id, clients.c.name, clients.c.name_en)
    .join(organisation_subjects, organisation_subjects.c.sector == clients.c.sector)
    .where(organisation_subjects.c.organisation_id == _p("of_organisation"))
    .order_by(clients.c.name, clients.c.client_id)
)
# All persons merged into this one, directly or through other merges.
_absorbed = (
    sa.select(natural_persons.c.id)
    .where(natural_persons.c.merged_into == _p("of_person"))
    .cte("absorbed", recursive=True)
)
_absorbed = _absorbed.union(
    sa.select(natural_persons.c.id).join(_absorbed, natural_persons.c.merged_into == _absorbed.c.id)
)
INHERITED_SUBJECT = Statement(
    sa.select(subjects.c.sub)
    .join(_absorbed, _absorbed.c.id == subjects.c.person_id)
    .join(natural_persons, natural_persons.c.id == subjects.c.person_id)
    .where(subjects.c.sector == _p("in_sector"))
    .order_by(natural_persons.c.created_at, subjects.c.person_id)  # the oldest `sub`, the same on every call
)

# grants -------------------------------------------------------------------------------------------------------------
_alive = (
    grants.c.person_id == _p("of_person"),
    grants.c.client_id == _p("to_client"),
    grants.c.withdrawn_at.is_(None),
)
INSERT_GRANT = Statement(insert_unless_present(grants), grants.columns.keys())
FIND_GRANT = Statement(sa.select(grants).where(*_alive))
EXTEND_GRANT = Statement(
    sa.update(grants)
    .where(grants.c.id == _p("of_grant"), grants.c.withdrawn_at.is_(None))
    .values(
        scopes=_p("all_scopes", type_=Json),
        claims=_p("all_claims", type_=Json),
        legal_basis=_p("on_basis"),
        purpose=_p("for_purpose"),
        given_at=_p("now", type_=UtcDateTime),
    )
)
WITHDRAW_GRANT = Statement(
    sa.update(grants)
    .where(grants.c.id == _p("of_grant"), grants.c.person_id == _p("of_person"), grants.c.withdrawn_at.is_(None))
    .values(withdrawn_at=_p("now", type_=UtcDateTime))
)
WITHDRAW_GRANTS_OF_PERSON = Statement(
    sa.update(grants)
    .where(grants.c.person_id == _p("of_person"), grants.c.withdrawn_at.is_(None))
    .values(withdrawn_at=_p("now", type_=UtcDateTime))
)
_MOST_SERVICES = 200  # shown on a page; a city has fewer that one person uses
_last_use = (
    sa.select(releases.c.at)
    .where(releases.c.person_id == grants.c.person_id, releases.c.client_id + "" == grants.c.client_id)
    .order_by(releases.c.at.desc())
    .limit(1)
    .scalar_subquery()
    .label("last_used_at")
)
GRANTS_OF_PERSON = Statement(
    sa.select(
        grants,
        clients.c.name.label("client_name"),
        clients.c.name_en.label("client_name_en"),
        clients.c.purpose_en,
        clients.c.home_uri,
        _last_use,
    )
    .join(clients, clients.c.client_id == grants.c.client_id)
    .where(grants.c.person_id == _p("of_person"), grants.c.withdrawn_at.is_(None))
    .order_by(grants.c.given_at.desc(), grants.c.id)
    .limit(_MOST_SERVICES)
)

# refusals -----------------------------------------------------------------------------------------------------------
_refusal = insert_with_conflict(refusals).values(
    person_id=_p("person_id"),
    client_id=_p("client_id"),
    times=sa.literal_column("1"),
    refused_at=_p("refused_at", type_=UtcDateTime),
    until=_p("until", type_=UtcDateTime),
)
REMEMBER_REFUSAL = Statement(
    _refusal.on_conflict_do_update(
        index_elements=["person_id", "client_id"],
        set_={
            "times": sa.case(
                (refusals.c.until > _refusal.excluded.refused_at, refusals.c.times + sa.literal_column("1")),
                else_=sa.literal_column("1"),
            ),
            "refused_at": _refusal.excluded.refused_at,
            "until": _refusal.excluded.until,
        },
    )
)
FORGET_REFUSAL = Statement(
    sa.delete(refusals).where(refusals.c.person_id == _p("of_person"), refusals.c.client_id == _p("to_client"))
)
REFUSALS_OF_PERSON = Statement(
    sa.select(
        refusals.c.client_id,
        clients.c.name.label("client_name"),
        clients.c.name_en.label("client_name_en"),
        refusals.c.times,
        refusals.c.refused_at,
        refusals.c.until,
    )
    .join(clients, clients.c.client_id == refusals.c.client_id)
    .where(refusals.c.person_id == _p("of_person"), refusals.c.until > _p("now", type_=UtcDateTime))
    .order_by(refusals.c.refused_at.desc(), refusals.c.client_id)
    .limit(_MOST_SERVICES)
)
