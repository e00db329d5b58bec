"""Links from accounts of older systems to persons. They form a star, account → person, so links never chain.

The level of a link says what it opens: 0 proposed (nothing), 1 linked by a rule, 2 confirmed by the person, 3 confirmed
and proven with the old password or at a counter. Level 1 gives the old user id to its own system only where the old
password was used here, or where a real-name check of ours exists for the person. Otherwise anybody who had opened an
account under a neighbour's number in one lax system would learn what the neighbour has in all others.

The old secret is sealed at import, screened for guessable values, and erased when the person's first login turns it
into a password of ours. Its login name stays sealed, so that keys can rotate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from accounts.credentials.legacy import LegacySecret, Recipe
from accounts.database import Connection, Statement, UtcDateTime, metadata
from accounts.evidence import LEGACY_SOURCE, LEVELS, evidence
from accounts.vault import Vault
from accounts.vault.blind_index import matches, terms

LOGIN_NAME = "legacy_login"
SECRET = "linked_accounts.secret"  # noqa: S105 - the sealed column's place
_MOST_LOGINS = 5
_MOST_COSTLY = 2  # one guess at a shared login name must not cost five bcrypt checks

linked_accounts = sa.Table(
    "linked_accounts",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("uid", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, sa.ForeignKey("natural_persons.id"), nullable=False),
    sa.Column("login_index", sa.LargeBinary, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sa.Column("secret", sa.LargeBinary),  # sealed; only the login name once adopted, or when it was guessable
    sa.Column("recipe", sa.Text),
    sa.Column("last_login_at", UtcDateTime),
    sa.Column("linked_at", UtcDateTime, nullable=False),
    sa.Column("adopted_at", UtcDateTime),
    sa.CheckConstraint("level BETWEEN 0 AND 3", name="level"),
)
sa.Index("ix_linked_accounts_person_id_system", linked_accounts.c.person_id, linked_accounts.c.system)
sa.Index("ix_linked_accounts_login_index", linked_accounts.c.login_index)

_BY_LOGIN = Statement(
    sa.select(linked_accounts)
    .where(matches(linked_accounts.c.login_index), linked_accounts.c.level >= 1)
    .order_by(linked_accounts.c.last_login_at.desc().nullslast(), linked_accounts.c.system, linked_accounts.c.uid)
    .limit(_MOST_LOGINS)
)
_ADOPT = Statement(
    sa.update(linked_accounts)
    .where(linked_accounts.c.system == sa.bindparam("of_system"), linked_accounts.c.uid == sa.bindparam("of_uid"))
    .values(secret=sa.bindparam("erased", type_=sa.LargeBinary), recipe=None, adopted_at=sa.bindparam("now"))
)
_REAL_NAME = tuple(kind.value for kind, level in LEVELS if level > 1)
_proven_here = sa.exists().where(
    evidence.c.person_id == linked_accounts.c.person_id,
    evidence.c.kind.in_([sa.literal(kind, sa.Text) for kind in _REAL_NAME]),
    evidence.c.withdrawn_at.is_(None),
    ~evidence.c.source.startswith(sa.literal(LEGACY_SOURCE, sa.Text)),
)
_CONFIRM = Statement(
    sa.update(linked_accounts)
    .where(linked_accounts.c.person_id == sa.bindparam("of_person"), linked_accounts.c.level == 1)
    .values(level=sa.case((linked_accounts.c.adopted_at.is_not(None), 3), else_=2))
)
_SUBS = Statement(
    sa.select(linked_accounts.c.uid)
    .where(
        linked_accounts.c.person_id == sa.bindparam("of_person"),
        linked_accounts.c.system == sa.bindparam("of_system"),
        sa.or_(
            linked_accounts.c.level > 1,
            sa.and_(linked_accounts.c.level == 1, sa.or_(linked_accounts.c.adopted_at.is_not(None), _proven_here)),
        ),
    )
    .order_by(linked_accounts.c.last_login_at.desc().nullslast(), linked_accounts.c.uid)
)
OF_PERSON = Statement(
    sa.select(linked_accounts)
    .where(linked_accounts.c.person_id == sa.bindparam("of_person"))
    .order_by(linked_accounts.c.system, linked_accounts.c.uid)
)


@dataclass(frozen=True, slots=True)
class LinkedLogin:
    """One account of an older system that a login name may belong to."""

    system: str
    uid: str
    person_id: str
    login_name: str = field(repr=False)
    sealed: bytes | None = field(repr=False)
    recipe: str | None


class Linking:
    """The logins of older systems (accounts.ports.LegacyLogins). Immutable: one instance for a process."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def find(self, c: Connection, login_name: str) -> Sequence[LinkedLogin]:
        """The live accounts of this login name in all systems, most recently used first, in one statement.

        At most two accounts with a costly recipe can be verified; the secrets of further ones stay sealed.
        """
        rows = c.rows(_BY_LOGIN, **terms(self._vault, _folded(login_name), kind=LOGIN_NAME))
        found, costly = [], 0
        for r in rows:
            costly += _is_costly(r.recipe)
            shut = _is_costly(r.recipe) and costly > _MOST_COSTLY
            found.append(LinkedLogin(r.system, r.uid, r.person_id, login_name, None if shut else r.secret, r.recipe))
        return found

    def verify(self, login: Any, password: str) -> bool:
        """Whether the older system would accept this password. False once the password was adopted."""
        if login.sealed is None or login.recipe is None:
            return False
        secret = LegacySecret.from_text(self._vault.open(login.sealed, place=SECRET))
        return Recipe.parse(login.recipe).verify(secret, password, login_name=login.login_name)

    def adopt(self, c: Connection, login: Any, *, now: datetime) -> None:
        """The account's own secret is erased, in the caller's transaction: the person has a password of ours now."""
        erased = self.sealed(LegacySecret("", "", login.login_name), login.login_name)
        c.execute(_ADOPT, of_system=login.system, of_uid=login.uid, erased=erased, now=now)

    def login_index(self, login_name: str) -> bytes:
        """The blind index of a login name."""
        return self._vault.index(_folded(login_name), kind=LOGIN_NAME)

    def sealed(self, secret: LegacySecret, login_name: str) -> bytes:
        """A legacy secret as it is stored until its first use, with the login name that finds it."""
        other = login_name if secret.login_name != login_name else None
        return self._vault.seal(replace(secret, found_by=other).to_text(), place=SECRET)


