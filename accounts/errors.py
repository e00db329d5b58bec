"""The domain's errors.

AccountsError
├── Unavailable                  try again later; the request is correct
│   ├── DatabaseUnavailable
│   ├── VaultKeyMismatch         other keys than those of this process seal the database
│   ├── Busy                     a bulkhead is full
│   └── RegistryUnavailable      an outside system does not answer
├── Conflict                     a constraint was violated: somebody else was first
├── InvalidIdentifier            a number is not valid; names the cure
├── InvalidName                  a text cannot be recorded as a name; names the cure
├── CredentialRefused            a new password breaks the policy; names the rule
├── HumanCheckNeeded             too many guesses lately: a check comes before the next one
├── MessageRefused               a gateway will never accept this message
├── NotProven                    wrong identifier or secret: one answer for both
├── SendingPaused                no more messages to phones for now, from here or in the city
├── Throttled                    too many attempts; says when to try again
└── SealBroken                   a sealed field does not open: wrong key, wrong place or tampering
"""

from __future__ import annotations

from datetime import timedelta


class AccountsError(Exception):
    """Base. `code` is stable and documented; `detail` is for the operator and never shown to a person."""

    code = "accounts_error"

    def __init__(self, *, detail: str = "") -> None:
        super().__init__(f"{self.code}: {detail}" if detail else self.code)
        self.detail = detail


class Unavailable(AccountsError):
    """Try again after `retry_after`."""

    code = "unavailable"
    retry_after = timedelta(seconds=2)


class DatabaseUnavailable(Unavailable):
    """The database does not answer, or was locked for longer than the process waits."""

    code = "database_unavailable"


class VaultKeyMismatch(Unavailable):
    """Other keys than those of this process seal the database. To a request, this node cannot answer.

    `cause` and `cure` are for the operator. Of a key they contain only its id.
    """

    code = "vault_key_mismatch"

    def __init__(self, cause: str, cure: str) -> None:
        self.cause, self.cure = cause, cure
        super().__init__(detail=cause)


class Busy(Unavailable):
    """Too much costly work is waiting. Nothing was tried and nothing was counted."""

    code = "busy"


class RegistryUnavailable(Unavailable):
    """An outside registry or gateway does not answer."""

    code = "registry_unavailable"


class MessageRefused(AccountsError):
    """A gateway will never accept this message to this phone. `detail` is its code, without personal data."""

    code = "message_refused"


class Conflict(AccountsError):
    """A constraint of the database was violated: somebody else was first."""

    code = "conflict"


class InvalidIdentifier(AccountsError):
    """A number is not valid. `cure` tells the reader what to do, without the number."""

    code = "invalid_identifier"

    def __init__(self, code: str, cure: str, *, suggestion: str | None = None) -> None:
        self.code = code
        self.cure = cure
        self.suggestion = suggestion
        super().__init__(detail=cure)


class InvalidName(AccountsError):
    """A text cannot be recorded as a name. `cure` tells the reader what to do, without the name."""

    code = "invalid_name"

    def __init__(self, code: str, cure: str) -> None:
        self.code = code
        self.cure = cure
        super().__init__(detail=cure)


class CredentialRefused(AccountsError):
    """A new password breaks the policy; `code` names the rule, for the message catalogue."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__()


class NotProven(AccountsError):
    """Nobody was authenticated. It is the same for an unknown person and a wrong secret."""

    code = "not_proven"


class WrongStage(AccountsError):
    """A journey is at another stage. Its page is the one to show."""

    code = "wrong_stage"


class HumanCheckNeeded(AccountsError):
    """Guesses have accumulated here, and this one came without a human check. Nothing was tried or counted."""

    code = "human_check_needed"


class Throttled(AccountsError):
    """Too many attempts. After `retry_after` this way opens again."""

    code = "throttled"

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__(detail=f"{int(retry_after.total_seconds())} s")
        self.retry_after = retry_after


class SendingPaused(AccountsError):
    """No message goes out to any phone for now: this network or the city has used up its number."""

    code = "sending_paused"


class SealBroken(AccountsError):
    """A sealed field does not open."""

    code = "seal_broken"
