"""What every command stands on: the services of this process, and refusals with code, cause and cure."""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cached_property
from types import FrameType
from typing import IO, Any

import click
from pydantic import ValidationError
from rich.console import Console

from accounts import audit
from accounts.db import Connection, Database
from accounts.errors import AccountsError, CredentialRefused, Unavailable
from accounts.vault import Vault
from idp import person_status, settings
from idp.adapters.systems.sandbox import SandboxInProduction
from idp.oidc.errors import ProtocolError
from idp.services import Services, build_services

REFUSED, MISUSED, LATER = 1, 2, 75
_LONGEST_ACCOUNT = 64

# code → cause, cure. A code that is not here tells its own story (identifiers, protocol errors).
EXPLAINED: dict[str, tuple[str, str]] = {
    "database_unavailable": (
        "The database does not answer or has no tables yet.",
        "Check YITONG_DATABASE_URL and that the server runs, then `yitong db upgrade`.",
    ),
    "conflict": ("Something of that name or number exists already.", "List what exists, or choose another name."),
    "busy": ("More password checks are waiting than this machine can do.", "Try again in a moment."),
    "seal_broken": (
        "A sealed field does not open with the keys in YITONG_VAULT_KEYS.",
        "Add the key it was sealed with behind the current one, after a comma.",
    ),
}

out = Console()
err = Console(stderr=True)


class Told(click.ClickException):
    """What went wrong, in three lines."""

    def __init__(self, code: str, cause: str, cure: str, exit_code: int = REFUSED) -> None:
        super().__init__(cause)
        self.code = code
        self.cure = cure
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """The code, the cause and the cure are on standard error."""
        console = Console(file=file) if file else err
        console.print(self.code, self.message, highlight=False, markup=False)
        console.print(f"→ {self.cure}", highlight=False, markup=False)


def told(error: Exception) -> Told:
    """The error as an operator reads it."""
    if isinstance(error, ValidationError):
        lines = "; ".join(str(problem["msg"]).removeprefix("Value error, ") for problem in error.errors())
        return Told("settings_refused", lines, "Correct the environment or the file in YITONG_ENV_FILE.", MISUSED)
    if isinstance(error, SandboxInProduction):
        return Told("sandbox_in_production", "The sandbox would show messages to strangers.", str(error), MISUSED)
    if isinstance(error, ProtocolError):
        return Told(error.error, error.description, "Change that value and run the command again.")
    code = getattr(error, "code", "refused")
    cause, cure = EXPLAINED.get(code, (str(error), getattr(error, "cure", "See docs/reference/cli.md.")))
    if isinstance(error, CredentialRefused):
        cause, cure = "The password breaks a rule of the policy.", "Choose a longer one, without names, dates or walks."
    return Told(code, cause, cure, LATER if isinstance(error, Unavailable) else REFUSED)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM let the batch end first; what is yielded says whether one came."""
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


def _account() -> str:
    """The name of the account that runs this process; behind sudo, of whoever called it.

    Asked of the system, not of the environment, which anybody may set. SUDO_USER is believed of root alone: whoever
    is root could write any name into the database anyway.
    """
    uid = os.getuid()
    called = os.environ.get("SUDO_USER", "") if uid == 0 else ""
    if called.isprintable() and called:
        return called[:_LONGEST_ACCOUNT]
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run under a number that has no name
        return f"uid-{uid}"


class Commands(click.Group):
    """A group whose commands never end in a traceback for what an operator can cure."""

    def invoke(self, ctx: click.Context) -> Any:
        """The command ran, or Told says why not."""
        try:
            return super().invoke(ctx)
        except (AccountsError, ProtocolError, ValidationError, SandboxInProduction) as error:
            raise told(error) from error


class House:
    """What commands work with, made when first asked for, so that `--help` needs no settings."""

    @cached_property
    def services(self) -> Services:
        """The services of this process."""
        return build_services(settings.load())

    @property
    def database(self) -> Database:
        """The database; the merge commands read it here."""
        return self.services.database

    @property
    def vault(self) -> Vault:
        """The vault; the merge commands read it here."""
        return self.services.vault

    @property
    def now(self) -> datetime:
        """The moment."""
        return self.services.clock()

    @cached_property
    def actor(self) -> str:
        """Who runs this command, for the audit: `operator:` and the account of the operating system."""
        return f"operator:{_account()}"

    def record(
        self,
        c: Connection,
        event: str,
        *,
        client: str | None = None,
        person: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """What this command changes is on record, with who ran it, in the transaction of the change."""
        audit.append(c, event, now=self.now, actor=self.actor, client=client, person=person, detail=detail)

    def persons_changed(self, c: Connection, person_ids: Sequence[str], now: datetime) -> None:
        """Everything open of these persons ends, in this transaction: a merge that let them in was undone."""
        for person_id in person_ids:
            person_status.end_everything(c, person_id, "merge_undone", now=now)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, and no connection left open behind it."""
        with closing(self.services.database), self.services.database.transaction() as c:
            yield c


house = click.make_pass_decorator(House, ensure=True)
