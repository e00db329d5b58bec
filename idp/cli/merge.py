"""`yitong merge`: the merge tools, with the database and the vault of this process."""

from __future__ import annotations

import click

from idp.cli.context import CommandContext
from migration_tools import commands


@click.group("merge", cls=type(commands.merge), commands=dict(commands.merge.commands), help=commands.merge.help)
@click.pass_context
def merge(ctx: click.Context) -> None:
    """The database and the vault are this process's, made when first asked for."""
    ctx.obj = CommandContext()
