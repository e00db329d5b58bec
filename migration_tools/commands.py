"""`yitong merge …`: plan, apply, undo, status, hashes. Each prints its result for a person or, with --json, as JSON.

Exit codes: 0 done; 1 error, nothing lost, run again; 2 usage or mapping; 3 refused by an invariant, or rows were
refused that nobody agreed to leave out; 4 needs approval; 5 done, and accounts wait for their owners or were left out;
6 another process works on the run; 75 interrupted, the same command continues.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO, Any, Protocol

import click
import orjson
from rich.console import Console

from accounts import merging
from accounts.database import Connection, Database
from accounts.errors import AccountsError, Unavailable, VaultKeyMismatch
from accounts.merging import MergeRun, RunTaken
from accounts.merging.lookups import linked
from accounts.vault import Vault
from migration_tools import errors, report
from migration_tools.apply import apply_plan
from migration_tools.mapping import load as load_mapping
from migration_tools.planning import refusals
from migration_tools.planning.plan import LeaveOut
from migration_tools.planning.plan import load as load_plan
from migration_tools.planning.planner import make_plan
from migration_tools.progress import shown
from migration_tools.readers import FORMATS
from migration_tools.undo import find_run, undo_link, undo_run


class MergeContext(Protocol):
    """What the program that mounts this group passes in as click's `obj`."""

    @property
    def database(self) -> Database:
        """The database with the accounts."""
        ...

    @property
    def vault(self) -> Vault:
        """The vault that seals them."""
        ...

    @property
    def now(self) -> datetime:
        """The current time."""
        ...

    @property
    def actor(self) -> str:
        """Who runs the command, for the audit."""
        ...

    def persons_changed(self, c: Connection, person_ids: Sequence[str], now: datetime) -> None:
        """Every session, grant and token of these persons ends, in this transaction."""
        ...


_AGAIN = "Run the same command again; if it ends so twice, look at the database and at the free space of the disks."


class MergeCommandError(click.ClickException):
    """Code, cause and cure on standard error, and the exit code that belongs to them."""

    def __init__(self, error: AccountsError) -> None:
        cause = getattr(error, "cause", "") or error.detail or error.code
        super().__init__(cause)
        self.code, self.cure = error.code, getattr(error, "cure", _AGAIN)
        self.exit_code = _exit_code(error)  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print code and cause, then the cure."""
        click.echo(f"{self.code}: {self.message}\n→ {self.cure}", err=True, file=file)


def _exit_code(error: AccountsError) -> int:
    if isinstance(error, errors.MergeRefused):
        return error.exit_code
    if isinstance(error, RunTaken):
        return errors.LOCKED
    if isinstance(error, merging.RunRefused | VaultKeyMismatch):
        return errors.REFUSED
    return errors.INTERRUPTED if isinstance(error, Unavailable) else errors.ERROR


class _Group(click.Group):
    """Commands that never end in a traceback for what an operator can correct."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A domain error becomes a MergeCommandError."""
        try:
            return super().invoke(ctx)
        except AccountsError as error:
            raise MergeCommandError(error) from error
        except BrokenPipeError:  # the reader of our output closed the pipe: click ends quietly
            raise
        except OSError as error:
            raise MergeCommandError(errors.FileError(error)) from error


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
_yes = click.option("--yes", is_flag=True, help="Do it. Without this, only say what would be done.")


@click.group(cls=_Group)
def merge() -> None:
    """Merge the accounts that older systems hold: plan, read the plan, apply it, undo it."""


@merge.command()
@click.argument("mapping", type=_FILE)
@click.argument("source", type=_FILE, required=False)
@click.option("--out", type=_DIRECTORY, default=Path("var/plans"), show_default=True, help="Where plans are kept.")
@click.option(
    "--leave-out-refused",
    "most",
    metavar="N",
    type=click.IntRange(min=1),
    help="Up to N refused rows may stay behind; the plan records that you say so. Without this, none may.",
)
@_json
@click.pass_obj
def plan(context: MergeContext, mapping: Path, source: Path | None, out: Path, most: int | None, as_json: bool) -> None:  # noqa: FBT001
    """Say what would happen to every row of SOURCE, read as MAPPING says. Writes nothing to the database.

    Rows that are no accounts are refused, each by line and reason, and the others are planned. While rows are refused
    that may not stay behind, the plan cannot be applied and the exit code is 3.
    """
    read = load_mapping(mapping, FORMATS)
    made = make_plan(
        context.database,
        context.vault,
        read,
        _source(source, mapping, read.source.file),
        out,
        now=context.now,
        shown=partial(shown, _err()),
        leave_out=LeaveOut(most, context.actor) if most else None,
    )
    _print_result(report.as_json(made)) if as_json else report.show_plan(_out(), made)
    made.check_refused()
    if not as_json:
        click.echo(f"Nothing was changed. To apply it:\n  yitong merge apply {made.path} --yes")


