"""`yitong check`: whether a server may start here, and what to do when it may not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import click
import sqlalchemy as sa
from pydantic import ValidationError

from accounts.credentials import password as passwords
from accounts.db import Statement
from accounts.errors import AccountsError
from idp import migrations
from idp.cli.house import House, house
from idp.cli.terminal import REFUSED, Told, out, told
from idp.cli.working import outlets

_LARGEST_SKEW = timedelta(seconds=5)
_CLOCK = Statement(sa.select(sa.func.current_timestamp().label("now")))


@click.command()
@house
def check(here: House) -> None:
    """Verify settings, database, schema, keys and clock. Exit code 0 when a server may start."""
    failed = False
    for name, probe in CHECKS:
        problem = _probed(here, probe)
        failed |= problem is not None
        out.print(f"[green]✓[/] {name}" if problem is None else f"[red]✗[/] {name}: {problem.message} → {problem.cure}")
    if failed:
        sys.exit(REFUSED)
    out.print(f"[dim]{password_check(here)}[/]")


def password_check(here: House) -> str:
    """What one password check costs here, and by which build."""
    chosen = here.services.settings
    took = passwords.measured(chosen.argon2_memory_kib, chosen.argon2_passes).took
    build = "built for this processor" if passwords.is_native() else "generic build; `make native` is faster"
    return f"a password check takes {took.total_seconds() * 1000:.1f} ms (Argon2 {build})"


def _probed(here: House, probe: Callable[[House], None]) -> Told | None:
    try:
        probe(here)
    except Told as problem:
        return problem
    except (AccountsError, ValidationError) as error:
        return told(error)
    return None


def _check_settings(here: House) -> None:
    outlets(here.services)


def _check_database(here: House) -> None:
    with here.transaction() as c:
        c.one(_CLOCK)


def _check_schema(here: House) -> None:
    if migrations.current(here.services.database) != migrations.newest():
        raise Told("schema_outdated", "The schema is not the newest.", "Run `yitong db upgrade`.")


def _check_keys(here: House) -> None:
    try:
        with closing(here.services.database):
            here.services.keys.current("ES256", here.now)
    except LookupError:
        raise Told("no_signing_key", "No key can sign.", "Run `yitong db upgrade`.") from None


def _check_clock(here: House) -> None:
    with here.transaction() as c:
        theirs = c.one(_CLOCK).now
    if isinstance(theirs, str):
        theirs = datetime.fromisoformat(theirs).replace(tzinfo=UTC)
    if abs(theirs - here.now) > _LARGEST_SKEW:
        raise Told("clock_skew", "This clock and the database's differ.", "Set both by NTP: tickets live for a minute.")


CHECKS: tuple[tuple[str, Callable[[House], None]], ...] = (
    ("settings", _check_settings),
    ("database", _check_database),
    ("schema", _check_schema),
    ("signing keys", _check_keys),
    ("clock", _check_clock),
)
