"""Commands that read the ledger of releases, for the breach notice: who was touched by a client (PIPL art. 57)."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import click

from idp.cli.context import CommandContext, command_context
from idp.cli.terminal import CommandError
from idp.oidc.clients import registry
from idp.rights import ledger


@click.group()
def releases() -> None:
    """The ledger of personal data that relying systems received."""


@releases.command("touched")
@click.option("--client", required=True, help="The client's id.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Only releases from this moment on, in UTC; all of them by default.",
)
@command_context
def touched(context: CommandContext, client: str, since: datetime | None) -> None:
    """List whom a client was told about: time, person's key and names of claims, tab-separated, oldest first.

    The list begins at once, however long the ledger is, and takes no lock. A person occurs once for each release:
    `| cut -f2 | sort -u` has each once. That it was read is on record.
    """
    database, start = context.services.database, since.replace(tzinfo=UTC) if since else None
    with closing(database):
        with database.transaction() as c:
            if registry.read(c, client) is None:
                raise CommandError("unknown_client", "There is no client of that id.", "`yitong clients list`.")
            detail = {"since": start.isoformat() if start else None}
            context.record(c, "administrator:releases:read", client=client, detail=detail)
        for row in ledger.touched(database.connection(), client, start):
            click.echo(f"{row.at:%Y-%m-%dT%H:%M:%SZ}\t{row.person_id}\t{' '.join(row.claims)}")
