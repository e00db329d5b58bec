"""What a plan or a run prints for people and programs: counts and reasons, no personal data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from accounts.merging import MergeRun
from migration_tools.planning import refusals
from migration_tools.planning.matching import ALREADY_LINKED, AUTO, PARKED, REFUSED
from migration_tools.planning.plan import Plan

_WHAT = {
    AUTO: "linked: number and name agree, nothing contradicts",
    ALREADY_LINKED: "linked by an earlier run: nothing to do",
    **dict(PARKED),
    REFUSED: "no account: each is named below by line and reason",
}
_PASSWORDS = {
    "usable": "log in with the old password, once",
    "unscreened": "the same; too costly to screen for default passwords",
    "derivable": "default or guessable password: linked, but it opens nothing",
    "unreadable": "a hash that the recipe cannot read: linked, but it opens nothing",
    "none": "no password in the export",
}
_SHOWN = 20  # refused rows, or reasons of one class, on the terminal


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan's counts as a program reads them."""
    kept = ("system", "digest", "run_id", "made_at", "counts", "reasons", "passwords", "persons")
    refused = {
        "rows": plan.refused,
        "list": str(plan.path / refusals.NAME),
        "leave_out": plan.manifest["refused"]["leave_out"],
    }
    return {
        "plan": str(plan.path),
        "rows": plan.rows,
        **{name: plan.manifest[name] for name in kept},
        "refused": refused,
    }


def show_plan(out: Console, plan: Plan) -> None:
    """The waterfall: every row of the source is in exactly one line of it."""
    manifest = plan.manifest
    out.print(f"Plan [bold]{plan.digest[:12]}[/] for {plan.system}: {plan.rows:,} rows", highlight=False)
    out.print(_waterfall(manifest["counts"], manifest["reasons"], plan.rows))
    new, known = manifest["persons"]["new"], manifest["persons"]["known"]
    out.print(f"Persons: {new:,} new, {known:,} known already", highlight=False)
    if plan.links:
        out.print("Old passwords of the accounts to be linked:")
    for state, count in manifest["passwords"].items():
        if count:
            out.print(f"  {count:>9,}  {_PASSWORDS[state]}", highlight=False)
    if plan.refused:
        _show_refused(out, plan)


def _show_refused(out: Console, plan: Plan) -> None:
    """The first refused rows, the path of the file with all of them, and who agreed to leave them out."""
    tell = partial(out.print, highlight=False, markup=False, soft_wrap=True)
    tell(f"Refused rows: {plan.refused:,}, by their line in {plan.manifest['source']['name']}")
    for row in islice(plan.refusals(), _SHOWN):
        tell(f"  line {row.line}: {row.cause}\n    → {row.cure}")
    rest = f"  and {plan.refused - _SHOWN:,} more. " if plan.refused > _SHOWN else "  "
    tell(f"{rest}The whole list: {plan.path / refusals.NAME}")
    if plan.leave_out:
        tell(f"Up to {plan.leave_out.most:,} may stay behind: said by {plan.leave_out.by}, {plan.manifest['made_at']}")


def _waterfall(counts: Mapping[str, int], reasons: Mapping[str, int], rows: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("class", no_wrap=True)  # never cut to the terminal's width: people look it up
    for heading, justify in (("rows", "right"), ("share", "right"), ("what it means", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for kind, count in counts.items():
        if count:
            table.add_row(kind, f"{count:,}", f"{count / rows:.1%}", _WHAT[kind])
            for reason, part in _of_kind(kind, reasons):
                code, sentence = ("", reason) if kind == REFUSED else (f"  {reason}", "")
                table.add_row(code, f"{part:,}", "", sentence, style="dim")
    table.add_row("[bold]all[/]", f"[bold]{sum(counts.values()):,}[/]", "100.0%", "every row is in one class")
    return table


def _of_kind(kind: str, reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """The reasons of one class, the most frequent first. Beyond the limit the rest is one line."""
    found = [(reason.partition(":")[2], count) for reason, count in reasons.items() if reason.startswith(f"{kind}:")]
    found.sort(key=lambda each: -each[1])
    rest = found[_SHOWN:]
    more = [(f"{len(rest)} other reasons", sum(count for _, count in rest))] if rest else []
    return [(escape(reason), count) for reason, count in found[:_SHOWN] + more]


def told_of(run: MergeRun) -> str:
    """A run in one sentence."""
    if run.state != "undone":
        counts = f"{run.persons:,} persons, {run.links:,} links, {run.skipped:,} skipped"
        return f"Run {run.id} for {run.system} is {run.state}: {counts}."
    stayed = "persons on whom something else hangs by now stay"
    return (
        f"Run {run.id} for {run.system} is undone: it had made {run.persons:,} persons, {run.links:,} links; {stayed}."
    )


def run_as_json(run: MergeRun) -> dict[str, Any]:
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


def show_runs(out: Console, runs: Sequence[MergeRun]) -> None:
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