def confirm(c: Connection, person_id: str) -> int:
    """The person has confirmed, with a real-name check, that the linked accounts are theirs. Returns how many.

    The links get level 2, or level 3 where the old password was proven as well. The caller has made the check.
    """
    return c.execute(_CONFIRM, of_person=person_id)


def legacy_sub(c: Connection, person_id: str, system: str) -> str | None:
    """The person's old user id in that system, the one used last. None when there is none that may be released."""
    subs = legacy_subs(c, person_id, system)
    return subs[0] if subs else None


def legacy_subs(c: Connection, person_id: str, system: str) -> tuple[str, ...]:
    """Every old user id of the person in that system, the one used last first."""
    return tuple(row.uid for row in c.rows(_SUBS, of_person=person_id, of_system=system))


def link_row(
    *,
    system: str,
    uid: str,
    person_id: str,
    login_index: bytes,
    rule: str,
    run_id: str,
    now: datetime,
    secret: bytes | None,
    recipe: str | None,
    last_login_at: datetime | None = None,
) -> Mapping[str, Any]:
    """A whole row of linked_accounts at level 1: linked by a rule, open to its own system only."""
    return {
        "system": system,
        "uid": uid,
        "person_id": person_id,
        "login_index": login_index,
        "level": 1,
        "rule": rule,
        "run_id": run_id,
        "secret": secret,
        "recipe": recipe,
        "last_login_at": last_login_at,
        "linked_at": now,
        "adopted_at": None,
    }


def indexed_login(secret: str) -> str:
    """The indexed text of a link, read from its opened secret. Key rotation makes the index from it again.

    The seal keeps the login name even after the secret was erased, so there is always a text to index.
    """
    held = LegacySecret.from_text(secret)
    return _folded(held.found_by or held.login_name or "")


def _is_costly(recipe: str | None) -> bool:
    return recipe is not None and Recipe.parse(recipe).is_costly


def _folded(login_name: str) -> str:
    return login_name.strip().casefold()
