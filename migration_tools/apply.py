"""Applying a plan in batches. A batch is one transaction of data, journal and position; a killed run continues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from accounts import audit, merging
from accounts.credentials.legacy import LegacySecret
from accounts.database import Database, statistics
from accounts.identifiers import CitizenId
from accounts.merging import Account, MergeRun, MergeStep, NewIdentity, NumberConflict
from accounts.vault import Vault
from migration_tools import readers
from migration_tools.errors import PlanRefused
from migration_tools.mapping import Mapping
from migration_tools.planning import normalise, screening
from migration_tools.planning.batches import in_batches
from migration_tools.planning.matching import AUTO, CONTESTED
from migration_tools.planning.plan import Line, Plan
from migration_tools.progress import Advance
from migration_tools.readers.legacy_account import LegacyAccount

BATCH = 1000
_STATISTICS_AFTER = frozenset(4**power for power in range(10))  # batches: often while tables are small
_AGAIN = "Make a new plan with `yitong merge plan`."
_OPENS = frozenset({screening.USABLE, screening.UNSCREENED})


def apply_plan(
    database: Database,
    vault: Vault,
    plan: Plan,
    source: Path,
    *,
    now: Callable[[], datetime],
    advance: Advance,
    stop: Callable[[], bool],
    batch: int = BATCH,
    actor: str = "merge",
) -> MergeRun:
    """The plan's links are in the database. Returns the run; it is still `applying` if `stop` asked to end.

    Raises PlanRefused for a source or plan that changed, RowsRefused for refused rows that nobody agreed to leave out,
    RunRefused for a plan that was undone, RunTaken for a second process. A finished plan changes nothing.
    """
    plan.check_vault(vault)
    done = merging.run_of_plan(database.connection(), plan.digest)
    if done is not None and done.state == "applied":
        return done
    plan.check_refused()
    plan.check_source(source)
    with database.transaction() as c:
        run = merging.open_run(
            c, plan.run_id, plan_digest=plan.digest, system=plan.system, rows_read=plan.rows, now=now()
        )
    advance(run.position)
    for count, steps in enumerate(in_batches(_steps(plan, source, run.position), batch)):
        if stop():
            return run
        if count in _STATISTICS_AFTER:
            statistics.gather(database.connection())
        with database.transaction() as c:
            run = merging.absorb(c, vault, run, steps, now=now())
        advance(len(steps))
    return _finished(database, plan, run, now(), actor)


def _finished(database: Database, plan: Plan, run: MergeRun, now: datetime, actor: str) -> MergeRun:
    if run.position != plan.steps:
        cause = f"{plan.steps} steps were planned and {run.position} handled"
        raise PlanRefused(cause, "Nothing is lost; this is a fault of the program: please report it.")
    with database.transaction() as c:
        detail: dict[str, Any] = {
            "system": run.system,
            "persons": run.persons,
            "links": run.links,
            "skipped": run.skipped,
        }
        detail |= {"plan": plan.digest, **_left_out(plan)}
        audit.append(c, "merge:run:apply", now=now, actor=actor, detail=detail)
        return merging.finish(c, run, now=now)


def _left_out(plan: Plan) -> dict[str, Any]:
    """The audit's detail about rows that were left out, and who agreed to it."""
    return {"refused": plan.refused, "left_out_by": plan.leave_out.by} if plan.refused and plan.leave_out else {}


def _steps(plan: Plan, source: Path, done: int) -> Iterator[MergeStep | NumberConflict]:
    """The steps that are not done yet. Plan and source are read side by side."""
    mapping = plan.mapping()
    position = 0
    accounts = (row for row in readers.read(source, mapping) if isinstance(row, LegacyAccount))
    for line, account in zip_longest(plan.lines(), accounts):
        if line is None or account is None or line.row != account.row:
            raise PlanRefused("plan and source do not run side by side", _AGAIN)
        if line.kind not in {AUTO, CONTESTED}:
            continue
        position += 1
        if position > done:
            yield _step(line, account, mapping)


def _step(line: Line, account: LegacyAccount, mapping: Mapping) -> MergeStep | NumberConflict:
    if line.uid != account.uid:
        raise PlanRefused("plan and source do not run side by side", _AGAIN)
    if line.kind == CONTESTED:
        return NumberConflict(_number(account))
    if line.person is None or line.rule is None:
        raise PlanRefused("a planned link has no person", _AGAIN)
    return MergeStep(line.person, _account(line, account, mapping, line.rule), _identity(line, account))


def _number(account: LegacyAccount) -> CitizenId:
    number = normalise.read_number(account.number).number
    if number is None:
        raise PlanRefused("a planned number cannot be read any more", _AGAIN)
    return number


def _account(line: Line, account: LegacyAccount, mapping: Mapping, rule: str) -> Account:
    recipe, secret = None, LegacySecret("", "", account.login_name)
    if mapping.password is not None and line.password in _OPENS:
        recipe, secret = mapping.password.recipe, screening.secret_of(account)
    return Account(
        system=account.system,
        uid=account.uid,
        login_name=account.login_name,
        secret=secret,
        recipe=recipe,
        rule=rule,
        last_login_at=normalise.read_moment(account.last_login),
    )


def _identity(line: Line, account: LegacyAccount) -> NewIdentity | None:
    if not line.is_new:
        return None
    return NewIdentity(_number(account), normalise.shown_name(account.name))
