"""Commands for the counter: a person who lost everything gets a reset code, which only they type.

One clerk reads the chip of the card and compares the person with it; another one agrees. Neither sees nor chooses a
password, and neither can do both.
"""

from __future__ import annotations

import click

from accounts import evidence
from accounts.evidence import EvidenceKind
from accounts.people import OWN_PAGES
from accounts.people.recovery import recoveries
from idp.cli.context import CommandContext, command_context
from idp.cli.people import asked_for, kind_option, people
from idp.cli.terminal import CommandError, out
from idp.i18n.labels import HELP_LINE
from idp.rights import notices

__all__ = ["people"]  # the same group, with the commands below


@people.command("begin-recovery")
@kind_option
@click.option(
    "--source",
    default="counter",
    show_default=True,
    help="Where the chip was read, such as counter:510502; kept with the evidence.",
)
@command_context
def people_begin_recovery(context: CommandContext, kind: str, source: str) -> None:
    """First clerk: the chip of the person's card is read and the person compared with it. The number is asked for."""
    person = asked_for(context, kind)
    if person.status not in OWN_PAGES:
        cause = f"The account is {person.status}; a password would open nothing."
        raise CommandError("account_not_active", cause, "Enable the account first, or find the one in use.")
    with context.transaction() as c:
        evidence.record(c, person.id, EvidenceKind.CHIP_READ, source=source, at=context.now)
        begun = recoveries.begin_at_counter(c, person.id, clerk=context.actor, now=context.now)
        context.record(c, "clerk:recovery:begin", person=person.id, detail={"recovery": begun})
    out.print(f"recovery {begun}", highlight=False)
    out.print("another clerk now has 15 minutes: `yitong people confirm-recovery` with this id", soft_wrap=True)


@people.command("confirm-recovery")
@click.argument("recovery")
@click.option("--source", default="counter", show_default=True, help="Where the person was seen, kept as above.")
@command_context
def people_confirm_recovery(context: CommandContext, recovery: str, source: str) -> None:
    """Second clerk: agree to RECOVERY, and print the code that the person types at /recover. It is shown once."""
    with context.transaction() as c:
        made = recoveries.confirm_at_counter(c, context.services.vault, recovery, clerk=context.actor, now=context.now)
        if made is not None:
            evidence.record(c, made.person_id, EvidenceKind.COUNTER_COMPARISON, source=source, at=context.now)
            context.record(c, "clerk:recovery:confirm", person=made.person_id, detail={"recovery": recovery})
            notices.to_all_phones(
                context.services, c, made.person_id, "recovery_counter", now=context.now, help_line=HELP_LINE,
                cancel=made.cancel_number,
            )  # fmt: skip
    if made is None:
        cause = "No recovery with that id waits for you: it is unknown, over, confirmed, cancelled, or your own."
        raise CommandError(
            "recovery_not_waiting", cause, "A clerk other than the one who began it confirms it in time."
        )
    out.print(f"reset code {made.code}", highlight=False)
    out.print("hand it to the person, who types it at /recover within 15 minutes; it works once", soft_wrap=True)