@merge.command()
@click.argument("directory", metavar="PLAN", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--source", type=_FILE, help="The export, if it has moved since planning.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Rows a transaction.")
@_yes
@_json
@click.pass_context
def apply(ctx: click.Context, directory: Path, source: Path | None, batch: int, yes: bool, as_json: bool) -> None:  # noqa: FBT001
    """Do what PLAN says. Interrupted, the same command continues; done, it changes nothing."""
    context: MergeContext = ctx.obj
    found = load_plan(directory)
    if not yes:
        report.show_plan(_out(), found)
        found.check_refused()
        click.echo("Nothing was changed: add --yes to apply this plan.", err=True)
        ctx.exit(errors.NEEDS_APPROVAL)
    at = source or Path(found.manifest["source"]["path"])
    with _interruptible() as stop, shown(_err(), f"applying {found.system}", found.steps) as advance:
        run = apply_plan(
            context.database,
            context.vault,
            found,
            at,
            now=lambda: context.now,
            advance=advance,
            stop=stop,
            batch=batch,
            actor=context.actor,
        )
    _conclude(ctx, run, "applied", as_json=as_json, stayed={"parked": found.parked, "refused": found.refused})
    if waiting := found.parked + run.skipped:
        click.echo(f"{waiting:,} accounts wait for their owners.", err=True)
    if found.refused:
        said = f"Refused rows that stayed behind: {found.refused:,}. A repaired export brings them:"
        click.echo(f"{said} {found.path / refusals.NAME}", err=True)
    if waiting or found.refused:
        ctx.exit(errors.REVIEW)


@merge.command()
@click.option("--run", "run_id", help="A whole run, as `status` names it.")
@click.option("--account", nargs=2, metavar="SYSTEM KEY", help="One account; the pair is never linked again.")
@_yes
@_json
@click.pass_context
def undo(ctx: click.Context, run_id: str | None, account: tuple[str, str] | None, yes: bool, as_json: bool) -> None:  # noqa: FBT001
    """Take back a run or one link. Sessions, tokens and grants of everybody concerned end."""
    context: MergeContext = ctx.obj
    if bool(run_id) == bool(account):
        raise click.UsageError("name either --run or --account")
    if not yes:
        _print_preview(context.database.connection(), run_id, account, as_json=as_json)
        click.echo("Nothing was changed: add --yes to undo.", err=True)
        ctx.exit(errors.NEEDS_APPROVAL)
    if account:
        whose = undo_link(
            context.database, *account, on_persons_changed=context.persons_changed, now=context.now, actor=context.actor
        )
        _print_result({"unlinked": whose is not None}) if as_json else click.echo(
            "UndoResult." if whose else "UndoResult before."
        )
        return
    run = merging.run_of(context.database.connection(), str(run_id))
    with _interruptible() as stop, shown(_err(), "undoing", run.journal_length if run else None) as advance:
        undone = undo_run(
            context.database,
            str(run_id),
            on_persons_changed=context.persons_changed,
            now=lambda: context.now,
            advance=advance,
            stop=stop,
            actor=context.actor,
        )
    _conclude(ctx, undone.run, "undone", as_json=as_json)


@merge.command()
@_json
@click.pass_obj
def status(context: MergeContext, as_json: bool) -> None:  # noqa: FBT001
    """Every run, and how far it is."""
    runs = merging.runs(context.database.connection())
    if as_json:
        _print_result({"runs": [report.run_as_json(run) for run in runs]})
    else:
        report.show_runs(_out(), runs)


@merge.group()
def hashes() -> None:
    """The passwords that older systems bring."""


@hashes.command()
@click.argument("mapping", type=_FILE)
def test(mapping: Path) -> None:
    """Whether the recipe in MAPPING verifies its known pairs, before anything is read."""
    read = load_mapping(mapping, FORMATS)
    if read.password is None:
        click.echo("The mapping has no password section: nobody logs in with an old password.")
        return
    click.echo(f"{read.password.recipe}: {len(read.password.tests)} known pairs verify, and nothing else does.")


def _source(given: Path | None, mapping: Path, named: str | None) -> Path:
    if given is not None:
        return given
    if named is None:
        raise click.UsageError("name the SOURCE, or source.file in the mapping")
    return mapping.parent / named


def _conclude(
    ctx: click.Context, run: MergeRun, wanted: str, *, as_json: bool, stayed: dict[str, int] | None = None
) -> None:
    """Print the result of the run. The command exits with 75 when it was interrupted."""
    if as_json:
        _print_result(report.run_as_json(run) | (stayed or {}))
    else:
        click.echo(report.told_of(run))
    if run.state != wanted:
        click.echo("Interrupted between two batches: run the same command again.", err=True)
        ctx.exit(errors.INTERRUPTED)


def _print_preview(c: Connection, run_id: str | None, account: tuple[str, str] | None, *, as_json: bool) -> None:
    """Print what would be undone. Raises MergeRefused for an unknown run."""
    if account is None:
        run = find_run(c, str(run_id))
        _print_result(report.run_as_json(run)) if as_json else click.echo(report.told_of(run))
        return
    system, uid = account
    is_linked = bool(linked(c, system, [uid]))
    message = "This account is linked: the link would go." if is_linked else "This account is linked to nobody."
    _print_result({"linked": is_linked}) if as_json else click.echo(message)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM end the run after the batch. The yielded function says whether one came."""
    asked = False

    def ask(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature is the system's
        nonlocal asked
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_result(answer: dict[str, Any]) -> None:
    click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())


def _out() -> Console:
    return Console()


def _err() -> Console:
    return Console(stderr=True)
