"""The domain's errors.

AccountsError
├── Unavailable                  try again later, nothing is wrong with the request
│   ├── DatabaseUnavailable
│   ├── VaultKeyMismatch         the database is sealed under other keys than this process has
│   ├── Busy                     a bulkhead is full
│   └── RegistryUnavailable      a system outside does not answer
├── Conflict                     a constraint refused: somebody else was first
├── InvalidIdentifier            a number is not what it claims to be; names the cure
├── InvalidName                  a text is no name that can be recorded; names the cure
├── CredentialRefused            a new password breaks the policy; names the rule
├── NotProven                    wrong identifier or secret: one answer for both
├── Throttled                    too many attempts; says when to come back and the way out
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
    """Try again in `retry_after`."""

    code = "unavailable"
    retry_after = timedelta(seconds=2)


class DatabaseUnavailable(Unavailable):
    """The database does not answer, or is locked for longer than we wait."""

    code = "database_unavailable"


class VaultKeyMismatch(Unavailable):
    """The database is sealed under other keys than this process has: to a request, a node that cannot answer.

    `cause` and `cure` are for the operator; neither holds more of a key than its id.
    """

    code = "vault_key_mismatch"

    def __init__(self, cause: str, cure: str) -> None:
        self.cause, self.cure = cause, cure
        super().__init__(detail=cause)


class Busy(Unavailable):
    """More costly work is waiting than this process can do; nothing was tried and nothing counted."""

    code = "busy"


class RegistryUnavailable(Unavailable):
    """A registry or gateway outside does not answer."""

    code = "registry_unavailable"


class Conflict(AccountsError):
    """A constraint of the database refused: somebody else was first."""

    code = "conflict"


class InvalidIdentifier(AccountsError):
    """A number is not what it claims to be. `cure` tells the reader what to do; neither repeats the number."""

    code = "invalid_identifier"

    def __init__(self, code: str, cure: str, *, suggestion: str | None = None) -> None:
        self.code = code
        self.cure = cure
        self.suggestion = suggestion
        super().__init__(detail=cure)


class InvalidName(AccountsError):
    """A text is no name that can be recorded. `cure` tells the reader what to do; neither repeats the name."""

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
    """Nobody was authenticated. The same for an unknown person and a wrong secret."""

    code = "not_proven"


class Throttled(AccountsError):
    """Too many attempts. `retry_after` is when this way opens again."""

    code = "throttled"

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__(detail=f"{int(retry_after.total_seconds())} s")
        self.retry_after = retry_after


class SealBroken(AccountsError):
    """A sealed field does not open."""

    code = "seal_broken"
