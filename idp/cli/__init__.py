"""The `yitong` command: everything an operator does at a terminal. Each refusal has a code, a cause and a cure.

Exit codes: 0 done; 1 refused; 2 wrong usage or settings; 75 try again later (a database or a gateway does not answer).
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import Any

import click

from accounts import private_files
from idp.cli.terminal import Commands

# A command is imported when it is called, so a server does not load what only merges need, and the reverse.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("serve", "idp.cli.serve", "serve"),
    ("worker", "idp.cli.worker", "worker"),
    ("check", "idp.cli.check", "check"),
    ("db", "idp.cli.operations", "db"),
    ("clients", "idp.cli.client_changes", "clients_group"),
    ("people", "idp.cli.rights", "people"),
    ("staff", "idp.cli.staff", "staff"),
    ("passwords", "idp.cli.passwords", "passwords"),
    ("releases", "idp.cli.rights.releases", "releases"),
    ("keys", "idp.cli.keys", "keys"),
    ("deliveries", "idp.cli.operations", "deliveries"),
    ("audit", "idp.cli.operations", "audit_group"),
    ("calibrate", "idp.cli.operations", "calibrate"),
    ("merge", "idp.cli.merge", "merge"),
)
_PLACES = {name: (module, attribute) for name, module, attribute in COMMANDS}


class Root(Commands):
    """The whole command."""

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        """As in click, but a character that the terminal's character set lacks (GBK has no ✓) is shown as `?`."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        return super().make_context(*arguments, **more)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command's name."""
        return sorted(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """The command of that name, or None."""
        if cmd_name not in _PLACES:
            return None
        module, attribute = _PLACES[cmd_name]
        found: click.Command = getattr(import_module(module), attribute)
        return found


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--env-file", type=click.Path(exists=True, dir_okay=False), help="Settings, one YITONG_NAME=value a line."
)
def main(env_file: str | None) -> None:
    """Yitong 一通: one login for every service of a city."""
    click.get_current_context().with_resource(private_files.privately())  # files of a command and of its server
    if env_file:
        os.environ["YITONG_ENV_FILE"] = env_file
