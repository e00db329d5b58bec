"""Commands that answer what people asked for on their pages: disputed links and corrections.

A request is shown and answered by its key. What a person wrote is shown to the clerk who answers it, and that is on
record.
"""

from __future__ import annotations

import click
from rich.table import Table

from idp.cli.context import CommandContext, command_context
from idp.cli.people import people
from idp.cli.terminal import CommandError, out
from idp.rights import corrections, disputes

__all__ = ["people"]  # the same group, with the commands below


@people.group("disputes")
def people_disputes() -> None:
    """Older accounts of which their person says that they are somebody else's."""


@people_disputes.command("list")
@command_context
def disputes_list(context: CommandContext) -> None:
    """The disputes that wait, oldest first. Each link opens nothing until it is decided."""
    table = Table("dispute", "since", "person", "system", "account", "rule")
    with context.transaction() as c:
        for row in disputes.undecided(c):
            since = f"{row.opened_at:%Y-%m-%d %H:%M}"
            table.add_row(row.id, since, row.person_id, row.system, row.uid, row.rule)
    out.print(table)


@people_disputes.command("decide")
@click.argument("dispute")
@click.option("--separate/--keep", default=None, required=True, help="Whether the account is somebody else's.")
@command_context
def disputes_decide(context: CommandContext, dispute: str, separate: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Decide: --separate ends the link for ever and signs the person out; --keep gives it its level again."""
    with context.transaction() as c:
        decided = disputes.decide(
            c,
            dispute,
            separated=separate,
            on_persons_changed=context.persons_changed,
            actor=context.actor,
            now=context.now,
        )
    if not decided:
        raise not_waiting()
    out.print("the account belongs to nobody now" if separate else "the link opens again what it opened before")


@people.group("corrections")
def people_corrections() -> None:
    """Facts of which their person says that they are recorded wrongly."""


@people_corrections.command("list")
@command_context
def corrections_list(context: CommandContext) -> None:
    """The requests that wait, oldest first, without what the person wrote."""
    table = Table("correction", "since", "person", "about")
    with context.transaction() as c:
        for row in corrections.undecided(c, 100):
            table.add_row(row.id, f"{row.asked_at:%Y-%m-%d %H:%M}", row.person_id, row.kind)
    out.print(table)


@people_corrections.command("show")
@click.argument("correction")
@command_context
def corrections_show(context: CommandContext, correction: str) -> None:
    """What the person wrote. That it was read is on record."""
    with context.transaction() as c:
        found = corrections.read(c, context.vault, correction)
        if found is None:
            raise CommandError("unknown_correction", "There is no such request.", "`yitong people corrections list`.")
        person_id, asked = found
        context.record(c, "administrator:person:read", person=person_id, detail={"correction": correction})
    out.print(f"person {person_id}, about {asked.kind.value}:", highlight=False)
    out.print(asked.text, highlight=False, markup=False)


@people_corrections.command("answer")
@click.argument("correction")
@click.option("--refuse", is_flag=True, help="The fact is right as it is; the reasons are asked for, for the person.")
@command_context
def corrections_answer(context: CommandContext, correction: str, refuse: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Answer a request, after the fact was corrected from the document, or refuse it with reasons."""
    reasons = click.prompt("答复 reasons, which the person reads") if refuse else None
    with context.transaction() as c:
        answered = corrections.decide(
            c, context.vault, correction, refused_because=reasons, actor=context.actor, now=context.now
        )
    if not answered:
        raise not_waiting()
    out.print("refused, with reasons" if refuse else "corrected")


def not_waiting() -> CommandError:
    """The refusal for a key that names no request, or one that was answered before."""
    return CommandError("not_waiting", "No request of that key waits for an answer.", "List them again.")
