"""Commands about staff, whom a directory knows. A staff id is asked for at a prompt, never on the command line."""

from __future__ import annotations

import click

from accounts.errors import RegistryUnavailable
from accounts.ports import StaffDirectory, StaffMember
from idp.cli.context import CommandContext, command_context
from idp.cli.terminal import TRY_LATER, CommandError, out
from idp.staff import members, second_factor, sessions


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


@staff.command("enrol")
@command_context
def enrol(context: CommandContext) -> None:
    """Issue a code with which one member sets up an authenticator. It is good once, for a day; hand it over in person.

    The staff id is asked for at a prompt. The code opens nothing without that member's office password.
    """
    told = _member(_directory(context))
    with context.transaction() as c:
        member = members.remember(c, context.vault, told, now=context.now)
        if second_factor.confirmed_since(c, member.id) is not None:
            cause = "This member has an authenticator."
            cure = "If it is lost, `yitong staff end-second-factor` removes it; then issue a code."
            raise CommandError("staff_enrolled", cause, cure)
        code = second_factor.issue_code(c, context.vault, member.id, now=context.now)
        context.record(c, "administrator:staff:enrol", detail={"staff": member.id})
    out.print(code, highlight=False)


@staff.command("end-second-factor")
@click.option("--yes", is_flag=True, help="Do not ask.")
@command_context
def end_second_factor(context: CommandContext, yes: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Remove the authenticator of one member, who has lost it, and end their sessions. Nothing is set in its place."""
    staff_id = click.prompt("工号 staff id").strip()
    if not yes:
        click.confirm("Remove the authenticator and sign this member out everywhere?", abort=True)
    with context.transaction() as c:
        member_id = members.find(c, context.vault, staff_id)
        if member_id is None or not second_factor.remove(c, member_id):
            out.print("this member has no authenticator; nothing was changed")
            return
        ended = sessions.end_all(c, member_id, now=context.now)
        context.record(c, "administrator:staff:end_second_factor", detail={"staff": member_id, "sessions": ended})
    out.print(f"removed; {ended} session(s) ended")


def _member(directory: StaffDirectory) -> StaffMember:
    found = directory.find(click.prompt("工号 staff id").strip())
    if found is None:
        cause = "The directory has nobody of this staff id who may log in."
        raise CommandError("staff_unknown", cause, "Check the id with `yitong staff check --log-in`, and the filter.")
    return found


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
