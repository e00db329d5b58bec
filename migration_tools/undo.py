"""Undo of a run, or of one account's link. It succeeds when already undone, and continues after an interruption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from accounts import audit, merging
from accounts.database import Connection, Database
from accounts.merging import MergeRun, undo
from accounts.merging.undo import OnPersonsChanged
from migration_tools.errors import MergeRefused
from migration_tools.progress import Advance

BATCH = 1000


@dataclass(frozen=True, slots=True)
class UndoResult:
    """A run after undoing. `changed` says whether this call did anything."""

    run: MergeRun
    changed: bool


def find_run(c: Connection, run_id: str) -> MergeRun:
    """The run of that id. Raises MergeRefused for an unknown one."""
    run = merging.run_of(c, run_id)
    if run is None:
        raise MergeRefused("unknown_run", "there is no such run", "`yitong merge status` lists them.")
    return run


def undo_run(
    database: Database,
    run_id: str,
    *,
    on_persons_changed: OnPersonsChanged,
    now: Callable[[], datetime],
    advance: Advance,
    stop: Callable[[], bool],
    batch: int = BATCH,
    actor: str = "merge",
) -> UndoResult:
    """The run's links and untouched persons are deleted. Raises MergeRefused for an unknown run."""
    run = find_run(database.connection(), run_id)
    if run.state == "undone":
        return UndoResult(run, changed=False)
    with database.transaction() as c:
        run = undo.start_undo(c, run)
    while run.state != "undone" and not stop():
        before = run.position
        with database.transaction() as c:
            run = undo.undo_run_entries(c, run, most=batch, on_persons_changed=on_persons_changed, now=now())
            if run.state == "undone":
                detail = {"system": run.system, "run": run.id}
                audit.append(c, "merge:run:undo", now=now(), actor=actor, detail=detail)
        advance(before - run.position)
    return UndoResult(run, changed=True)


def undo_link(
    database: Database,
    system: str,
    uid: str,
    *,
    on_persons_changed: OnPersonsChanged,
    now: datetime,
    actor: str = "merge",
) -> str | None:
    """The account is linked to nobody, and the pair is remembered as different. Returns the person's id, or None."""
    with database.transaction() as c:
        person_id = undo.undo_link(c, system, uid, on_persons_changed=on_persons_changed, now=now)
        if person_id is not None:
            detail = {"system": system}
            audit.append(c, "merge:account:unlink", now=now, actor=actor, person=person_id, detail=detail)
        return person_id
