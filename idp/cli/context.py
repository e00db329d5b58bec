"""What commands work with: the services of this process, its clock, its audit, and the account that runs it."""

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
    """What commands work with. The services are built at first use, so that `--help` needs no settings."""

    admits = True  # whether a database under other keys is refused; `check` needs to read it anyway

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
        """The time now."""
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
        """Record the event in the audit, with the actor, in the transaction of the change."""
        audit.append(c, event, now=self.now, actor=self.actor, client=client, person=person, detail=detail)

    def persons_changed(self, c: Connection, person_ids: Sequence[str], now: datetime) -> None:
        """End everything open of these persons in this transaction, because a merge that let them in was undone."""
        for person_id in person_ids:
            person_status.end_everything(c, person_id, "merge_undone", now=now)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction. The connection is closed afterwards."""
        with closing(self.services.database), self.services.database.transaction() as c:
            yield c


command_context = click.make_pass_decorator(CommandContext, ensure=True)


def _account() -> str:
    """The name of the account that runs this process. Under sudo, the account that called sudo.

    The operating system is asked, because anybody may set the environment. SUDO_USER is trusted for root only: root
    could write any name into the database anyway.
    """
    uid = os.getuid()
    called = os.environ.get("SUDO_USER", "") if uid == 0 else ""
    if called.isprintable() and called:
        return called[:_LONGEST_ACCOUNT]
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # in a container the user id may have no name
        return f"uid-{uid}"
