"""Commands about the people we know."""

from __future__ import annotations

from contextlib import closing

import click

from accounts.credentials.policy import PasswordPolicy
from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind, Mobile, parse
from accounts.people import NewPerson
from accounts.registration import Proof, Registration
from idp.cli.terminal import House, house, out


@click.group()
def people() -> None:
    """The people we know."""


@people.command("add")
@click.option(
    "--kind", type=click.Choice([kind.value for kind in IdentifierKind]), default=IdentifierKind.CITIZEN_ID.value
)
@click.option("--evidence", type=click.Choice([kind.value for kind in EvidenceKind]), default="counter_comparison")
@house
def people_add(here: House, kind: str, evidence: str) -> None:
    """Open an account. Everything personal is asked for, so that none of it stays in the shell's history."""
    name = click.prompt("姓名 name")
    identifier = parse(IdentifierKind(kind), click.prompt("证件号码 number", hide_input=True))
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
    registration = Registration(here.services.people, here.services.hasher, PasswordPolicy())
    with closing(here.services.database):
        person = registration.open_account(
            here.services.database,
            new,
            secret,
            proofs=(Proof(EvidenceKind(evidence), "cli"),),
            channel="hall",
            now=here.now,
        )
    out.print(f"person {person.id}")
