"""Merges of older systems' accounts: the run and its one operation, `absorb`. accounts.merging.undo is the inverse.

A run adds persons and links and nothing else. It changes no existing person and copies nothing between accounts, so the
inverse is a deletion. Every batch is one transaction of data, journal and position. An interrupted run continues where
it stopped, and applying a finished run again changes nothing. The plan draws the ids, never this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from accounts.credentials.legacy import LegacySecret
from accounts.database import Connection, Statement, UtcDateTime, insert_unless_present
from accounts.database.bulk_select import BulkSelect
from accounts.errors import AccountsError
from accounts.identifiers import CitizenId
from accounts.merging import number_conflicts
from accounts.merging.linking import Linking, link_row, linked_accounts
from accounts.merging.lookups import NumberHolder, holders, linked
from accounts.merging.tables import merge_journal, merge_runs
from accounts.people import ATTRIBUTES, IDENTIFIER, natural_persons, person_identifiers
from accounts.vault import Vault


class RunTaken(AccountsError):
    """Another process works on the same run. Nothing of this batch was written."""

    code = "merge_run_taken"
    cure = "Wait for the other process; if it is gone, run the same command again."


class RunRefused(AccountsError):
    """The state of the run does not allow this."""

    code = "merge_run_refused"

    def __init__(self, detail: str, cure: str) -> None:
        super().__init__(detail=detail)
        self.cure = cure


@dataclass(frozen=True, slots=True)
class MergeRun:
    """One merge run, as its row has it."""

    id: str
    plan_digest: str
    system: str
    state: str
    rows_read: int
    position: int
    journal_length: int
    persons: int
    links: int
    skipped: int
    started_at: datetime
    finished_at: datetime | None
    undone_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewIdentity:
    """Who owns an account according to its row, where no known person has that number. It is unverified."""

    number: CitizenId
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """One account of an older system, ready to be linked."""

    system: str
    uid: str
    login_name: str = field(repr=False)
    secret: LegacySecret
    recipe: str | None
    rule: str
    last_login_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MergeStep:
    """Link this account to this person. `identity` is set where the plan found nobody and reserved the person's id."""

    person_id: str
    account: Account
    identity: NewIdentity | None = None


@dataclass(frozen=True, slots=True)
class NumberConflict:
    """Record that this export gives this number to several names."""

    number: CitizenId


_INSERT_RUN = Statement(insert_unless_present(merge_runs), columns=[col.key for col in merge_runs.columns])
_RUN = Statement(sa.select(merge_runs).where(merge_runs.c.id == sa.bindparam("run")))
_RUN_OF_PLAN = Statement(sa.select(merge_runs).where(merge_runs.c.plan_digest == sa.bindparam("digest")))
RUNS = Statement(sa.select(merge_runs).order_by(merge_runs.c.started_at, merge_runs.c.id))
_LAST_RUN = Statement(
    sa.select(merge_runs)
    .where(merge_runs.c.system == sa.bindparam("of_system"), merge_runs.c.state == "applied")
    .order_by(merge_runs.c.finished_at.desc(), merge_runs.c.id)
    .limit(1)
)
_big = sa.BigInteger
_ADVANCE = Statement(
    sa.update(merge_runs)
    .where(
        merge_runs.c.id == sa.bindparam("run"),
        merge_runs.c.state == sa.bindparam("was_state"),
        merge_runs.c.position == sa.bindparam("was_position", type_=_big),
    )
    .values(
        state=sa.bindparam("new_state"),
        position=sa.bindparam("new_position", type_=_big),
        journal_length=sa.bindparam("new_length", type_=_big),
        persons=sa.bindparam("new_persons", type_=_big),
        links=sa.bindparam("new_links", type_=_big),
        skipped=sa.bindparam("new_skipped", type_=_big),
        finished_at=sa.bindparam("new_finished", type_=UtcDateTime),
        undone_at=sa.bindparam("new_undone", type_=UtcDateTime),
    )
)
JOURNAL = Statement(sa.insert(merge_journal), columns=[col.key for col in merge_journal.columns])
_INSERT_PERSON = Statement(sa.insert(natural_persons))
_INSERT_IDENTIFIER = Statement(sa.insert(person_identifiers))
_INSERT_LINK = Statement(sa.insert(linked_accounts))
_ACTIVE = BulkSelect(sa.select(natural_persons.c.id).where(natural_persons.c.status == "active"), natural_persons.c.id)


