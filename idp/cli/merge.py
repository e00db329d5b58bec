"""`yitong merge`: the merge tools as they are, told which house they work in."""

from __future__ import annotations

import click

from idp.cli.context import CommandContext
from migration_tools import commands


@click.group("merge", cls=type(commands.merge), commands=dict(commands.merge.commands), help=commands.merge.help)
@click.pass_context
def merge(ctx: click.Context) -> None:
    """The database and the vault are this process's, made when first asked for."""
    ctx.obj = CommandContext()
