"""Commands about the rules for passwords: the list of breached ones, and who has which profile."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import click

from accounts.credentials.password_rules import breach_list_building, history
from accounts.credentials.password_rules.profiles import PROFILES
from idp.cli.context import CommandContext, command_context
from idp.cli.people import asked_for, kind_option
from idp.cli.terminal import CommandError, err, out
from idp.services import utc_now

_STANDARD_INPUT = "-"


@click.group()
def passwords() -> None:
    """The rules for passwords: the list of breached ones, and the profile of a person."""


@passwords.command("profile")
@click.argument("profile", type=click.Choice([each.name for each in PROFILES]))
@kind_option
@command_context
def set_profile(context: CommandContext, profile: str, kind: str) -> None:
    """Let PROFILE hold for one person's password: `mlps3` for staff. The person's number is asked for."""
    person = asked_for(context, kind)
    with context.transaction() as c:
        is_new = history.set_profile(c, person.id, history.named(profile), now=context.now)
        if is_new:
            context.record(c, "administrator:password_profile:change", person=person.id, detail={"profile": profile})
    out.print(f"person {person.id}: {profile}{'' if is_new else ' as before; nothing was changed'}", highlight=False)


@passwords.command("build-list")
@click.argument("sources", nargs=-1, required=True, type=click.Path(dir_okay=False, allow_dash=True, path_type=str))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the list goes. The one that is there is replaced when the new one is whole.",
)
@click.option(
    "--piece",
    default=breach_list_building.PIECE,
    show_default=True,
    type=click.IntRange(1_000),
    help="Records sorted in memory at a time; a million take 50 MB.",
)
def build_list(sources: tuple[str, ...], output: Path, piece: int) -> None:
    """Build the list from SOURCES: words, one a line, or `SHA-1:count` lines; `-` is the standard input.

    It needs twice the room of the result beside it, ten bytes a password. Servers read a new list when they start.
    """
    try:
        with ExitStack() as open_files:
            lines = [_lines(open_files, source) for source in sources]
            built = breach_list_building.build(lines, output, now=utc_now(), piece=piece, progress=_tell)
    except OSError as error:
        cause = f"{error.strerror or 'A file cannot be used'}: {error.filename or output}"
        raise CommandError("breach_list_not_built", cause, "Check the path, and the free space beside -o.") from error
    out.print(f"{built.records} passwords from {built.lines} lines in {output}", highlight=False, soft_wrap=True)


def _lines(open_files: ExitStack, source: str) -> Iterable[bytes]:
    if source == _STANDARD_INPUT:
        return sys.stdin.buffer
    return open_files.enter_context(Path(source).open("rb"))


def _tell(lines: int) -> None:
    if sys.stderr.isatty():
        err.print(f"{lines} lines read", highlight=False)
