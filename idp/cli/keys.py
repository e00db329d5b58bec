"""Commands about keys: the signing keys of tokens, and the vault keys that seal personal data."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import click

from accounts.audit.key_rotation import countersign
from accounts.vault.resealing import Position, reseal
from idp.cli.context import CommandContext, command_context
from idp.cli.terminal import TRY_LATER, CommandError, err, interruptible, out
from idp.jobs.resealing import SEALED
from migration_tools.progress import shown

_BATCHES = 20  # audit batches per call, up to 1,000 records each
_PASSES = 3  # the first moves everything, the second what was written meanwhile, the third finds nothing


@click.group()
def keys() -> None:
    """The keys that sign tokens, and those that seal the database."""


@keys.command("rotate")
@click.option("--now", "at_once", is_flag=True, help="Emergency: sign with the new key at once.")
@command_context
def keys_rotate(context: CommandContext, at_once: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Publish new signing keys now; they sign once relying systems have had time to fetch them."""
    lead = {"lead": timedelta(0)} if at_once else {}
    with context.transaction() as c:
        made = context.services.keys.rotate(c, context.now, **lead)
        context.record(c, "administrator:keys:rotate", detail={"published": list(made), "at_once": at_once})
    for kid in made:
        out.print(f"published {kid}")


@keys.command("reseal")
@click.option("--batch", default=500, show_default=True, type=click.IntRange(20, 10_000), help="Rows a transaction.")
@click.option(
    "--wait",
    default=10,
    show_default=True,
    type=click.IntRange(0, 600),
    help="Seconds for every process to notice that older keys are retired, before what came meanwhile is moved.",
)
@click.pass_context
def keys_reseal(ctx: click.Context, batch: int, wait: int) -> None:
    """Seal anew what an older vault key sealed, while everything serves; then say which keys may be retired.

    Broken off, the same command goes on: what is done is only read. Ends with 75 when interrupted.
    """
    context = ctx.ensure_object(CommandContext)
    with closing(context.services.database), interruptible() as stop:
        move = _Move(context, batch, wait, stop)
        try:
            move.run()
        finally:
            move.record()
        if move.complete:
            move.tell()
    if not move.complete:
        err.print("Interrupted between two batches: run the same command again.")
        ctx.exit(TRY_LATER)


class _Move:
    """One run of `keys reseal` and its counts, which are recorded however the run ends."""

    def __init__(self, context: CommandContext, batch: int, wait: int, stop: Callable[[], bool]) -> None:
        self._here, self._batch, self._wait, self._stop = context, batch, wait, stop
        self._c = context.services.database.connection()
        self._rows, self._signed = 0, 0
        self.complete = False

    def run(self) -> None:
        """Everything is under the current key, unless `stop` ended the run early.

        Raises CommandError, SealBroken, ChainBroken or Unavailable.
        """
        if self._until_nothing_is_left() and self._retire():
            self.complete = self._countersign()

    def _until_nothing_is_left(self) -> bool:
        """True when a whole pass found nothing under an older key, False when `stop` ended it.

        Raises CommandError when every pass found something.
        """
        for number in range(1, _PASSES + 1):
            before = self._rows
            if not self._pass(f"sealing anew, pass {number}"):
                return False
            if self._rows == before:
                return True
        raise CommandError(
            "still_sealing",
            "Some process still seals with an older key.",
            "Put the new key in front on every node, restart them all, and run the command again.",
        )

    def _pass(self, name: str) -> bool:
        """True when every sealed column was read to its end, False when `stop` ended it."""
        position = Position()
        with shown(err, name, None) as advance:
            while not self._stop():
                done = reseal(self._c, self._here.vault, self._batch, after=position, columns=SEALED)
                self._rows += done.rewritten
                advance(done.read)
                if done.after is None:
                    return True
                position = done.after
        return False

    def _retire(self) -> bool:
        """Retire the older keys, and move what was sealed under them in between. False when `stop` ended it early.

        Each process compares its keys again within `accounts.database.ADMITTED_FOR`.
        """
        if not self._here.services.vault_keys.retire_older(self._c):
            return True
        end = time.monotonic() + self._wait
        while time.monotonic() < end and not self._stop():
            time.sleep(0.1)
        return self._pass("sealing anew what came meanwhile")

    def _countersign(self) -> bool:
        """True when every batch of the audit was read and countersigned where needed. False after `stop`."""
        after = 0
        with shown(err, "countersigning the audit", None) as advance:
            while not self._stop():
                done = countersign(self._c, self._here.vault, _BATCHES, after=after)
                self._signed += done.written
                advance(done.read)
                if done.after is None:
                    return True
                after = done.after
        return False

    def record(self) -> None:
        """Record in the audit what was changed, if anything was."""
        if not self._rows and not self._signed:
            return
        done = {"rows": self._rows, "audit_batches": self._signed, "complete": self.complete}
        with self._here.services.database.transaction() as c:
            self._here.record(c, "administrator:vault:reseal", detail={"key": self._here.vault.key_ids[0], **done})

    def tell(self) -> None:
        """Print what was done, and which keys may be retired."""
        current, *older = self._here.vault.key_ids
        message = f"{self._rows} rows moved, {self._signed} audit batches countersigned; everything is under {current}."
        out.print(message, highlight=False, soft_wrap=True)
        if older:
            out.print(f"{', '.join(older)} may leave YITONG_VAULT_KEYS on every node.", highlight=False, soft_wrap=True)
