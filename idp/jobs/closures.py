"""Closes the accounts whose waiting period is over, and forgets the persons of those that were closed long ago.

Each account is one transaction. A failure postpones that account and not the others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from accounts.database import Database
from accounts.errors import AccountsError
from accounts.people import People
from idp.rights import closing

log = logging.getLogger(__name__)
EVERY = timedelta(minutes=10)
_FIRST = (datetime(1970, 1, 1, tzinfo=UTC), "")


def close_due(database: Database, people: People, now: datetime, stop: threading.Event) -> int:
    """Every account whose time has come is closed, unless the person cancelled. Returns how many were closed."""
    done, after = 0, _FIRST
    while not stop.is_set():
        rows = closing.due(database.connection(), now, after)
        if not rows:
            break
        done += sum(_close(database, people, row.id, row.person_id, now) for row in rows)
        after = (rows[-1].due_at, rows[-1].id)
    return done


def forget_old(database: Database, people: People, now: datetime) -> int:
    """The persons of the next accounts that were closed long ago are forgotten. Returns how many."""
    done = 0
    for row in closing.remembered(database.connection(), now):
        with database.transaction() as c:
            done += closing.forget(c, people, row.id, row.person_id, now=now)
    return done


def run(database: Database, people: People, clock: Callable[[], datetime], stop: threading.Event) -> None:
    """Do both every ten minutes until `stop` is set. What fails is tried again in the next round."""
    while not stop.is_set():
        try:
            closed, forgotten = close_due(database, people, clock(), stop), forget_old(database, people, clock())
        except AccountsError as later:
            log.warning("closing_postponed code=%s", later.code)
        else:
            if closed or forgotten:
                log.info("closed accounts=%s forgotten=%s", closed, forgotten)
        database.close()  # it is not used until the next round
        stop.wait(EVERY.total_seconds())


def _close(database: Database, people: People, closure_id: str, person_id: str, now: datetime) -> bool:
    try:
        with database.transaction() as c:
            return closing.close(c, people, closure_id, person_id, now=now)
    except AccountsError as later:
        log.warning("closing_postponed code=%s", later.code)
        return False