def run_of(c: Connection, run_id: str) -> MergeRun | None:
    """The run, or None."""
    row = c.one(_RUN, run=run_id)
    return MergeRun(*row) if row else None


def run_of_plan(c: Connection, plan_digest: str) -> MergeRun | None:
    """The run that applies or applied this plan, or None."""
    row = c.one(_RUN_OF_PLAN, digest=plan_digest)
    return MergeRun(*row) if row else None


def last_run(c: Connection, system: str) -> MergeRun | None:
    """The system's newest finished run that was not undone, or None."""
    row = c.one(_LAST_RUN, of_system=system)
    return MergeRun(*row) if row else None


def runs(c: Connection) -> tuple[MergeRun, ...]:
    """Every run, oldest first."""
    return tuple(MergeRun(*row) for row in c.rows(RUNS))


def open_run(c: Connection, run_id: str, *, plan_digest: str, system: str, rows_read: int, now: datetime) -> MergeRun:
    """The run of this plan: a new one, or the existing one. Raises RunRefused if it is being or has been undone."""
    fresh = MergeRun(run_id, plan_digest, system, "applying", rows_read, 0, 0, 0, 0, 0, now, None, None)
    c.execute(_INSERT_RUN, **{name: getattr(fresh, name) for name in merge_runs.columns.keys()})  # noqa: SIM118
    run = run_of_plan(c, plan_digest)
    assert run is not None  # noqa: S101 - just written, and runs are never deleted
    if run.state in {"undoing", "undone"}:
        raise RunRefused("this plan was applied and undone", "Make a new plan: ids that were undone are never reused.")
    return run


def absorb(
    c: Connection, vault: Vault, run: MergeRun, steps: Sequence[MergeStep | NumberConflict], *, now: datetime
) -> MergeRun:
    """These steps are applied, journalled and counted. Returns the run as it stands after them.

    Needs an open transaction. A step is skipped, and the journal says so, when since planning its account was linked,
    its number was given to another person or contested, or its person became inactive. Raises RunTaken when another
    process moved the run on.
    """
    if run.state == "applied":
        return run
    batch = _Batch(c, vault, run, now)
    wanted = [step for step in steps if isinstance(step, MergeStep)]
    for step in batch.possible(wanted):
        batch.take(step)
    done = replace(
        run,
        position=run.position + len(steps),
        journal_length=run.journal_length + len(batch.journal),
        persons=run.persons + len(batch.persons),
        links=run.links + len(batch.links),
        skipped=run.skipped + len(wanted) - len(batch.links),
    )
    advance(c, run, done)  # first: a second process waits here, and is refused before it writes the same rows
    batch.write()
    number_conflicts.remember(
        c, vault, run.id, [step.number for step in steps if isinstance(step, NumberConflict)], now=now
    )
    return done


def finish(c: Connection, run: MergeRun, *, now: datetime) -> MergeRun:
    """The run is applied. Finishing it again changes nothing."""
    if run.state == "applied":
        return run
    done = replace(run, state="applied", finished_at=now)
    advance(c, run, done)
    return done


