"""Commands about staff, whom a directory knows."""

from __future__ import annotations

import click

from accounts.errors import RegistryUnavailable
from accounts.ports import StaffDirectory
from idp.cli.context import CommandContext, command_context
from idp.cli.terminal import TRY_LATER, CommandError, out


@click.group()
def staff() -> None:
    """Staff, and the directory that knows them."""


@staff.command("check")
@click.option("--log-in", is_flag=True, help="Also ask for a login name and a password, and try them.")
@command_context
def check(context: CommandContext, log_in: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Ask the directory as the service account, and show what it says of one member. Nothing is stored."""
    directory = _directory(context)
    _asked(directory)
    out.print("the directory answers, and lets the service account search")
    if log_in:
        _try(directory)


def _try(directory: StaffDirectory) -> None:
    name = click.prompt("用户名 login name")
    member = directory.authenticate(name, click.prompt("密码 password", hide_input=True))
    if member is None:
        cause = "The directory does not let this name in with this password, or its entry lacks an id or a division."
        raise CommandError("staff_refused", cause, "Check both, and the YITONG_LDAP_… settings; the log says which.")
    out.print(f"staff {member.staff_id}, division {member.division}", highlight=False)
    for group in member.groups:
        out.print(f"  group {group} (gives no right by itself)", highlight=False, soft_wrap=True, markup=False)


def _directory(context: CommandContext) -> StaffDirectory:
    found = context.services.systems.staff
    if found is None:
        raise CommandError("no_directory", "No directory of staff is configured.", "Set YITONG_LDAP_URL and the rest.")
    return found


def _asked(directory: StaffDirectory) -> None:
    try:
        directory.check()
    except RegistryUnavailable as unavailable:
        cure = "Check YITONG_LDAP_URL, _CA_FILE, _BIND_DN, _BIND_PASSWORD, _BASE and _FILTER."
        cause = f"The directory cannot be used: {unavailable.detail}."
        raise CommandError("registry_unavailable", cause, cure, TRY_LATER) from unavailable
