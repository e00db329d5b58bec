"""Why an act on a delegation was refused. `code` names the message; it never says whether a stranger has an account."""

from __future__ import annotations

from accounts.errors import AccountsError


class DelegationRefused(AccountsError):
    """The act was refused and nothing has changed. `code` is one of the reasons below."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__()


NOT_REPRESENTATIVE = "not_representative"  # the register does not name this person, or knows no such code
NOT_PROVEN_ENOUGH = "not_proven_enough"  # the person's own identity was never matched
NOT_THEIR_PLACE = "not_their_place"  # this authority cannot do that, or has ended meanwhile
OWN_AUTHORITY = "own_authority"  # nobody edits their own
TOO_MANY_MANAGERS = "too_many_managers"
UNKNOWN_MATTER = "unknown_matter"
WRONG_PERIOD = "wrong_period"
OFFER_OVER = "offer_over"  # answered, withdrawn or too old
WOULD_LOOP = "would_loop"
