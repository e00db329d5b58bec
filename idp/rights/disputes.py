"""Disputes: a person says that a linked account of an older system is not theirs, and a clerk decides.

From that moment the link has level 0, which opens nothing: no login with the old password, no old user id to its
system. Nothing is deleted before the decision, because the person who disputes may be the wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from accounts import audit
from accounts.database import Connection, Statement, UtcDateTime, insert_unless_present, new_id
from accounts.merging.linking import linked_accounts
from accounts.merging.undo import OnPersonsChanged, undo_link
from accounts.vault import Vault
from idp.rights.tables import link_disputes

MOST = 50
_PURPOSE = "linked account on a page"
_l, _d, _p = linked_accounts.c, link_disputes.c, sa.bindparam

_LINKS = Statement(
    sa.select(_l.system, _l.uid, _l.rule, _l.level, _l.linked_at, _l.adopted_at, _l.last_login_at)
    .where(_l.person_id == _p("person"))
    .order_by(_l.system, _l.uid)
    .limit(MOST)
)
_SHUT = Statement(
    sa.update(linked_accounts)
    .where(_l.system == _p("of_system"), _l.uid == _p("of_uid"), _l.person_id == _p("person"), _l.level > 0)
    .values(level=0)
)
_OPEN = Statement(insert_unless_present(link_disputes), columns=list(_d.keys()))
_UNDECIDED = Statement(
    sa.select(link_disputes)
    .where(_d.decided_at.is_(None))
    .order_by(_d.opened_at, _d.id)
    .limit(_p("most", type_=sa.Integer))
)
_DISPUTE = Statement(sa.select(link_disputes).where(_d.id == _p("dispute")))
_DECIDE = Statement(
    sa.update(link_disputes)
    .where(_d.id == _p("dispute"), _d.decided_at.is_(None))
    .values(decided_at=_p("now", type_=UtcDateTime), decision=_p("decided"), decided_by=_p("actor"))
)
_REOPEN = Statement(
    sa.update(linked_accounts)
    .where(_l.system == _p("of_system"), _l.uid == _p("of_uid"), _l.person_id == _p("person"), _l.level == 0)
    .values(level=_p("was", type_=sa.Integer))
)


@dataclass(frozen=True, slots=True)
class OlderAccount:
    """One linked account. `key` names it in a form: it is computed for this person and reveals no id."""

    key: str
    system: str
    uid: str
    rule: str
    level: int
    linked_at: datetime
    adopted_at: datetime | None

    @property
    def is_disputed(self) -> bool:
        """Whether it opens nothing until a decision."""
        return self.level == 0


def older_accounts(c: Connection, vault: Vault, person_id: str) -> tuple[OlderAccount, ...]:
    """The accounts of older systems that are linked to the person, at most MOST."""
    return tuple(
        OlderAccount(
            _key(vault, person_id, row.system, row.uid),
            row.system,
            row.uid,
            row.rule,
            row.level,
            row.linked_at,
            row.adopted_at,
        )
        for row in c.rows(_LINKS, person=person_id)
    )


def dispute(c: Connection, person_id: str, account: OlderAccount, *, channel: str, now: datetime) -> bool:
    """The link opens nothing from now on, and a clerk will decide. False if that was so before.

    Runs in the caller's transaction, with the audit record.
    """
    if c.execute(_SHUT, of_system=account.system, of_uid=account.uid, person=person_id) != 1:
        return False
    row = dict.fromkeys(_d.keys()) | {
        "id": new_id(),
        "person_id": person_id,
        "system": account.system,
        "uid": account.uid,
        "rule": account.rule,
        "level": account.level,
        "opened_at": now,
    }
    c.execute(_OPEN, **row)
    detail = {"system": account.system}
    audit.append(c, "person:link:dispute", now=now, person=person_id, channel=channel, detail=detail)
    return True


def undecided(c: Connection, most: int = MOST) -> list[Any]:
    """The disputes that wait for a decision, oldest first: rows of link_disputes."""
    return c.rows(_UNDECIDED, most=most)


def decide(
    c: Connection,
    dispute_id: str,
    *,
    separated: bool,
    on_persons_changed: OnPersonsChanged,
    actor: str,
    now: datetime,
) -> bool:
    """The dispute is decided. False if it was before, or does not exist.

    Separated: the account belongs to nobody, this pair is never linked again, and what was open has ended. Kept: the
    link has its level again.
    """
    found = c.one(_DISPUTE, dispute=dispute_id)
    decision = "separated" if separated else "kept"
    if found is None or c.execute(_DECIDE, dispute=dispute_id, decided=decision, actor=actor, now=now) != 1:
        return False
    if separated:
        undo_link(c, found.system, found.uid, on_persons_changed=on_persons_changed, now=now)
    else:
        c.execute(_REOPEN, of_system=found.system, of_uid=found.uid, person=found.person_id, was=found.level)
    detail = {"system": found.system, "decision": decision}
    audit.append(c, "administrator:dispute:decide", now=now, actor=actor, person=found.person_id, detail=detail)
    return True


def _key(vault: Vault, person_id: str, system: str, uid: str) -> str:
    text = f"{person_id}\0{system}\0{uid}"
    return vault.pepper(text.encode("utf-8", "surrogatepass"), purpose=_PURPOSE).hex()[:32]
