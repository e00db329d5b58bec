"""The tables of delegations and of the register's facts, and every statement on them.

A delegation hangs on the one that appointed it, up to the legal representative's row, which follows the register. It
is live while it was accepted, has not ended and has not expired; it counts only while everything above it is live too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from accounts.database import Json, Statement, UtcDateTime, metadata
from accounts.identifiers import IdentifierKind
from accounts.organisations.legal_persons import legal_persons
from accounts.vault.blind_index import matches

INVITEE = "delegations.invitee"
FOR_ORGANISATIONS = IdentifierKind.USCC.value

delegations = sa.Table(
    "delegations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("organisation_id", sa.Text, sa.ForeignKey("legal_persons.id"), nullable=False, index=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("appointed_under", sa.Text, sa.ForeignKey("delegations.id"), index=True),
    sa.Column("appointed_by", sa.Text),  # the person; NULL for the representative, whom the register names
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), index=True),
    sa.Column("delegate_id", sa.Text, sa.ForeignKey("legal_persons.id"), index=True),  # an organisation as handler
    # Whom the invitation names: sealed number and name, and the index of the number. Gone once it is answered.
    sa.Column("invitee", sa.LargeBinary),
    sa.Column("invitee_kind", sa.Text),
    sa.Column("invitee_index", sa.LargeBinary, index=True),
    sa.Column("matters", Json),  # NULL: every matter
    sa.Column("offered_at", UtcDateTime, nullable=False),
    sa.Column("accept_by", UtcDateTime, nullable=False),
    sa.Column("accepted_at", UtcDateTime),
    sa.Column("accepted_by", sa.Text),  # the person who answered, also for an organisation
    sa.Column("expires_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("ended_because", sa.Text),
    sa.CheckConstraint("role IN ('representative', 'manager', 'handler')", name="role"),
    sa.CheckConstraint("(role = 'representative') = (appointed_under IS NULL)", name="appointed"),
    sa.CheckConstraint("delegate_id IS NULL OR (role = 'handler' AND person_id IS NULL)", name="organisation_handles"),
    sa.CheckConstraint("delegate_id IS NULL OR delegate_id <> organisation_id", name="not_itself"),
    sa.CheckConstraint("role = 'handler' OR matters IS NULL", name="matters_of_handlers"),
    sa.CheckConstraint("role <> 'handler' OR expires_at IS NOT NULL", name="handlers_for_a_period"),
    sa.CheckConstraint(
        "(accepted_at IS NULL) = (person_id IS NULL AND delegate_id IS NULL)", name="accepted_by_somebody"
    ),
    sa.CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended_for_a_reason"),
    sa.CheckConstraint(
        "ended_because IN ('declined', 'withdrawn', 'removed', 'resigned', 'appointer_ended', 'register')",
        name="ended_because",
    ),
)
_is_representative = sa.and_(delegations.c.role == "representative", delegations.c.ended_at.is_(None))
sa.Index(
    "uq_delegations_representative",
    delegations.c.organisation_id,
    unique=True,
    sqlite_where=_is_representative,
    postgresql_where=_is_representative,
)

register_facts = sa.Table(
    "register_facts",
    metadata,
    sa.Column("organisation_id", sa.Text, sa.ForeignKey("legal_persons.id"), primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("checked_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("status IN ('operating', 'revoked', 'deregistered', 'moved', 'unknown')", name="status"),
)

_d = delegations.c
_p = sa.bindparam
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)


def _live(table: Any) -> sa.ColumnElement[bool]:
    in_time = sa.or_(table.c.expires_at.is_(None), table.c.expires_at > _now)
    return sa.and_(table.c.accepted_at.is_not(None), table.c.ended_at.is_(None), in_time)


# Who may act --------------------------------------------------------------------------------------------------------
_above = delegations.alias("above")
_top = delegations.alias("top")
_PATH = (
    *(_d[name] for name in ("id", "organisation_id", "role", "person_id", "delegate_id", "matters", "expires_at")),
    _d.accepted_at,
    _above.c.expires_at.label("above_expires_at"),
    legal_persons.c.attributes,
    register_facts.c.status.label("register_status"),
    register_facts.c.checked_at,
)


def _paths(whose: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The live delegations whose appointers are live up to the representative, with the register's facts.

    The representative appoints managers and handlers, a manager handlers: nothing hangs deeper.
    """
    return (
        sa.select(*_PATH)
        .select_from(delegations)
        .join(legal_persons, legal_persons.c.id == _d.organisation_id)
        .outerjoin(register_facts, register_facts.c.organisation_id == _d.organisation_id)
        .outerjoin(_above, _above.c.id == _d.appointed_under)
        .outerjoin(_top, _top.c.id == _above.c.appointed_under)
        .where(
            whose,
            legal_persons.c.status == "active",
            _live(delegations),
            sa.or_(_d.appointed_under.is_(None), _live(_above)),
            sa.or_(_above.c.appointed_under.is_(None), _live(_top)),
        )
        .order_by(_d.accepted_at, _d.id)
    )


PATHS_OF_PERSON = Statement(_paths(_d.person_id == _p("of_person")))
_mine = delegations.alias("mine")
_my_organisations = sa.select(_mine.c.organisation_id).where(_mine.c.person_id == _p("of_person"), _live(_mine))
PATHS_THROUGH_ORGANISATIONS = Statement(_paths(_d.delegate_id.in_(_my_organisations)))

