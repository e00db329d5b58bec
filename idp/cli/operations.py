"""Commands about the schema, the audit trail, deliveries and this machine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click
from rich.table import Column, Table

from accounts import audit
from accounts.credentials import password as passwords
from idp import migrations
from idp.cli.context import CommandContext, command_context
from idp.cli.terminal import CommandError, out
from idp.delivery import outbox


@click.group()
def db() -> None:
    """The schema of the database."""


@db.command("upgrade")
@click.argument("revision", default="head")
@command_context
def db_upgrade(context: CommandContext, revision: str) -> None:
    """Bring the schema to REVISION, the newest by default. Safe to repeat, also from two nodes at once."""
    migrations.upgrade(context.services.database, revision, record=_record(context))
    with context.transaction() as c:
        context.services.keys.ensure(c, context.now)
    out.print(f"schema at {migrations.current(context.services.database)}; signing keys present")


@db.command("downgrade")
@click.argument("revision")
@click.confirmation_option(prompt="What only the newer schema holds will be lost. Go on?")
@command_context
def db_downgrade(context: CommandContext, revision: str) -> None:
    """Take the schema back to REVISION (`base` removes every table)."""
    migrations.downgrade(context.services.database, revision, record=_record(context))
    out.print(f"schema at {migrations.current(context.services.database) or 'base'}")


def _record(context: CommandContext) -> migrations.Record:
    def record(before: str | None, after: str | None) -> Mapping[str, Any]:
        detail = {"from": before, "to": after}
        return audit.row("administrator:schema:change", now=context.now, actor=context.actor, detail=detail)

    return record


@db.command("revise")
@click.argument("message")
@command_context
def db_revise(context: CommandContext, message: str) -> None:
    """For developers: write a revision with what the tables in code have and this database has not."""
    migrations.revise(context.services.database, message)


@click.group("audit")
def audit_group() -> None:
    """The audit trail."""


@audit_group.command("verify")
@command_context
def audit_verify(context: CommandContext) -> None:
    """Read the whole chain again and point at the first record that does not stand."""
    with context.transaction() as c:
        verdict = audit.verify(c, context.services.vault)
    if verdict.broken is None:
        out.print(f"{verdict.records} records in {verdict.batches} batches stand")
        return
    where = f"batch {verdict.broken.batch}, record {verdict.broken.position}: {verdict.broken.reason}"
    raise CommandError("audit_broken", where, "Keep the database as it is and compare with a backup.")


@click.command("deliveries")
@click.option("--most", default=50, show_default=True, help="Rows to show, oldest first.")
@command_context
def deliveries(context: CommandContext, most: int) -> None:
    """Who has not been told yet, and why."""
    table = Table("since", "kind", Column("client", overflow="fold"), "tries", "next", "last error")
    with context.transaction() as c:
        for row in outbox.undelivered(c, most):
            when = "given up" if row.failed_at else f"{row.next_attempt_at:%H:%M:%S}"
            since = f"{row.created_at:%m-%d %H:%M:%S}"
            table.add_row(since, row.kind, row.client_id or "", str(row.attempts), when, row.last_error or "")
    out.print(table)


@click.command()
@click.option("--milliseconds", default=100, show_default=True, type=click.IntRange(10, 5000), help="A check's cost.")
def calibrate(milliseconds: int) -> None:
    """Propose Argon2id parameters for this machine."""
    best = passwords.calibrate(timedelta(milliseconds=milliseconds))
    build = "built for this processor" if passwords.is_native() else "a generic build"
    out.print(f"# {best.took.total_seconds() * 1000:.1f} ms a check, Argon2 is {build}", highlight=False)
    out.print(f"YITONG_ARGON2_MEMORY_KIB={best.memory_kib}\nYITONG_ARGON2_PASSES={best.passes}", highlight=False)
