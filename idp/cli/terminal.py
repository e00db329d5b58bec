"""How every command prints, is interrupted, and refuses with code, cause and cure.

It imports little, because `yitong serve` loads it before it starts the server.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO, Any

import click
from pydantic import ValidationError
from rich.console import Console

from accounts.errors import (
    AccountsError,
    CredentialRefused,
    InvalidIdentifier,
    InvalidName,
    Unavailable,
    VaultKeyMismatch,
)
from idp.oidc.errors import ProtocolError

REFUSED, USAGE, TRY_LATER = 1, 2, 75
_IN_SETTINGS = "sandbox_in_production"

# code → cause, cure. An error whose code is missing here explains itself (identifiers, protocol errors).
EXPLAINED: dict[str, tuple[str, str]] = {
    "database_unavailable": (
        "The database does not answer or has no tables yet.",
        "Check YITONG_DATABASE_URL and that the server runs, then `yitong db upgrade`.",
    ),
    "conflict": ("Something of that name or number exists already.", "List what exists, or choose another name."),
    "phone_held_by_many": (
        "As many persons as may share a phone hold this one already.",
        "End it for who no longer holds it (`yitong people phone end`), or say --reissued if the number is new.",
    ),
    "registry_unavailable": (
        "An outside system does not answer, or refuses us.",
        "Check its address, certificate and account in the settings; `yitong check` and `yitong staff check` try it.",
    ),
    "busy": ("More password checks are waiting than this machine can do.", "Try again in a moment."),
    "seal_broken": (
        "A sealed field does not open with the keys in YITONG_VAULT_KEYS.",
        "Add the key it was sealed with behind the current one, after a comma.",
    ),
    _IN_SETTINGS: (
        "The sandbox would show messages to strangers.",
        "Choose a real SMS gateway in the settings.",
    ),
}

out = Console()
err = Console(stderr=True)


class CommandError(click.ClickException):
    """A refusal with code, cause, cure and exit code."""

    def __init__(self, code: str, cause: str, cure: str, exit_code: int = REFUSED) -> None:
        super().__init__(cause)
        self.code = code
        self.cure = cure
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print code, cause and cure on standard error."""
        console = Console(file=file) if file else err
        console.print(self.code, self.message, highlight=False, markup=False)
        console.print(f"→ {self.cure}", highlight=False, markup=False)


def command_error(error: Exception) -> CommandError:
    """The error as a CommandError."""
    if isinstance(error, ValidationError):
        lines = "; ".join(str(problem["msg"]).removeprefix("Value error, ") for problem in error.errors())
        return CommandError("settings_refused", lines, "Correct the environment or the file in YITONG_ENV_FILE.", USAGE)
    if isinstance(error, ProtocolError):
        return CommandError(error.error, error.description, "Change that value and run the command again.")
    if isinstance(error, VaultKeyMismatch):
        return CommandError("vault_key_mismatch", error.cause, error.cure)
    code = getattr(error, "code", "refused")
    cause, cure = EXPLAINED.get(
        code, (getattr(error, "detail", "") or str(error), getattr(error, "cure", "See docs/reference/cli.md."))
    )
    if isinstance(error, InvalidIdentifier | InvalidName):
        cause = (
            "This number cannot be read." if isinstance(error, InvalidIdentifier) else "This name cannot be recorded."
        )
    if isinstance(error, CredentialRefused):
        cause, cure = "The password breaks a rule of the policy.", "Choose a longer one, without names, dates or walks."
    if code == _IN_SETTINGS:
        return CommandError(code, cause, cure, USAGE)
    return CommandError(code, cause, cure, TRY_LATER if isinstance(error, Unavailable) else REFUSED)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM let the batch end first. The yielded function says whether one came."""
    asked = False

    def ask(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature is the system's
        nonlocal asked
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Commands(click.Group):
    """A group whose commands never end in a traceback for what an operator can correct."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises CommandError for such an error."""
        try:
            return super().invoke(ctx)
        except (AccountsError, ProtocolError, ValidationError) as error:
            raise command_error(error) from error
        except UnicodeDecodeError as error:
            raise CommandError(
                "input_unreadable",
                "What was typed is not UTF-8.",
                "Set the terminal to UTF-8 and type it again.",
                USAGE,
            ) from error
