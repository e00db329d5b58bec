"""What a plan or a run says to people and to programs: counts and reasons, no personal data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from accounts.merging import Run
from migration_tools.matching import ALREADY_LINKED, AUTO, PARKED
from migration_tools.plan import Plan

_WHAT = {
    AUTO: "linked: number and name agree, nothing contradicts",
    ALREADY_LINKED: "linked by an earlier run: nothing to do",
    **dict(PARKED),
}
_PASSWORDS = {
    "usable": "log in with the old password, once",
    "unscreened": "the same; too costly to screen for default passwords",
    "derivable": "default or guessable password: linked, but it opens nothing",
    "unreadable": "a hash that the recipe cannot read: linked, but it opens nothing",
    "none": "no password in the export",
}


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan's counts as a program reads them."""
    kept = ("system", "digest", "run_id", "made_at", "counts", "reasons", "passwords", "persons")
    return {"plan": str(plan.path), "rows": plan.rows, **{name: plan.manifest[name] for name in kept}}


def show_plan(out: Console, plan: Plan) -> None:
    """The waterfall: every row of the source is in exactly one line of it."""
    manifest = plan.manifest
    out.print(f"Plan [bold]{plan.digest[:12]}[/] for {plan.system}: {plan.rows:,} accounts", highlight=False)
    out.print(_waterfall(manifest["counts"], manifest["reasons"], plan.rows))
    new, known = manifest["persons"]["new"], manifest["persons"]["known"]
    out.print(f"Persons: {new:,} new, {known:,} known already", highlight=False)
    for state, count in manifest["passwords"].items():
        if count:
            out.print(f"  {count:>9,}  {_PASSWORDS[state]}", highlight=False)


def _waterfall(counts: Mapping[str, int], reasons: Mapping[str, int], rows: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading, justify in (("class", "left"), ("accounts", "right"), ("share", "right"), ("what it means", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for kind, count in counts.items():
        if count:
            table.add_row(kind, f"{count:,}", f"{count / rows:.1%}", _WHAT[kind])
            for reason, part in reasons.items():
                if reason.startswith(f"{kind}:"):
                    table.add_row(f"  {reason.partition(':')[2]}", f"{part:,}", "", "", style="dim")
    table.add_row("[bold]all[/]", f"[bold]{sum(counts.values()):,}[/]", "100.0%", "every row is in one class")
    return table


def run_as_json(run: Run) -> dict[str, Any]:
    """A run as a program reads it."""
    return {
        "run": run.id,
        "system": run.system,
        "state": run.state,
        "rows": run.rows_read,
        "persons": run.persons,
        "links": run.links,
        "skipped": run.skipped,
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "undone_at": run.undone_at.isoformat() if run.undone_at else None,
    }


def show_runs(out: Console, runs: Sequence[Run]) -> None:
    """Every run, oldest first."""
    if not runs:
        out.print("No merge has been applied yet.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("run", "system", "state", "links", "started"):
        table.add_column(heading, no_wrap=True)
    for run in runs:
        table.add_row(run.id, run.system, run.state, f"{run.links:,}", f"{run.started_at:%Y-%m-%d %H:%M}")
    out.print(table)
