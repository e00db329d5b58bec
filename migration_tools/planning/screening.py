"""Screening of legacy passwords: a password that anybody could derive proves nothing and opens no account."""

from __future__ import annotations

from accounts.credentials.legacy import LegacySecret, Recipe, derivable_values
from migration_tools.planning.normalise import Person
from migration_tools.readers.legacy_account import LegacyAccount

NONE, USABLE, DERIVABLE = "none", "usable", "derivable"
UNSCREENED, UNREADABLE = "unscreened", "unreadable"
STATES = (USABLE, DERIVABLE, UNSCREENED, UNREADABLE, NONE)
MOST_ALIKE = 50  # equal unsalted hashes in one system: beyond this they are a default password


def secret_of(account: LegacyAccount) -> LegacySecret:
    """The row's secret, as the recipe needs it."""
    return LegacySecret(account.password, account.salt, account.password_user or account.login_name)


def screened(account: LegacyAccount, person: Person, recipe: Recipe | None) -> str:
    """`derivable` if a value that others know opens the account, `unscreened` where trying costs too much."""
    if recipe is None or not account.password:
        return NONE
    secret = secret_of(account)
    if not recipe.reads(secret):
        return UNREADABLE
    if recipe.is_costly:
        return UNSCREENED
    values = derivable_values(
        number=person.number.number.canonical if person.number.number else "",
        phone=person.phone or "",
        birth_date=person.birth_date,
        login_name=account.login_name,
    )
    return DERIVABLE if any(recipe.verify(secret, value) for value in values) else USABLE


def is_unsalted(recipe: Recipe | None) -> bool:
    """Whether equal passwords give equal hashes, so that frequent ones show a default password."""
    return recipe is not None and not recipe.is_costly and not recipe.names & {"s", "u", "h"} and "(" in recipe.text
