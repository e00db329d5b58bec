"""Commands about keys: those that sign tokens, and the vault's, which seal everything personal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import click

from accounts import audit
from accounts.resealing import Position, reseal
from idp.cli.terminal import LATER, House, Told, err, house, interruptible, out
from idp.resealing import SEALED
from migration_tools.progress import shown

_PASSES = 3  # one moves everything, one finds what was written meanwhile, one finds nothing


@click.group()
def keys() -> None:
    """The keys that sign tokens, and those that seal the database."""


@keys.command("rotate")
@click.option("--now", "at_once", is_flag=True, help="Emergency: sign with the new key at once.")
@house
def keys_rotate(here: House, at_once: bool) -> None:  # noqa: FBT001 - click hands flags over so
    """Publish new signing keys now; they sign once relying systems have had time to fetch them."""
    lead = {"lead": timedelta(0)} if at_once else {}
    with here.transaction() as c:
        made = here.services.keys.rotate(c, here.now, **lead)
        here.record(c, "administrator:keys:rotate", detail={"published": list(made), "at_once": at_once})
    for kid in made:
        out.print(f"published {kid}")


@keys.command("reseal")
@click.option("--batch", default=500, show_default=True, type=click.IntRange(20, 10_000), help="Rows a transaction.")
@click.pass_context
def keys_reseal(ctx: click.Context, batch: int) -> None:
    """Seal anew what an older vault key sealed, while everything serves; then say which keys may be retired.

    Broken off, the same command goes on: what is done is only read. Ends with 75 when interrupted.
    """
    here = ctx.ensure_object(House)
    with closing(here.services.database), interruptible() as stop:
        rewritten, done = _moved(here, batch, stop)
        if rewritten:
            detail = {"key": here.vault.key_ids[0], "rows": rewritten, "complete": done}
            with here.services.database.transaction() as c:
                here.record(c, "administrator:vault:reseal", detail=detail)
        if done:
            _tell_what_may_go(here, rewritten)
    if not done:
        err.print("Interrupted between two batches: run the same command again.")
        ctx.exit(LATER)


def _moved(here: House, batch: int, stop: Callable[[], bool]) -> tuple[int, bool]:
    """How many rows were sealed anew, and whether a whole pass then found none that needed it."""
    rewritten = 0
    for number in range(1, _PASSES + 1):
        changed, whole = _pass(here, batch, stop, f"sealing anew, pass {number}")
        rewritten += changed
        if not whole or not changed:
            return rewritten, whole
    raise Told(
        "still_sealing",
        "Some process still seals with an older key.",
        "Put the new key in front on every node, restart them all, and run the command again.",
    )


def _pass(here: House, batch: int, stop: Callable[[], bool], name: str) -> tuple[int, bool]:
    """Every sealed column read once; how many rows were sealed anew, and whether the pass came to its end."""
    c, position, rewritten = here.services.database.connection(), Position(), 0
    with shown(err, name, None) as advance:
        while not stop():
            done = reseal(c, here.vault, batch, after=position, columns=SEALED)
            rewritten += done.rewritten
            advance(done.read)
            if done.after is None:
                return rewritten, True
            position = done.after
    return rewritten, False


def _tell_what_may_go(here: House, rewritten: int) -> None:
    current, *older = here.vault.key_ids
    out.print(f"{rewritten} rows moved; everything is sealed and indexed under {current}.", highlight=False)
    if not older:
        return
    names = ", ".join(older)
    if audit.rests_on_older_keys(here.services.database.connection(), here.vault):
        out.print(f"Keep {names} last in the list: the audit chain's older batches are verified with them.")
    else:
        out.print(f"{names} may leave YITONG_VAULT_KEYS on every node.", highlight=False)
