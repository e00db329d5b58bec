"""Why an act between helper and helped was refused. `code` names the message.

It never says whether a stranger has an account.
"""

from __future__ import annotations

from accounts.errors import AccountsError


class RelationRefused(AccountsError):
    """The act was refused and nothing has changed. `code` is one of the reasons below."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__()


NOT_PROVEN_ENOUGH = "not_proven_enough"  # the person's own identity was never matched
AGE_UNKNOWN = "age_unknown"  # no document of theirs has a date of birth, and none is recorded
HELPER_TOO_YOUNG = "helper_too_young"  # a helper is of age
MINOR_NEEDS_GUARDIAN = "minor_needs_guardian"  # for a minor only a guardian acts, whom a counter records
NOT_A_MINOR = "not_a_minor"  # a counter records guardians of minors only
NOT_A_GUARDIAN = "not_a_guardian"  # this relation or paper makes nobody a guardian
ONESELF = "oneself"  # nobody helps themselves
TOO_MANY = "too_many"  # this person is in as many relations as there may be
UNKNOWN_MATTER = "unknown_matter"
WRONG_PERIOD = "wrong_period"
OFFER_OVER = "offer_over"  # answered, withdrawn or too old
NOT_THEIRS = "not_theirs"  # somebody else's, or ended before