class _Batch:
    """The rows that one batch of steps writes."""

    def __init__(self, c: Connection, vault: Vault, run: MergeRun, now: datetime) -> None:
        self._c, self._vault, self._run, self._now = c, vault, run, now
        self._linking = Linking(vault)
        self.persons: list[dict[str, Any]] = []
        self._identifiers: list[dict[str, Any]] = []
        self.links: list[dict[str, Any]] = []
        self.journal: list[dict[str, Any]] = []

    def possible(self, steps: Sequence[MergeStep]) -> Iterator[MergeStep]:
        """The steps that the database still allows. The others are journalled as skipped."""
        taken = linked(self._c, self._run.system, [s.account.uid for s in steps])
        claimed = [s.identity.number for s in steps if s.identity]
        held = holders(self._c, self._vault, claimed)
        contested = number_conflicts.contested(self._c, self._vault, self._run.system, claimed)
        active = {row.id for row in _ACTIVE.rows(self._c, [s.person_id for s in steps])}
        made: set[str] = set()
        for step in steps:
            reason = _obstacle(step, taken, held, contested, active | made)
            if reason:
                self._note("skip", "linked_accounts", [self._run.system, step.account.uid], {"reason": reason})
                continue
            if step.person_id not in active | made:
                self._create(step)
                made.add(step.person_id)
            yield step

    def take(self, step: MergeStep) -> None:
        """The link is among the rows to write."""
        account = step.account
        row = link_row(
            system=self._run.system,
            uid=account.uid,
            person_id=step.person_id,
            login_index=self._linking.login_index(account.login_name),
            rule=account.rule,
            run_id=self._run.id,
            now=self._now,
            secret=self._linking.sealed(account.secret, account.login_name),
            recipe=account.recipe,
            last_login_at=account.last_login_at,
        )
        self.links.append(dict(row))
        detail = {"person_id": step.person_id, "rule": account.rule, "level": row["level"]}
        self._note("insert", "linked_accounts", [self._run.system, account.uid], detail)

    def _create(self, step: MergeStep) -> None:
        assert step.identity is not None  # noqa: S101 - `_obstacle` has skipped the others
        number, name = step.identity.number, step.identity.name
        held = {"name": name, "birth_date": number.birth_date, "sex": number.sex}
        sealed = self._vault.seal(orjson.dumps(held).decode(), place=ATTRIBUTES)
        self.persons.append(
            {
                "id": step.person_id,
                "status": "active",
                "attributes": sealed,
                "merged_into": None,
                "restriction_id": None,
                "created_at": self._now,
                "updated_at": self._now,
            }
        )
        self._identifiers.append(
            {
                "id": step.person_id,  # the number this person was created with: one for each person, so the id is free
                "person_id": step.person_id,
                "kind": number.kind.value,
                "sealed": self._vault.seal(number.canonical, place=IDENTIFIER),
                "blind_index": self._vault.index(number.canonical, kind=number.kind.value),
                "since": self._now,
                "until": None,
            }
        )
        self._note("insert", "natural_persons", [step.person_id], None)

    def _note(self, operation: str, table: str, key: list[str], new: dict[str, Any] | None) -> None:
        self.journal.append(entry(self._run, len(self.journal) + 1, operation, table, key, new=new, now=self._now))

    def write(self) -> None:
        """Every row is written, persons before what depends on them."""
        for statement, rows in (
            (_INSERT_PERSON, self.persons),
            (_INSERT_IDENTIFIER, self._identifiers),
            (_INSERT_LINK, self.links),
            (JOURNAL, self.journal),
        ):
            if rows:
                self._c.execute_many(statement, rows)


def _obstacle(
    step: MergeStep,
    taken: dict[str, str],
    held: dict[CitizenId, NumberHolder],
    contested: frozenset[CitizenId],
    active: frozenset[str] | set[str],
) -> str | None:
    """Why the step cannot be applied any more, or None."""
    if step.account.uid in taken:
        return "already_linked"
    if step.identity is None:
        return None if step.person_id in active else "person_not_active"
    holder = held.get(step.identity.number)
    if holder is None:
        return "number_contested_since" if step.identity.number in contested else None
    return None if holder.person_id == step.person_id else "number_taken_since"


def entry(
    run: MergeRun,
    offset: int,
    operation: str,
    table: str,
    key: list[str],
    *,
    now: datetime,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A whole row of merge_journal, `offset` entries after the run's last."""
    return {
        "run_id": run.id,
        "seq": run.journal_length + offset,
        "operation": operation,
        "table_name": table,
        "row_key": key,
        "old": old,
        "new": new,
        "at": now,
    }


def advance(c: Connection, was: MergeRun, becomes: MergeRun) -> None:
    """Move the run's row on if nobody else did. This one statement is the lock between processes."""
    moved = c.execute(
        _ADVANCE,
        run=was.id,
        was_state=was.state,
        was_position=was.position,
        new_state=becomes.state,
        new_position=becomes.position,
        new_length=becomes.journal_length,
        new_persons=becomes.persons,
        new_links=becomes.links,
        new_skipped=becomes.skipped,
        new_finished=becomes.finished_at,
        new_undone=becomes.undone_at,
    )
    if moved != 1:
        raise RunTaken(detail=f"another process has moved run {was.id} on")
