"""The command with which a counter records the guardian of a minor, after seeing the paper."""

from __future__ import annotations

import click

from accounts.people.family import errors
from accounts.people.family.errors import RelationRefused
from accounts.people.family.relations import GUARDIANS, Relation, RelationProof
from idp.cli.context import CommandContext, command_context
from idp.cli.people import asked_for, kind_option, people
from idp.cli.terminal import CommandError, out

__all__ = ["people"]  # the same group, with the command below

_SHORTEST = 3  # characters of a reference
_REFUSALS = {
    errors.NOT_PROVEN_ENOUGH: ("The guardian's identity was never matched.", "Check who they are at the counter."),
    errors.AGE_UNKNOWN: ("The date of birth of one of them is not known.", "Record their identity document first."),
    errors.HELPER_TOO_YOUNG: ("The guardian is under 18.", "Compare the two numbers."),
    errors.NOT_A_MINOR: ("The child is of age.", "An adult asks for a helper at /account/family."),
    errors.ONESELF: ("Both numbers are of one person.", "Type the guardian's number first, then the child's."),
    errors.TOO_MANY: ("The guardian is in as many relations as there may be.", "One of them must end first."),
    errors.NOT_THEIRS: ("One of the two accounts is not active.", "Enable it first, or find the one in use."),
    errors.OFFER_OVER: ("One of the two accounts is not active.", "Enable it first, or find the one in use."),
}


@people.command("guardian")
@kind_option
@click.option(
    "--relation",
    type=click.Choice(sorted(relation.value for relation in GUARDIANS)),
    required=True,
    help="What the guardian is to the child.",
)
@click.option(
    "--proof",
    type=click.Choice([proof.value for proof in RelationProof if proof is not RelationProof.DECLARED]),
    required=True,
    help="Which paper showed it.",
)
@click.option("--reference", required=True, help="Where the counter keeps the copy, such as its file number.")
@command_context
def people_guardian(context: CommandContext, kind: str, relation: str, proof: str, reference: str) -> None:
    """Record a child's guardian, whose paper you have seen. Both numbers are asked for, the guardian's first.

    Under 14 the guardian acts from now on, until the birthday. From 14 to 17 the child must accept it at
    /account/family, within seven days; the guardian then also sees the child's activity.
    """
    click.echo("监护人 guardian")
    guardian = asked_for(context, kind)
    click.echo("未成年人 child")
    child = asked_for(context, kind)
    if len(reference.strip()) < _SHORTEST or not reference.isprintable():
        cause = "The reference of the paper is missing."
        raise CommandError("reference_missing", cause, "Give the file number under which the copy is kept.")
    try:
        with context.transaction() as c:
            made = context.services.helpers.record_guardian(
                c,
                guardian.id,
                child.id,
                Relation(relation),
                RelationProof(proof),
                reference.strip(),
                actor=context.actor,
                now=context.now,
            )
    except RelationRefused as refused:
        raise CommandError("guardian_refused", *_REFUSALS[refused.code]) from None
    until = f"{made.expires_at:%Y-%m-%d}"
    state = f"acts until {until}" if made.is_accepted else f"is offered until {until}; the child must accept it"
    out.print(f"guardian {guardian.id} of person {child.id} {state}", highlight=False, soft_wrap=True)
