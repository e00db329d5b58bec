"""Applying a plan: batches, each one transaction of data, journal and position. Killed anywhere, it continues there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from accounts import audit, merging, statistics
from accounts.credentials.legacy import LegacySecret
from accounts.db import Database
from accounts.identifiers import CitizenId
from accounts.merging import Account, Contest, NewIdentity, Run, Step
from accounts.vault import Vault
from migration_tools import normalise, readers, screening
from migration_tools.batches import in_batches
from migration_tools.errors import PlanRefused
from migration_tools.legacy import LegacyAccount
from migration_tools.mapping import Mapping
from migration_tools.matching import AUTO, CONTESTED
from migration_tools.plan import Line, Plan
from migration_tools.progress import Advance

BATCH = 1000
_STATISTICS_AFTER = frozenset(4**power for power in range(10))  # batches: often while tables are small
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
) -> Run:
    """The plan's links are in the database; returns the run, still `applying` only if `stop` said so between batches.

    Raises PlanRefused for a source or plan that changed, RunRefused for a plan that was undone, RunTaken for a second
    process, SourceRefused as readers do. A finished plan changes nothing and is not even read.
    """
    done = merging.run_of_plan(database.connection(), plan.digest)
    if done is not None and done.state == "applied":
        return done
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


def _finished(database: Database, plan: Plan, run: Run, now: datetime, actor: str) -> Run:
    if run.position != plan.steps:
        cause = f"{plan.steps} steps were planned and {run.position} handled"
        raise PlanRefused(cause, "Nothing is lost; this is a fault of the program: please report it.")
    with database.transaction() as c:
        detail = {"system": run.system, "persons": run.persons, "links": run.links, "skipped": run.skipped}
        audit.append(c, "merge:run:apply", now=now, actor=actor, detail=detail | {"plan": plan.digest})
        return merging.finish(c, run, now=now)


def _steps(plan: Plan, source: Path, done: int) -> Iterator[Step | Contest]:
    """The steps not done yet: plan and source read side by side."""
    mapping = plan.mapping()
    position = 0
    for line, account in zip(plan.lines(), readers.read(source, mapping), strict=True):
        if line.kind not in {AUTO, CONTESTED}:
            continue
        position += 1
        if position > done:
            yield _step(line, account, mapping)


def _step(line: Line, account: LegacyAccount, mapping: Mapping) -> Step | Contest:
    if (line.row, line.uid) != (account.row, account.uid):
        raise PlanRefused("plan and source do not run side by side", "Make a new plan with `yitong merge plan`.")
    if line.kind == CONTESTED:
        return Contest(_number(account))
    if line.person is None or line.rule is None:
        raise PlanRefused("a planned link has no person", "Make a new plan with `yitong merge plan`.")
    return Step(line.person, _account(line, account, mapping, line.rule), _identity(line, account))


def _number(account: LegacyAccount) -> CitizenId:
    number = normalise.read_number(account.number).number
    if number is None:
        raise PlanRefused("a planned number cannot be read any more", "Make a new plan with `yitong merge plan`.")
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
