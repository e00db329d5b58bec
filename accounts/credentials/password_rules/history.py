"""Which profile holds for a person, and the former passwords that a profile forbids to use again.

Citizens have no rows here. Former passwords are kept as what they were stored as: Argon2id hashes, sealed by the vault.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_with_conflict

from accounts.credentials.password_rules.profiles import CITIZEN, PROFILES, PolicyProfile
from accounts.database import Connection, Statement, UtcDateTime, metadata, new_id
from accounts.vault import Vault

FORMER = "password_history.sealed"
_BY_NAME = {profile.name: profile for profile in PROFILES}

password_profiles = sa.Table(
    "password_profiles",
    metadata,
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), primary_key=True),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
)
password_history = sa.Table(
    "password_history",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("replaced_at", UtcDateTime, nullable=False),
    sa.Index("ix_password_history_person_id_replaced_at", "person_id", "replaced_at"),
)
_h, _p = password_history.c, password_profiles.c
_insert = insert_with_conflict(password_profiles)
_SET_PROFILE = Statement(
    _insert.on_conflict_do_update(
        index_elements=["person_id"],
        set_={name: _insert.excluded[name] for name in ("profile", "since")},
        where=_p.profile != _insert.excluded.profile,
    ),
    columns=[c.key for c in _p],
)
_END_PROFILE = Statement(sa.delete(password_profiles).where(_p.person_id == sa.bindparam("person")))
_PROFILE = Statement(sa.select(_p.profile).where(_p.person_id == sa.bindparam("person")))
_REMEMBER = Statement(sa.insert(password_history))
_newest = (
    sa.select(_h.id)
    .where(_h.person_id == sa.bindparam("person"))
    .order_by(_h.replaced_at.desc(), _h.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_FORMER = Statement(sa.select(_h.sealed).where(_h.id.in_(_newest)))
_TRIM = Statement(sa.delete(password_history).where(_h.person_id == sa.bindparam("person"), _h.id.not_in(_newest)))


def needs_cryptographic_factor(person_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """A condition for a read of a person: their profile asks for two factors, one of them cryptographic."""
    others = [sa.literal(profile.name, sa.Text) for profile in PROFILES if not profile.cryptographic_factor]
    return sa.exists().where(_p.person_id == person_id, _p.profile.not_in(others))


def named(profile: str | None) -> PolicyProfile:
    """The profile of that name. None is the citizens'. A name that this release does not know is the strictest."""
    return CITIZEN if profile is None else _BY_NAME.get(profile, PROFILES[-1])


def profile_of(c: Connection, person_id: str) -> PolicyProfile:
    """The profile that holds for the person's password. One statement."""
    row = c.one(_PROFILE, person=person_id)
    return named(row.profile if row else None)


def set_profile(c: Connection, person_id: str, profile: PolicyProfile, *, now: datetime) -> bool:
    """This profile holds from now on. False if it did before. Back at the citizens', former passwords are deleted."""
    if profile is CITIZEN:
        c.execute(_TRIM, person=person_id, most=0)
        return c.execute(_END_PROFILE, person=person_id) == 1
    return c.execute(_SET_PROFILE, person_id=person_id, profile=profile.name, since=now) == 1


def former(c: Connection, vault: Vault, person_id: str, most: int) -> tuple[str, ...]:
    """The encoded hashes of the person's latest former passwords. Raises SealBroken."""
    rows = c.rows(_FORMER, person=person_id, most=most)
    return tuple(vault.open(row.sealed, place=FORMER) for row in rows)


def remember(c: Connection, vault: Vault, person_id: str, encoded: str, *, most: int, now: datetime) -> None:
    """This hash is one of the person's former passwords, of which the latest `most` are kept."""
    sealed = vault.seal(encoded, place=FORMER)
    c.execute(_REMEMBER, id=new_id(), person_id=person_id, sealed=sealed, replaced_at=now)
    c.execute(_TRIM, person=person_id, most=most)
