"""`yitong check`: tells whether a server may start here and, if not, what to do."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import sqlalchemy as sa
from pydantic import ValidationError

from accounts import private_files
from accounts.credentials import password as passwords
from accounts.credentials.password_rules.breach_list import BreachList
from accounts.database import Statement
from accounts.errors import AccountsError
from idp import migrations
from idp.cli.context import CommandContext, command_context
from idp.cli.terminal import REFUSED, CommandError, command_error, out
from idp.cli.worker import delivery_channels
from idp.services import platforms

_LARGEST_SKEW = timedelta(seconds=5)
_CLOCK = Statement(sa.select(sa.func.current_timestamp().label("now")))


@click.command()
@command_context
def check(context: CommandContext) -> None:
    """Verify settings, database, schema, keys and clock. Exit code 0 when a server may start."""
    context.admits = False  # a mismatch is reported below, and no key is recorded before every node has it
    failed = False
    for name, probe in CHECKS:
        problem = _probed(context, probe)
        failed |= problem is not None
        out.print(f"[green]✓[/] {name}" if problem is None else f"[red]✗[/] {name}: {problem.message} → {problem.cure}")
    if failed:
        sys.exit(REFUSED)
    out.print(f"[dim]{password_check(context)}[/]")
    out.print(f"[dim]{breach_list(context)}[/]", soft_wrap=True)


def password_check(context: CommandContext) -> str:
    """What one password check costs here, and by which build."""
    chosen = context.services.settings
    took = passwords.measured(chosen.argon2_memory_kib, chosen.argon2_passes).took
    build = "built for this processor" if passwords.is_native() else "generic build; `make native` is faster"
    return f"a password check takes {took.total_seconds() * 1000:.1f} ms (Argon2 {build})"


def breach_list(context: CommandContext) -> str:
    """Which lists new passwords are compared with."""
    path = context.services.settings.breach_list
    if not path:
        return "no breach list (YITONG_BREACH_LIST): only the built-in list of common passwords is asked"
    listed = BreachList(Path(path))
    return f"breach list: {listed.count} passwords, built {listed.built_at:%Y-%m-%d}, {path}"


def _probed(context: CommandContext, probe: Callable[[CommandContext], None]) -> CommandError | None:
    try:
        probe(context)
    except CommandError as problem:
        return problem
    except (AccountsError, ValidationError) as error:
        return command_error(error)
    return None


def _check_settings(context: CommandContext) -> None:
    delivery_channels(context.services)
    platforms(context.services.settings, context.services.clock)


def _check_database(context: CommandContext) -> None:
    with context.transaction() as c:
        c.one(_CLOCK)


def _check_schema(context: CommandContext) -> None:
    if migrations.current(context.services.database) != migrations.newest():
        raise CommandError("schema_outdated", "The schema is not the newest.", "Run `yitong db upgrade`.")


def _check_vault_keys(context: CommandContext) -> None:
    with context.transaction() as c:
        context.services.vault_keys.compare(c)


def _check_keys(context: CommandContext) -> None:
    try:
        with closing(context.services.database):
            context.services.keys.current("ES256", context.now)
    except LookupError:
        raise CommandError("no_signing_key", "No key can sign.", "Run `yitong db upgrade`.") from None


def _check_clock(context: CommandContext) -> None:
    with context.transaction() as c:
        theirs = c.one(_CLOCK).now
    if isinstance(theirs, str):
        theirs = datetime.fromisoformat(theirs).replace(tzinfo=UTC)
    if abs(theirs - context.now) > _LARGEST_SKEW:
        raise CommandError(
            "clock_skew", "This clock and the database's differ.", "Set both by NTP: tickets live for a minute."
        )


def _check_files(context: CommandContext) -> None:
    """Raises CommandError for the first open path: it belongs to another account, so no command could close it."""
    for path, bits, cure in _places(context):
        if private_files.grants(path, bits):
            raise CommandError("files_open", f"{path} is open to other accounts.", cure)


def _places(context: CommandContext) -> Iterator[tuple[Path, int, str]]:
    """Each path that must not be open, the bits that its mode must not have, and the cure."""
    env_file, url = os.environ.get("YITONG_ENV_FILE"), context.services.database.url
    if env_file:
        at = Path(env_file)
        yield at, private_files.EVERYBODY_READS, f"It holds the keys: run `chmod o= {at}`."
    if gateway := context.services.settings.sms_gateway:
        yield Path(gateway), private_files.EVERYBODY_READS, f"It holds secrets: run `chmod o= {gateway}`."
    if providers := context.services.settings.identity_providers:
        yield Path(providers), private_files.EVERYBODY_READS, f"It holds secrets: run `chmod o= {providers}`."
    if context.services.database.dialect == "sqlite" and url.database:
        database = Path(url.database).resolve()
        for at in (database, *private_files.beside(database)):
            yield at, private_files.OTHERS, f"As the account that serves, run `chmod go= {at}`."
        at = database.parent
        if not private_files.grants(at, stat.S_ISVTX):  # sticky like /tmp: nobody can remove another account's file
            yield at, private_files.OTHERS_WRITE, f"Another account can put its own file there: run `chmod go-w {at}`."


CHECKS: tuple[tuple[str, Callable[[CommandContext], None]], ...] = (
    ("settings", _check_settings),
    ("database", _check_database),
    ("files", _check_files),
    ("schema", _check_schema),
    ("vault keys", _check_vault_keys),
    ("signing keys", _check_keys),
    ("clock", _check_clock),
)
