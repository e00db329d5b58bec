"""Undo of merges: `undo_run_entries` takes a whole run back, newest entry first, `undo_link` the link of one account.

Both can be repeated: undoing what is already undone succeeds. Links are deleted, and with them the passwords that were
adopted through them or chosen in their place, unless a real-name check of ours came before the choice. A person whom
the run created is deleted, too, unless something else depends on them since: a phone, a check of ours, a service's
subject, a grant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from accounts.credentials.password import password_credentials
from accounts.database import Connection, Statement, UtcDateTime, insert_unless_present, metadata
from accounts.database.bulk_select import BulkSelect
from accounts.evidence import LEGACY_SOURCE, LEVELS, evidence
from accounts.merging import JOURNAL, MergeRun, advance, entry, number_conflicts, run_of
from accounts.merging.linking import linked_accounts
from accounts.merging.tables import merge_journal, separations
from accounts.people import natural_persons, person_identifiers

OnPersonsChanged = Callable[[Connection, Sequence[str], datetime], None]

_BACKWARDS = Statement(
    sa.select(merge_journal)
    .where(
        merge_journal.c.run_id == sa.bindparam("run"), merge_journal.c.seq <= sa.bindparam("upto", type_=sa.BigInteger)
    )
    .order_by(merge_journal.c.seq.desc())
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_LINK = Statement(
    sa.select(linked_accounts).where(
        linked_accounts.c.system == sa.bindparam("of_system"), linked_accounts.c.uid == sa.bindparam("of_uid")
    )
)
_DELETE_LINK = Statement(
    sa.delete(linked_accounts).where(
        linked_accounts.c.system == sa.bindparam("of_system"),
        linked_accounts.c.uid == sa.bindparam("of_uid"),
        linked_accounts.c.run_id == sa.bindparam("of_run"),
    )
)
_DELETE_IDENTIFIERS = Statement(
    sa.delete(person_identifiers).where(person_identifiers.c.person_id == sa.bindparam("person"))
)
_DELETE_PERSON = Statement(sa.delete(natural_persons).where(natural_persons.c.id == sa.bindparam("person")))
_adopted_elsewhere = sa.exists().where(
    linked_accounts.c.person_id == password_credentials.c.person_id, linked_accounts.c.adopted_at.is_not(None)
)
_chosen_after_a_check_of_ours = sa.exists().where(
    evidence.c.person_id == password_credentials.c.person_id,
    evidence.c.kind.in_([sa.literal(kind.value, sa.Text) for kind, level in LEVELS if level > 1]),
    evidence.c.withdrawn_at.is_(None),
    ~evidence.c.source.startswith(sa.literal(LEGACY_SOURCE, sa.Text)),
    evidence.c.at <= password_credentials.c.changed_at,
    password_credentials.c.origin == "chosen",
)
_FORGET_ADOPTED = Statement(  # and what was chosen in its place: whoever knew the one could set the other
    sa.delete(password_credentials).where(
        password_credentials.c.person_id == sa.bindparam("person"),
        password_credentials.c.created_at == sa.bindparam("adopted", type_=UtcDateTime),
        ~_adopted_elsewhere,
        ~_chosen_after_a_check_of_ours,
    )
)
_ADOPTED = BulkSelect(
    sa.select(linked_accounts.c.person_id, linked_accounts.c.adopted_at).where(
        linked_accounts.c.system == sa.bindparam("of_system"), linked_accounts.c.adopted_at.is_not(None)
    ),
    linked_accounts.c.uid,
)
_SEPARATE = Statement(insert_unless_present(separations), columns=[col.key for col in separations.columns])
_PERSONS = BulkSelect(sa.select(natural_persons), natural_persons.c.id)
_IDENTIFIERS = BulkSelect(sa.select(person_identifiers), person_identifiers.c.person_id)


def start_undo(c: Connection, run: MergeRun) -> MergeRun:
    """The run is in the state of being undone, from its last journal entry backwards. Returns it."""
    if run.state in {"undoing", "undone"}:
        return run
    becomes = replace(run, state="undoing", position=run.journal_length)
    advance(c, run, becomes)
    return becomes


def undo_run_entries(
    c: Connection, run: MergeRun, *, most: int, on_persons_changed: OnPersonsChanged, now: datetime
) -> MergeRun:
    """The next `most` journal entries are undone. Returns the run, `undone` when none is left.

    Links of the run are deleted, and adopted passwords with the link through which they came. A person whom the run
    created is deleted if nothing else depends on them. `on_persons_changed` ends sessions and tokens first, in the same
    transaction.
    """
    entries = c.rows(_BACKWARDS, run=run.id, upto=run.position, most=most)
    links = [e for e in entries if e.operation == "insert" and e.table_name == "linked_accounts"]
    created = [e.row_key[0] for e in entries if e.operation == "insert" and e.table_name == "natural_persons"]
    changed = sorted({e.new["person_id"] for e in links})
    if changed:
        on_persons_changed(c, changed, now)
    _remove_links(c, run.id, run.system, [link.row_key[1] for link in links])
    _remove_persons(c, untouched(c, created))
    left = run.position - len(entries)
    becomes = replace(run, position=left)
    if left <= 0:
        number_conflicts.forget(c, run.id)
        becomes = replace(becomes, state="undone", undone_at=now)
    advance(c, run, becomes)
    return becomes


def undo_link(
    c: Connection, system: str, uid: str, *, on_persons_changed: OnPersonsChanged, now: datetime
) -> str | None:
    """The account is linked to nobody, and this pair is never linked again. Returns the person's id, or None.

    None means that it was undone before, which is success too. The person stays, even one whom the run created: the
    number and name are kept beside "not the same", so that the next run does not repeat the mistake.
    """
    row = c.one(_LINK, of_system=system, of_uid=uid)
    if row is None:
        return None
    person_id: str = row.person_id
    on_persons_changed(c, [person_id], now)
    unlink(c, row, now=now)
    c.execute(_SEPARATE, system=system, uid=uid, person_id=person_id, run_id=row.run_id, created_at=now)
    return person_id


def unlink(c: Connection, link: Any, *, now: datetime) -> None:
    """This row of linked_accounts is deleted and journalled, and the password that came through it alone is forgotten.

    The account may be linked again. What is open must have ended before. Raises RunTaken while its run is applied.
    """
    run = run_of(c, link.run_id)
    if run is not None:
        old = {"person_id": link.person_id, "rule": link.rule, "level": link.level}
        c.execute(JOURNAL, **entry(run, 1, "delete", "linked_accounts", [link.system, link.uid], old=old, now=now))
        advance(c, run, replace(run, journal_length=run.journal_length + 1))
    _remove_links(c, link.run_id, link.system, [link.uid])


def _remove_links(c: Connection, run_id: str, system: str, uids: Sequence[str]) -> None:
    """The system's links of these keys are deleted, and the passwords that came through them alone."""
    if not uids:
        return
    adopted = [{"person": row.person_id, "adopted": row.adopted_at} for row in _ADOPTED.rows(c, uids, of_system=system)]
    c.execute_many(_DELETE_LINK, [{"of_system": system, "of_uid": uid, "of_run": run_id} for uid in uids])
    if adopted:
        c.execute_many(_FORGET_ADOPTED, adopted)


