"""Commands about the people we know. Each asks for the person's number at a prompt, never on the command line.

A number in an argument would stay in the shell's history and in the list of processes.
"""

from __future__ import annotations

from contextlib import closing

import click

from accounts import audit, phones
from accounts.credentials import recovery_codes, totp
from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind, Mobile, parse
from accounts.identifiers.names import person_name
from accounts.people import NaturalPerson, NewPerson
from accounts.registration import Proof, Registration
from idp.cli.context import CommandContext, command_context
from idp.cli.terminal import CommandError, out
from idp.login import person_status, sessions
from idp.login.person_status import ACTIVE, RESTRICTED
from idp.rights import notices

_DOCUMENTS = (  # neither a phone nor an organisation's code identifies a person
    IdentifierKind.CITIZEN_ID,
    IdentifierKind.HKMO_RESIDENCE_PERMIT,
    IdentifierKind.TW_RESIDENCE_PERMIT,
    IdentifierKind.HKMO_TRAVEL_PERMIT,
    IdentifierKind.TW_TRAVEL_PERMIT,
    IdentifierKind.FOREIGNER_CARD,
    IdentifierKind.PASSPORT,
)
kind_option = click.option(
    "--kind",
    type=click.Choice([kind.value for kind in _DOCUMENTS]),
    default=IdentifierKind.CITIZEN_ID.value,
    show_default=True,
    help="Which document the number is of.",
)
_yes = click.option("--yes", is_flag=True, help="Do not ask.")
# A mistake can be corrected. A person whose account was closed or merged opens a new one.
_CHANGEABLE = (ACTIVE, "disabled", "deceased")


@click.group()
def people() -> None:
    """The people we know."""


@people.command("add")
@kind_option
@click.option(
    "--evidence",
    type=click.Choice([kind.value for kind in EvidenceKind]),
    default="counter_comparison",
    show_default=True,
    help="What proved who they are.",
)
@command_context
def people_add(context: CommandContext, kind: str, evidence: str) -> None:
    """Open an account. Everything personal is asked for, so that none of it stays in the shell's history."""
    name = person_name(click.prompt("姓名 name"))
    identifier = parse(IdentifierKind(kind), _number())
    phone = click.prompt("手机号码 phone", default="", hide_input=True, show_default=False)
    email = click.prompt("电子邮箱 e-mail", default="", show_default=False)
    address = click.prompt("住址 address", default="", show_default=False)
    secret = click.prompt("密码 password", hide_input=True, confirmation_prompt=True)
    new = NewPerson(
        name,
        (identifier,),
        (Mobile.parse(phone),) if phone else (),
        birth_date=getattr(identifier, "birth_date", None),
        sex=getattr(identifier, "sex", None),
        email=email or None,
        address=address or None,
    )
    registration = Registration(context.services.people, context.services.hasher, context.services.password_policy)
    with closing(context.services.database):
        person = registration.open_account(
            context.services.database,
            new,
            secret,
            proofs=(Proof(EvidenceKind(evidence), "cli"),),
            channel="hall",
            now=context.now,
            actor=context.actor,
        )
    out.print(f"person {person.id}")
    if new.phones and evidence != EvidenceKind.PHONE:
        out.print("the phone is not verified yet: `yitong people phone verify` when they have shown it")


