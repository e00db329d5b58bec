"""What commands work with: the services of this process, its clock, its audit, and who runs it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

import click

from accounts import audit
from accounts.database import Connection, Database
from accounts.vault import Vault
from idp import settings
from idp.login import person_status
from idp.services import Services, build_services

_LONGEST_ACCOUNT = 64


class CommandContext:
    """What commands work with, made when first asked for, so that `--help` needs no settings."""

    admits = True  # whether a database under other keys is refused: `check` looks at it all the same

    @cached_property
    def services(self) -> Services:
        """The services of this process."""
        return build_services(settings.load(), admits=self.admits)

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


command_context = click.make_pass_decorator(CommandContext, ensure=True)


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