def _remove_persons(c: Connection, person_ids: Sequence[str]) -> None:
    if person_ids:
        persons = [{"person": person_id} for person_id in person_ids]
        c.execute_many(_DELETE_IDENTIFIERS, persons)
        c.execute_many(_DELETE_PERSON, persons)


def untouched(c: Connection, person_ids: Sequence[str]) -> list[str]:
    """The persons that are still as their run created them: one number, no change, and nothing depends on them."""
    if not person_ids:
        return []
    changed = {p.id for p in _PERSONS.rows(c, person_ids) if p.status != "active" or p.updated_at != p.created_at}
    numbers: dict[str, int] = {}
    for identifier in _IDENTIFIERS.rows(c, person_ids):
        numbers[identifier.person_id] = numbers.get(identifier.person_id, 0) + 1
    used = {row.person for hanging in _hanging() for row in hanging.rows(c, person_ids)}
    return [p for p in person_ids if p not in changed and p not in used and numbers.get(p) == 1]


_HANGING: dict[int, tuple[BulkSelect, ...]] = {}
_RECORDS = frozenset({"audit_events", "separations", "person_identifiers"})  # they outlive the person, or are ours


def _hanging() -> tuple[BulkSelect, ...]:
    """A query over every table of this process that names a person, those of higher layers included.

    Tables without an index on the person are left out. Their rows (tokens, requests) depend on a grant, a subject or a
    session, which have one. Reading them whole for every batch would make the undo of a city take days.
    """
    found = _HANGING.get(len(metadata.tables))
    if found is None:
        columns = [c for table in metadata.sorted_tables if table.name not in _RECORDS for c in _leading(table)]
        named = [c for c in columns if c.name == "person_id" or c.references(natural_persons.c.id)]
        found = tuple(BulkSelect(sa.select(column.label("person")).distinct(), column) for column in named)
        _HANGING[len(metadata.tables)] = found
    return found


def _leading(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns of the table by which an index can be searched."""
    indexes = [list(index.columns) for index in table.indexes] + [list(table.primary_key.columns)]
    return list(dict.fromkeys(columns[0] for columns in indexes if columns))
