"""The `yitong` command: everything an operator does at a terminal. Each refusal names its code, its cause and its cure.

Exit codes: 0 done; 1 refused; 2 wrong usage or settings; 75 try again later (a database or a gateway is away).
"""

from __future__ import annotations

import os
from importlib import import_module

import click

from idp.cli.checking import check
from idp.cli.client_changes import clients_set
from idp.cli.clients import clients_group
from idp.cli.keys import keys
from idp.cli.operations import audit_group, calibrate, db, deliveries
from idp.cli.people import people
from idp.cli.processes import serve, worker
from idp.cli.terminal import Commands, House

COMMANDS: tuple[click.Command, ...] = (
    serve,
    worker,
    check,
    db,
    clients_group,
    people,
    keys,
    deliveries,
    audit_group,
    calibrate,
)


class Root(Commands):
    """The whole command. `merge` is imported when used: its engine is an extra, and slow to load."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name."""
        return sorted([*super().list_commands(ctx), "merge"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name == "merge":
            found: click.Command = import_module("migration_tools.commands").merge
            return found
        return super().get_command(ctx, cmd_name)


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--env-file", type=click.Path(exists=True, dir_okay=False), help="Settings, one YITONG_NAME=value a line."
)
@click.pass_context
def main(ctx: click.Context, env_file: str | None) -> None:
    """Yitong 一通: one login for every service of a city."""
    if env_file:
        os.environ["YITONG_ENV_FILE"] = env_file
    ctx.obj = House()


clients_group.add_command(clients_set)
for _command in COMMANDS:
    main.add_command(_command)
