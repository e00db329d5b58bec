"""The table of helper relations, and every statement on it.

A relation is in force while it was accepted, has not ended and has not expired, and while both persons are active.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from accounts.database import Json, Statement, UtcDateTime, metadata
from accounts.people import natural_persons
from accounts.people.invitee import FORGOTTEN
from accounts.vault.blind_index import matches

INVITEE = "helper_relations.invitee"

helper_relations = sa.Table(
    "helper_relations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("relation", sa.Text, nullable=False),  # what the helper is to the person helped
    sa.Column("proof", sa.Text, nullable=False),
    sa.Column("proof_reference", sa.Text),  # where the counter keeps its copy; no number of a person
    sa.Column("is_guardianship", sa.Boolean, nullable=False),
    sa.Column("helped_id", sa.Text, sa.ForeignKey("natural_persons.id"), index=True),
    sa.Column("helper_id", sa.Text, sa.ForeignKey("natural_persons.id"), index=True),
    # Whom the offer names: sealed number and name, and the index of the number. Gone once it is answered.
    sa.Column("invitee", sa.LargeBinary),
    sa.Column("invitee_kind", sa.Text),
    sa.Column("invitee_index", sa.LargeBinary, index=True),
    sa.Column("matters", Json),  # NULL: every matter
    sa.Column("offered_at", UtcDateTime, nullable=False),
    sa.Column("accept_by", UtcDateTime, nullable=False),
    sa.Column("accepted_at", UtcDateTime),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("ended_because", sa.Text),
    sa.CheckConstraint(
        "relation IN ('spouse', 'parent', 'child', 'grandparent', 'grandchild', 'guardian', 'other')", name="relation"
    ),
    sa.CheckConstraint(
        "proof IN ('declared', 'household_register', 'birth_certificate', 'court_decision')", name="proof"
    ),
    sa.CheckConstraint("(proof = 'declared') = (proof_reference IS NULL)", name="paper_is_kept_somewhere"),
    sa.CheckConstraint(
        "NOT is_guardianship OR (proof <> 'declared' AND relation IN ('parent', 'grandparent', 'guardian'))",
        name="guardians_show_papers",
    ),
    sa.CheckConstraint("helped_id IS NOT NULL OR helper_id IS NOT NULL", name="one_of_both"),
    sa.CheckConstraint(
        "accepted_at IS NULL OR (helped_id IS NOT NULL AND helper_id IS NOT NULL)", name="accepted_by_both"
    ),
    sa.CheckConstraint("helped_id <> helper_id", name="not_oneself"),
    sa.CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended_for_a_reason"),
    sa.CheckConstraint(
        "ended_because IN ('declined', 'withdrawn', 'ended_by_helped', 'ended_by_helper', 'replaced', 'death', "
        "'incapacity', 'account_ended')",
        name="ended_because",
    ),
)

_r = helper_relations.c
_p = sa.bindparam
_now: sa.BindParameter[datetime] = sa.bindparam("now", type_=UtcDateTime)
_in_force = sa.and_(_r.accepted_at.is_not(None), _r.ended_at.is_(None), _r.expires_at > _now)
_answerable = sa.and_(_r.accepted_at.is_(None), _r.ended_at.is_(None), _r.accept_by > _now, _r.expires_at > _now)


def _of(person: sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
    return sa.or_(_r.helped_id == person, _r.helper_id == person)


# Who may act --------------------------------------------------------------------------------------------------------
_helper = natural_persons.alias("helper")
_helped = natural_persons.alias("helped")  # an alias, because the reader of a token joins the table for the helper
HELPED_BY = Statement(
    sa.select(
        *(_r[name] for name in ("id", "relation", "proof", "is_guardianship", "helped_id", "matters", "expires_at")),
        natural_persons.c.attributes,
    )
    .select_from(helper_relations)
    .join(natural_persons, natural_persons.c.id == _r.helped_id)
    .join(_helper, _helper.c.id == _r.helper_id)
    .where(
        _r.helper_id == _p("of_helper"),
        _in_force,
        natural_persons.c.status == "active",
        _helper.c.status == "active",
    )
    .order_by(_r.accepted_at, _r.id)
)


def stands(relation_id: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """True while nobody ended this relation and the helped person is active: for the statement that reads a token.

    The helper's status and the relation's period are read there anyway: no token outlives the period.
    """
    return sa.exists().where(
        _r.id == relation_id,
        _r.ended_at.is_(None),
        _helped.c.id == _r.helped_id,
        _helped.c.status == "active",
    )


# Asking and answering -----------------------------------------------------------------------------------------------
# The row of a person is updated before their relations are counted, so that two acts at once see each other.
HOLD_PERSON = Statement(
    sa.update(natural_persons)
    .where(natural_persons.c.id == _p("held"), natural_persons.c.status == "active")
    .values(status=natural_persons.c.status)
)
COUNT_OF = Statement(
    sa.select(sa.func.count().label("n")).where(_of(_p("person", type_=sa.Text)), sa.or_(_in_force, _answerable))
)
INSERT = Statement(sa.insert(helper_relations))
ACCEPT = Statement(
    sa.update(helper_relations)
    .where(_r.id == _p("of"), _answerable)
    .values(
        accepted_at=_now,
        helped_id=sa.func.coalesce(_r.helped_id, _p("by_person", type_=sa.Text)),
        helper_id=sa.func.coalesce(_r.helper_id, _p("by_person", type_=sa.Text)),
        **FORGOTTEN,
    )
)
OTHERS_OF_BOTH = Statement(
    sa.select(helper_relations).where(
        _r.helped_id == _p("helped"),
        _r.helper_id == _p("helper"),
        _r.id != _p("of"),
        _r.accepted_at.is_not(None),
        _r.ended_at.is_(None),
    )
)
END_OFFER = Statement(
    sa.update(helper_relations)
    .where(_r.id == _p("of"), _r.accepted_at.is_(None), _r.ended_at.is_(None))
    .values(ended_at=_now, ended_because=_p("because"), **FORGOTTEN)
)
END_ACCEPTED = Statement(
    sa.update(helper_relations)
    .where(_r.id == _p("of"), _r.accepted_at.is_not(None), _r.ended_at.is_(None))
    .values(ended_at=_now, ended_because=_p("because"))
)
END_ANY = Statement(
    sa.update(helper_relations)
    .where(_r.id == _p("of"), _r.ended_at.is_(None))
    .values(ended_at=_now, ended_because=_p("because"), **FORGOTTEN)
)
UNENDED_OF = Statement(
    sa.select(helper_relations).where(_of(_p("person", type_=sa.Text)), _r.ended_at.is_(None)).order_by(_r.id)
)

# Reading ------------------------------------------------------------------------------------------------------------
BY_ID = Statement(sa.select(helper_relations).where(_r.id == _p("of")))
OF_PERSON = Statement(
    sa.select(helper_relations)
    .where(_of(_p("person", type_=sa.Text)), sa.or_(_in_force, _answerable))
    .order_by(_r.offered_at, _r.id)
)
OFFERS_TO = Statement(
    sa.select(helper_relations)
    .where(_r.invitee_kind == _p("identifier_kind"), matches(_r.invitee_index), _answerable)
    .order_by(_r.offered_at, _r.id)
)
