"""Commands about restrictions. Each restriction has a reason, papers and a way to appeal, or does not exist."""

from __future__ import annotations

import click
from rich.table import Table

from accounts.people.restriction import RestrictionReason
from idp.cli.context import CommandContext, command_context
from idp.cli.people import asked_for, kind_option, people
from idp.cli.rights.requests_of_persons import not_waiting
from idp.cli.terminal import CommandError, out
from idp.rights import restrictions
from idp.rights.restrictions import Measure

__all__ = ["people"]  # the same group, with the commands below


@people.command("restrict")
@kind_option
@click.option(
    "--reason",
    type=click.Choice([reason.value for reason in RestrictionReason]),
    required=True,
    help="Why; the person reads it in words.",
)
@click.option("--papers", required=True, help="The file number of the decision; the person reads it.")
@click.option("--appeal-to", required=True, help="The office that hears an appeal, and how to reach it.")
@command_context
def people_restrict(context: CommandContext, kind: str, reason: str, papers: str, appeal_to: str) -> None:
    """Restrict a person: no service may be used; they see why on their own pages, and can appeal."""
    person = asked_for(context, kind)
    try:
        measure = Measure(RestrictionReason(reason), papers, appeal_to)
    except ValueError:
        cause = "The papers or the way to appeal are missing."
        raise CommandError("restriction_incomplete", cause, "Give --papers and --appeal-to in full.") from None
    with context.transaction() as c:
        people_register, actor = context.services.people, context.actor
        ended = restrictions.impose(c, people_register, person.id, measure, actor=actor, now=context.now)
    if ended is None:
        cause = f"The account is {person.status}."
        raise CommandError("account_not_active", cause, "Enable the account first, or find the one in use.")
    counts = f"{ended.sessions} sessions and {ended.grants} grants ended"
    out.print(f"person {person.id} is restricted: {counts}", highlight=False)


@people.command("lift")
@kind_option
@command_context
def people_lift(context: CommandContext, kind: str) -> None:
    """Lift a person's restriction. An appeal that waits is granted with it."""
    person = asked_for(context, kind)
    with context.transaction() as c:
        lifted = restrictions.lift(c, context.services.people, person.id, actor=context.actor, now=context.now)
    message = "is active again" if lifted else "was not restricted; nothing was changed"
    out.print(f"person {person.id} {message}", highlight=False)


@people.group("appeals")
def people_appeals() -> None:
    """Appeals against restrictions. To grant one, lift the restriction."""


@people_appeals.command("list")
@command_context
def appeals_list(context: CommandContext) -> None:
    """The appeals that wait, oldest first, without what the person wrote."""
    table = Table("appeal", "since", "person")
    with context.transaction() as c:
        for row in restrictions.undecided(c, 100):
            table.add_row(row.id, f"{row.made_at:%Y-%m-%d %H:%M}", row.person_id)
    out.print(table)


@people_appeals.command("show")
@click.argument("appeal")
@command_context
def appeals_show(context: CommandContext, appeal: str) -> None:
    """What the person wrote. That it was read is on record."""
    with context.transaction() as c:
        found = restrictions.read_appeal(c, context.vault, appeal)
        if found is None:
            raise CommandError("unknown_appeal", "There is no such appeal.", "`yitong people appeals list` has them.")
        person_id, made = found
        context.record(c, "administrator:person:read", person=person_id, detail={"appeal": appeal})
    out.print(f"person {person_id}:", highlight=False)
    out.print(made.text, highlight=False, markup=False)


@people_appeals.command("refuse")
@click.argument("appeal")
@command_context
def appeals_refuse(context: CommandContext, appeal: str) -> None:
    """Refuse an appeal. The reasons are asked for; the person reads them."""
    reasons = click.prompt("答复 reasons, which the person reads")
    with context.transaction() as c:
        if not restrictions.refuse(c, context.vault, appeal, reasons, actor=context.actor, now=context.now):
            raise not_waiting()
    out.print("the restriction stays")
