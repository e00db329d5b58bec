"""The tables of bound platform accounts, and every statement on them. `federated_identities` runs these.

A platform knows one account by one or two identifiers, and may replace one by another (Alipay's `user_id` by
`open_id`). So each identifier is a row of its own: sealed, and found by a blind index whose key covers its kind. The
index is unique: one identifier leads to one person.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from accounts.credentials.password import password_credentials
from accounts.database import Statement, UtcDateTime, insert_unless_present, metadata
from accounts.people import natural_persons
from accounts.vault import MOST_KEYS, PROFILES

MOST_IDENTIFIERS = 2  # of one account
PLACE = "federated_identifiers.sealed"

federated_identities = sa.Table(
    "federated_identities",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_used_at", UtcDateTime),
)
federated_identifiers = sa.Table(
    "federated_identifiers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("identity_id", sa.Text, sa.ForeignKey("federated_identities.id"), nullable=False, index=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),  # provider, name of the identifier, and the app that it is for
    sa.Column("blind_index", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

_i, _n = federated_identities.c, federated_identifiers.c
_p = sa.bindparam
TERMS = tuple(f"term_{at}" for at in range(MOST_IDENTIFIERS * MOST_KEYS * len(PROFILES)))
_is_one_of_them: Any = _n.blind_index.in_([_p(name, type_=sa.LargeBinary) for name in TERMS])
FIND = Statement(
    sa.select(
        _n.identity_id,
        _n.kind,
        _n.person_id,
        natural_persons.c.status.label("person_status"),
        natural_persons.c.updated_at.label("status_since"),
        password_credentials.c.changed_at.label("password_since"),
    )
    .select_from(federated_identifiers)
    .join(natural_persons, natural_persons.c.id == _n.person_id)
    .outerjoin(password_credentials, password_credentials.c.person_id == _n.person_id)
    .where(_is_one_of_them)
)
USE = Statement(
    sa.update(federated_identities).where(_i.id == _p("identity")).values(last_used_at=_p("now", type_=UtcDateTime))
)
INSERT = Statement(sa.insert(federated_identities))
INSERT_IDENTIFIER = Statement(insert_unless_present(federated_identifiers), columns=[c.key for c in _n])
OF_PERSON = Statement(
    sa.select(federated_identities).where(_i.person_id == _p("of_person")).order_by(_i.created_at, _i.id)
)
_has_other_way = sa.exists().where(password_credentials.c.person_id == _p("of_person"))
REMOVE_IDENTIFIERS = Statement(
    sa.delete(federated_identifiers).where(
        _n.identity_id == _p("identity"), _n.person_id == _p("of_person"), _has_other_way
    )
)
REMOVE = Statement(
    sa.delete(federated_identities).where(_i.id == _p("identity"), _i.person_id == _p("of_person"), _has_other_way)
)
