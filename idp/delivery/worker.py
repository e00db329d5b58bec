"""The worker that delivers the rows of the outbox: once, and again after a failure. No row is lost.

It claims a row with one conditional UPDATE, so two workers never deliver one row at the same time. A claim is a lease,
so a row that a killed worker held is tried again. A row that the other side refused for good, or did not accept within
24 hours, has failed and stays visible.
"""

from __future__ import annotations

import logging
import queue
import re
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from accounts.database import Connection, Database, Statement, UtcDateTime, moment
from accounts.errors import MessageRefused, RegistryUnavailable
from accounts.identifiers import Mobile
from accounts.ports import ShortMessage, SmsGateway
from accounts.vault import Vault
from idp.delivery.fetcher import Fetcher
from idp.delivery.outbox import OPEN, SEALED_MESSAGE, outbox

log = logging.getLogger(__name__)

GIVE_UP_AFTER = timedelta(hours=24)
LEASE = timedelta(seconds=60)  # longer than any delivery may take; otherwise a slow one would be delivered twice
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(hours=1)
PER_DESTINATION = 2  # a destination that hangs holds this many threads; the others stay free
THREADS = 8
_BAD_REQUEST = 400

_DUE = OPEN & (outbox.c.next_attempt_at <= sa.bindparam("now", type_=UtcDateTime))
_DESTINATIONS = Statement(sa.select(outbox.c.destination).where(_DUE).group_by(outbox.c.destination))
_DUE_AT = Statement(
    sa.select(outbox)
    .where(_DUE & (outbox.c.destination == sa.bindparam("to")))
    .order_by(outbox.c.next_attempt_at)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_CLAIM = Statement(
    sa.update(outbox)
    .where(OPEN & (outbox.c.id == sa.bindparam("row_id")) & (outbox.c.attempts == sa.bindparam("seen")))
    .values(attempts=outbox.c.attempts + 1, next_attempt_at=sa.bindparam("lease_ends", type_=UtcDateTime))
)
_DELIVERED = Statement(
    sa.update(outbox)
    .where(OPEN & (outbox.c.id == sa.bindparam("row_id")))
    .values(delivered_at=sa.bindparam("at", type_=UtcDateTime), last_error=sa.null(), sealed=sa.null())
)
_AGAIN = Statement(
    sa.update(outbox)
    .where(OPEN & (outbox.c.id == sa.bindparam("row_id")) & (outbox.c.attempts == sa.bindparam("mine")))
    .values(next_attempt_at=sa.bindparam("at", type_=UtcDateTime), last_error=sa.bindparam("error"))
)
_FAILED = Statement(
    sa.update(outbox)
    .where(OPEN & (outbox.c.id == sa.bindparam("row_id")) & (outbox.c.attempts == sa.bindparam("mine")))
    .values(failed_at=sa.bindparam("at", type_=UtcDateTime), last_error=sa.bindparam("error"), sealed=sa.null())
)


_ERROR_CODE = re.compile(r"[a-z_]{1,50}", re.ASCII)  # a code of RFC 6749; other text could be personal data


class NotDelivered(Exception):
    """The other side did not accept the row. `str()` is a cause for operators, without personal data."""


class RefusedForGood(NotDelivered):
    """The other side answered that it will not accept the row. Another attempt would get the same answer."""


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """The content of a logout notice: this `sub` is signed out of this session. Each attempt has a new `jti`."""

    jti: str
    client_id: str
    sub: str | None
    sid: str | None


@dataclass(frozen=True, slots=True)
class DeliveryChannels:
    """Everything through which rows are delivered. Without a gateway messages wait, and their row says why.

    `logout_token` mints a token (valid for at most 2 minutes) for a notice at a moment.
    """

    fetcher: Fetcher
    vault: Vault
    sms: SmsGateway | None
    logout_token: Callable[[LogoutNotice, datetime], str]


@dataclass(frozen=True, slots=True)
class OutboxKind:
    """One kind of row and its delivery. `deliver` raises when the other side did not accept the row."""

    name: str
    deliver: Callable[[DeliveryChannels, Any, datetime], None]


def _deliver_logout(outlets: DeliveryChannels, row: Any, now: datetime) -> None:
    """OpenID Connect Back-Channel Logout 1.0 §2.5–2.8. 204 counts as 200, as §2.8 advises, and 400 is final.

    Each attempt has a token of its own. A client that remembers `jti` (§2.6) would refuse the same token again.
    """
    sub, sid = row.payload["sub"], row.payload["sid"]
    notice = LogoutNotice(jti=secrets.token_urlsafe(16), client_id=row.client_id, sub=sub, sid=sid)
    token = outlets.logout_token(notice, now)
    answer = outlets.fetcher.post_form(row.destination, {"logout_token": token})
    if answer.status == _BAD_REQUEST:
        raise RefusedForGood(f"the client refused it: 400 {_error_code(answer.body)}".rstrip())
    if answer.status not in (200, 204):
        raise NotDelivered(f"the client answered {answer.status}")


def _error_code(body: bytes) -> str:
    """The `error` of a refusal (§2.8), or empty. Its description is left out, because it could name a person."""
    try:
        code = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        return ""
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""


def _deliver_sms(outlets: DeliveryChannels, row: Any, now: datetime) -> None:
    """By text or by voice, through the gateway. A message that is of no use any more is not sent."""
    if outlets.sms is None:
        raise NotDelivered("no SMS gateway is configured")
    until = moment(row.payload["until"])
    if until is not None and until <= now:
        raise RefusedForGood("it was of no use any more")
    found = orjson.loads(outlets.vault.open(row.sealed, place=SEALED_MESSAGE))
    variables = tuple((name, value) for name, value in found["variables"])
    message = ShortMessage(found["template"], found["language"], variables, found["text"])
    give = outlets.sms.call if row.payload["by"] == "voice" else outlets.sms.send
    try:
        give(Mobile.parse(found["phone"]), message)
    except MessageRefused as refused:
        raise RefusedForGood(f"the gateway refused it: {refused.detail}") from None
    except RegistryUnavailable as unavailable:
        raise NotDelivered(f"{unavailable.code} {unavailable.detail}".rstrip()) from None


OUTBOX_KINDS: tuple[OutboxKind, ...] = (
    OutboxKind("backchannel_logout", _deliver_logout),
    OutboxKind("sms", _deliver_sms),
)
_DELIVER = {kind.name: kind.deliver for kind in OUTBOX_KINDS}


def pause_before(attempt: int) -> timedelta:
    """How long to wait after this attempt failed: it doubles from a second to an hour, with a jitter of one half.

    The jitter keeps a thousand rows of one dead client from returning in the same instant.
    """
    doubled = min(FIRST_PAUSE * (1 << min(attempt, 20)), LONGEST_PAUSE)
    return doubled * secrets.SystemRandom().uniform(0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended. `error` is None if the row was delivered. With `final` there is no further attempt."""

    error: str | None = None
    final: bool = False


class Worker:
    """Delivers what is due, a few rows per destination at a time, so that a dead destination never delays the others.

    One Worker belongs to one thread. Several Workers may run on one database. Call `close` at the end.
    """

    def __init__(self, database: Database, outlets: DeliveryChannels) -> None:
        self._database = database
        self._outlets = outlets
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="outbox")
        self._busy: Counter[str] = Counter()
        self._finished: queue.SimpleQueue[tuple[Any, Outcome]] = queue.SimpleQueue()

    def run_once(self, now: datetime) -> int:
        """Try everything due at `now` once. Returns how many rows were tried."""
        tried = 0
        while True:
            tried += self._start_due(now)
            if not self._busy.total():
                return tried
            self._record(*self._finished.get(), now)

    def run(self, clock: Callable[[], datetime], stop: threading.Event, *, poll: timedelta) -> None:
        """Deliver until `stop` is set. Deliveries under way end first."""
        while not stop.is_set():
            try:
                self._start_due(clock())
                self._record_finished(clock, poll)
            except Exception:
                log.exception("outbox_turn_failed")  # the database does not answer: wait and go on, nothing is lost
                stop.wait(1)
        while self._busy.total():
            self._record(*self._finished.get(), clock())

    def close(self) -> None:
        """End every thread of this worker."""
        self._pool.shutdown(wait=True)

    def _start_due(self, now: datetime) -> int:
        c = self._database.connection()
        started = 0
        for (destination,) in c.rows(_DESTINATIONS, now=now):
            free = min(PER_DESTINATION - self._busy[destination], THREADS - self._busy.total())
            if free > 0:
                started += self._start_at(c, destination, free, now)
        return started

    def _start_at(self, c: Connection, destination: str, most: int, now: datetime) -> int:
        started = 0
        for row in c.rows(_DUE_AT, to=destination, most=most, now=now):
            if c.execute(_CLAIM, row_id=row.id, seen=row.attempts, lease_ends=now + LEASE) == 1:
                self._busy[destination] += 1
                self._pool.submit(self._deliver, row, now)
                started += 1
        return started

    def _deliver(self, row: Any, now: datetime) -> None:
        """Deliver one row, in a pool thread. The worker's own thread writes the outcome."""
        outcome = Outcome()
        try:
            _DELIVER[row.kind](self._outlets, row, now)
        except NotDelivered as refused:
            outcome = Outcome(str(refused), final=isinstance(refused, RefusedForGood))
        except Exception as failure:  # noqa: BLE001 - whatever went wrong, the row is tried again
            outcome = Outcome(getattr(failure, "code", type(failure).__name__))
        finally:
            self._database.close()  # a gateway may have opened this thread's connection
        self._finished.put((row, outcome))

    def _record_finished(self, clock: Callable[[], datetime], poll: timedelta) -> None:
        try:
            first = self._finished.get(timeout=poll.total_seconds())
        except queue.Empty:
            return
        self._record(*first, clock())

    def _record(self, row: Any, outcome: Outcome, now: datetime) -> None:
        self._busy[row.destination] -= 1
        c, mine, error = self._database.connection(), row.attempts + 1, outcome.error
        if error is None:
            c.execute(_DELIVERED, row_id=row.id, at=now)
        elif outcome.final or now - row.created_at >= GIVE_UP_AFTER:
            c.execute(_FAILED, row_id=row.id, mine=mine, at=now, error=error)
            log.error("outbox_gave_up kind=%s delivery=%s client=%s attempts=%s", row.kind, row.id, row.client_id, mine)
        else:
            c.execute(_AGAIN, row_id=row.id, mine=mine, at=now + pause_before(mine), error=error)