@people.command("disable")
@kind_option
@click.option("--deceased", "why", flag_value="deceased", help="The person has died.")
@click.option(
    "--incapable", "why", flag_value="incapable", help="The person lost the capacity to act, as a court has decided."
)
@_yes
@command_context
def people_disable(context: CommandContext, kind: str, why: str | None, yes: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Stop a person's account: sessions, tokens and grants end now, and the services are told.

    With --deceased or --incapable, helpers of the person end too, and whom the person helped is helped no longer.
    """
    person = asked_for(context, kind)
    _change(context, person, "deceased" if why == "deceased" else "disabled", yes=yes, incapable=why == "incapable")


@people.command("enable")
@kind_option
@_yes
@command_context
def people_enable(context: CommandContext, kind: str, yes: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Open a stopped account again. What had ended stays ended: the person logs in and agrees anew."""
    person = asked_for(context, kind)
    _change(context, person, ACTIVE, yes=yes)


@people.command("end-passkeys")
@kind_option
@_yes
@command_context
def people_end_passkeys(context: CommandContext, kind: str, yes: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Remove the passkeys of a person who has lost a device, and end their sessions. Check first who they are."""
    person = asked_for(context, kind)
    if not yes:
        click.confirm(f"person {person.id}: remove all passkeys and end all sessions?", abort=True)
    with context.transaction() as c:
        removed = context.services.passkeys.remove_all(c, person.id, actor=context.actor, now=context.now)
        ended = sessions.end_all_of(c, person.id, context.now, "passkeys removed") if removed else 0
    message = f"{removed} passkeys removed, {ended} sessions ended" if removed else "no passkeys; nothing was changed"
    out.print(f"person {person.id}: {message}", highlight=False)


@people.command("end-second-factors")
@kind_option
@_yes
@command_context
def people_end_second_factors(context: CommandContext, kind: str, yes: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Remove the authenticator apps and recovery codes of a person who has lost them. Check first who they are."""
    person = asked_for(context, kind)
    if not yes:
        click.confirm(f"person {person.id}: remove all second factors and end all sessions?", abort=True)
    with context.transaction() as c:
        removed = totp.remove_all(c, person.id)
        recovery_codes.forget(c, person.id)
        ended = sessions.end_all_of(c, person.id, context.now, "second factors removed") if removed else 0
        if removed:
            detail = {"kind": "totp", "removed": removed}
            audit.append(
                c, "person:credential:remove", now=context.now, actor=context.actor, person=person.id, detail=detail
            )
    message = f"{removed} authenticators, {ended} sessions ended" if removed else "no second factor"
    out.print(f"person {person.id}: {message}", highlight=False)


@people.group("phone")
def people_phone() -> None:
    """Which phones a person holds: shown at the counter, or taken away from them."""


@people_phone.command("verify")
@kind_option
@click.option(
    "--source",
    default="counter",
    show_default=True,
    help="Who saw that the person holds the phone, such as counter:510502; kept with the evidence.",
)
@click.option(
    "--reissued",
    is_flag=True,
    help="The operator gave this number to this person: it ends for everybody who had verified it before.",
)
@command_context
def people_phone_verify(context: CommandContext, kind: str, source: str, reissued: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Record that a person holds a phone: they can log in with it and their password. Both numbers are asked for."""
    person = asked_for(context, kind)
    phone = _phone()
    if person.status != ACTIVE:
        cause = f"The account is {person.status}; a phone of it finds nobody."
        raise CommandError("account_not_active", cause, "Enable the account first, or find the one in use.")
    with context.transaction() as c:
        shared = phones.others(c, context.services.people, person.id, phone)
        if reissued:
            for other in shared:
                phones.end(c, context.services.people, other, phone, now=context.now, actor=context.actor)
                notices.phone_moved(context.services, c, other, phone, now=context.now)
        phones.verify(c, context.services.people, person.id, phone, source=source, now=context.now, actor=context.actor)
    out.print(f"person {person.id} holds the phone {phone.masked_own}", highlight=False)
    if shared and reissued:
        out.print(f"it has ended for {len(shared)} other(s), who log in with their number")
    elif shared:
        out.print("others hold it, too: who verified it first logs in with it, the rest with their number")


@people_phone.command("end")
@kind_option
@command_context
def people_phone_end(context: CommandContext, kind: str) -> None:
    """Take a phone away from a person who no longer holds it. Both numbers are asked for."""
    person = asked_for(context, kind)
    phone = _phone()
    with context.transaction() as c:
        ended = phones.end(c, context.services.people, person.id, phone, now=context.now, actor=context.actor)
    message = "no longer holds that phone" if ended else "did not hold that phone; nothing was changed"
    out.print(f"person {person.id} {message}", highlight=False, soft_wrap=True)


def _phone() -> Mobile:
    return Mobile.parse(click.prompt("手机号码 phone", hide_input=True))


def _number() -> str:
    number: str = click.prompt("证件号码 number", hide_input=True)
    return number


def asked_for(context: CommandContext, kind: str) -> NaturalPerson:
    """The person who holds the number that is typed now, whatever their status. Raises CommandError for none."""
    identifier = parse(IdentifierKind(kind), _number())
    with context.transaction() as c:
        person_id = context.services.people.find(c, identifier)
        person = None if person_id is None else context.services.people.by_id(c, person_id)
    if person is None:
        raise CommandError("unknown_person", "Nobody holds that number.", "Check the number and --kind.")
    return person


def _change(context: CommandContext, person: NaturalPerson, status: str, *, yes: bool, incapable: bool = False) -> None:
    if person.status == RESTRICTED:
        cause = "The account is restricted, which has papers and a way to appeal."
        raise CommandError("is_restricted", cause, "Lift the restriction first: `yitong people lift`.")
    if person.status not in _CHANGEABLE:
        cause = f"The account is {person.status}, and stays so."
        raise CommandError("status_is_final", cause, "Find the account that is in use, or open a new one.")
    if not yes:
        click.confirm(f"person {person.id} ({person.status}) → {status}?", abort=True)
    with context.transaction() as c:
        register, by = context.services.people, context.actor
        if incapable:
            ended = person_status.lose_capacity(c, register, person.id, actor=by, now=context.now)
        else:
            ended = person_status.change(c, register, person.id, status, actor=by, now=context.now)
    if ended is None:
        kept = "their helpers have ended" if incapable else "nothing was changed"
        out.print(f"person {person.id} was {status} before; {kept}", soft_wrap=True)
        return
    consequences = "" if status == ACTIVE else f": {ended.sessions} sessions and {ended.grants} grants ended"
    out.print(f"person {person.id} is {status}{consequences}", highlight=False)