# Appointing ---------------------------------------------------------------------------------------------------------
# The row of the appointer is updated first. So two appointments, or an appointment and a removal, wait for each other,
# and the conditions of the next statement see what the other one has committed.
HOLD_APPOINTER = Statement(
    sa.update(delegations)
    .where(_d.id == _p("appointer"), _d.person_id == _p("by_person"), _live(delegations))
    .values(appointed_by=_d.appointed_by)
)
_other = delegations.alias("other")
_pending_or_live = sa.and_(
    _other.c.ended_at.is_(None),
    sa.or_(_other.c.expires_at.is_(None), _other.c.expires_at > _now),
    sa.or_(_other.c.accepted_at.is_not(None), _other.c.accept_by > _now),
)
_managers = (
    sa.select(sa.func.count())
    .select_from(_other)
    .where(_other.c.organisation_id == _p("organisation_id"), _other.c.role == "manager", _pending_or_live)
    .scalar_subquery()
)
_new = [sa.cast(_p(column.key, type_=column.type), column.type) for column in delegations.columns]
INSERT_OFFER = Statement(
    sa.insert(delegations).from_select(
        [column.key for column in delegations.columns],
        sa.select(*_new).where(
            sa.or_(_p("role", type_=sa.Text) != "manager", _managers < _p("most_managers", type_=sa.Integer))
        ),
    )
)
INSERT = Statement(sa.insert(delegations))

# Answering an invitation --------------------------------------------------------------------------------------------
_answerable = (_d.id == _p("of"), _d.accepted_at.is_(None), _d.ended_at.is_(None))
_appointer_is_live = sa.exists().where(_above.c.id == _d.appointed_under, _live(_above))
_FORGET = {"invitee": None, "invitee_index": None, "invitee_kind": None}
ACCEPT = Statement(
    sa.update(delegations)
    .where(*_answerable, _d.accept_by > _now, sa.or_(_d.expires_at.is_(None), _d.expires_at > _now), _appointer_is_live)
    .values(
        accepted_at=_now,
        accepted_by=_p("by_person"),
        person_id=_p("as_person", type_=sa.Text),
        delegate_id=_p("as_organisation", type_=sa.Text),
        **_FORGET,
    )
)
END_OFFER = Statement(
    sa.update(delegations).where(*_answerable).values(ended_at=_now, ended_because=_p("because"), **_FORGET)
)
END_ACCEPTED = Statement(
    sa.update(delegations)
    .where(_d.id == _p("of"), _d.accepted_at.is_not(None), _d.ended_at.is_(None))
    .values(ended_at=_now, ended_because=_p("because"))
)
END_ANY = Statement(
    sa.update(delegations)
    .where(_d.id == _p("of"), _d.ended_at.is_(None))
    .values(ended_at=_now, ended_because=_p("because"), **_FORGET)
)
APPOINTED_UNDER = Statement(
    sa.select(_d.id, _d.person_id).where(_d.appointed_under == _p("appointer"), _d.ended_at.is_(None))
)
ACCEPTED_BY_PERSON = Statement(
    sa.select(_d.id, _d.organisation_id).where(_d.person_id == _p("of_person"), _d.ended_at.is_(None)).order_by(_d.id)
)
HOLD_ORGANISATION = Statement(
    sa.update(legal_persons).where(legal_persons.c.id == _p("held")).values(status=legal_persons.c.status)
)
HANDLES_FOR = Statement(
    sa.select(_d.id).where(_d.organisation_id == _p("principal"), _d.delegate_id == _p("agent"), _live(delegations))
)

# Reading ------------------------------------------------------------------------------------------------------------
BY_ID = Statement(sa.select(delegations).where(_d.id == _p("of")))
OF_ORGANISATION = Statement(
    sa.select(delegations)
    .where(
        _d.organisation_id == _p("organisation"),
        _d.ended_at.is_(None),
        sa.or_(_d.expires_at.is_(None), _d.expires_at > _now),
        sa.or_(_d.accepted_at.is_not(None), _d.accept_by > _now),
    )
    .order_by(_d.offered_at, _d.id)
)
HISTORY = Statement(
    sa.select(delegations)
    .where(_d.organisation_id == _p("organisation"))
    .order_by(sa.func.coalesce(_d.ended_at, _d.accepted_at, _d.offered_at).desc(), _d.id)
    .limit(_p("most", type_=sa.Integer))
)
OFFERS_TO = Statement(
    sa.select(delegations)
    .where(
        _d.invitee_kind == _p("identifier_kind"),
        matches(_d.invitee_index),
        _d.accepted_at.is_(None),
        _d.ended_at.is_(None),
        _d.accept_by > _now,
    )
    .order_by(_d.offered_at, _d.id)
)
REPRESENTATIVE = Statement(
    sa.select(_d.id, _d.person_id).where(
        _d.organisation_id == _p("organisation"), _d.role == "representative", _d.ended_at.is_(None)
    )
)

# The register's facts -----------------------------------------------------------------------------------------------
FACTS = Statement(sa.select(register_facts).where(register_facts.c.organisation_id == _p("organisation")))
UPDATE_FACTS = Statement(
    sa.update(register_facts)
    .where(register_facts.c.organisation_id == _p("organisation"), register_facts.c.checked_at <= _now)
    .values(status=_p("new_status"), checked_at=_now)
)
INSERT_FACTS = Statement(sa.insert(register_facts))
