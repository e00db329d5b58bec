"""Retention: rows past their use are purged, a few hundred in a statement, beside all other work.

RETENTION_RULES is the whole list. Everything else stays: the audit, the ledger of releases, grants, subjects, merges.
Each table is walked in the order of an index that it has anyway, so that no token pays for an index that only this job
reads. A statement reads at most BATCH rows, however large the table is. An interrupted run leaves nothing half done.

What strangers can cause to be stored is purged every few minutes, from where the last purge ended, so that it is gone
within the hour. Once a day such a table is walked whole.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from accounts.audit import failed_logins as failures
from accounts.credentials import sending_limits, throttle
from accounts.credentials.human_check import spent_human_checks
from accounts.credentials.one_time_codes import one_time_codes
from accounts.credentials.passkeys.challenges import spent_challenges
from accounts.credentials.sending_limits import sending_counters
from accounts.credentials.throttle import throttle_counters
from accounts.credentials.totp import totp_credentials
from accounts.database import Database, UtcDateTime
from accounts.errors import Conflict, Unavailable
from accounts.people.recovery.journey_store import recovery_journeys
from accounts.people.recovery.recoveries import recoveries
from accounts.registration import call_limits
from accounts.registration.call_limits import call_counters
from accounts.registration.journey_store import journeys
from idp.adapters.systems.sandbox import sandbox_messages
from idp.delivery.outbox import outbox
from idp.jobs.retention_rule import BEFORE, COLLECTED_BEFORE, DAILY, HOURLY, LOWEST, OFTEN, RetentionRule
from idp.login.session_store import session_clients, sessions
from idp.oidc.models import (
    access_tokens,
    authorization_requests,
    initial_access_tokens,
    refresh_tokens,
    refusals,
    signing_keys,
    spent_assertions,
)
from idp.staff.second_factor import staff_authenticators, staff_enrolments
from idp.staff.sessions import staff_sessions

log = logging.getLogger(__name__)

PAUSE = 0.05  # seconds between two batches: others get their turn as SQLite's only writer

# A code that is presented again revokes every token it was exchanged for. It is kept while one of them lives (an access
# token lives for minutes, so the day covers it).
_bought_lives = (
    sa.select(sa.literal(1))
    .where(
        refresh_tokens.c.request_id == authorization_requests.c.id,
        authorization_requests.c.revoked_at.is_(None),
        refresh_tokens.c.expires_at >= COLLECTED_BEFORE,
    )
    .limit(1)
    .scalar_subquery()  # read row by row: for EXISTS, a planner may join the whole table of tokens instead
    .is_not(None)
)
_was_collected = sa.and_(
    authorization_requests.c.state == "redeemed",
    sa.or_(authorization_requests.c.expires_at >= COLLECTED_BEFORE, _bought_lives),
)
_bought_was_revoked = (
    sa.select(authorization_requests.c.revoked_at < BEFORE)
    .where(authorization_requests.c.id == refresh_tokens.c.request_id)
    .scalar_subquery()
)
# A used token that is presented again ends its family, so it is kept until the family has expired or was ended.
_refresh_is_over = sa.or_(
    refresh_tokens.c.ends_at < BEFORE,
    _bought_was_revoked,
    sa.and_(refresh_tokens.c.used_at.is_(None), refresh_tokens.c.expires_at < BEFORE),
)

RETENTION_RULES: tuple[RetentionRule, ...] = (
    RetentionRule(
        access_tokens.c.digest, due=access_tokens.c.expires_at < BEFORE, keeps=timedelta(hours=1), every=HOURLY
    ),
    RetentionRule(
        spent_assertions.c.expires_at,
        spent_assertions.c.digest,
        due=spent_assertions.c.expires_at < BEFORE,
        keeps=timedelta(hours=1),
        every=HOURLY,
    ),
    RetentionRule(
        spent_challenges.c.expires_at,
        spent_challenges.c.digest,
        due=spent_challenges.c.expires_at < BEFORE,
        keeps=timedelta(hours=1),
        every=HOURLY,
    ),
    RetentionRule(
        authorization_requests.c.expires_at,
        authorization_requests.c.id,
        due=authorization_requests.c.expires_at < BEFORE,
        spare=_was_collected,
        keeps=timedelta(minutes=15),
        every=OFTEN,
    ),
    RetentionRule(refresh_tokens.c.digest, due=_refresh_is_over, keeps=timedelta(days=1), every=DAILY),
    RetentionRule(
        sessions.c.expires_at,
        sessions.c.id,
        due=sessions.c.expires_at < BEFORE,
        first=session_clients.c.session_id,
        keeps=timedelta(days=1),
        every=DAILY,
    ),
    RetentionRule(
        throttle_counters.c.expires_at,
        throttle_counters.c.counter,
        throttle_counters.c.subject,
        throttle_counters.c.source,
        due=throttle.OVER,
        spare=sa.or_(throttle.TELLS_WHO_IS_KNOWN, throttle.TELLS_WHO_GUESSED),
        keeps=timedelta(0),
        every=OFTEN,
    ),
    RetentionRule(
        spent_human_checks.c.expires_at,
        spent_human_checks.c.digest,
        due=spent_human_checks.c.expires_at < BEFORE,
        keeps=timedelta(minutes=1),
        every=OFTEN,
    ),
    RetentionRule(
        sending_counters.c.expires_at,
        sending_counters.c.counter,
        sending_counters.c.subject,
        due=sending_limits.OVER,
        keeps=timedelta(0),
        every=OFTEN,
    ),
    RetentionRule(
        one_time_codes.c.expires_at,
        one_time_codes.c.handle_digest,
        due=one_time_codes.c.expires_at < BEFORE,
        keeps=timedelta(minutes=15),
        every=OFTEN,
    ),
    RetentionRule(
        failures.failed_logins.c.at,
        failures.failed_logins.c.id,
        due=failures.failed_logins.c.at < BEFORE,
        keeps=timedelta(minutes=45),
        every=OFTEN,
    ),
    RetentionRule(
        totp_credentials.c.created_at,
        totp_credentials.c.id,
        due=totp_credentials.c.created_at < BEFORE,
        spare=totp_credentials.c.confirmed_at.is_not(None),
        keeps=timedelta(hours=1),
        every=DAILY,
    ),
    RetentionRule(
        staff_authenticators.c.member_id,
        due=sa.and_(staff_authenticators.c.confirmed_at.is_(None), staff_authenticators.c.created_at < BEFORE),
        keeps=timedelta(hours=1),
        every=DAILY,
    ),
    RetentionRule(
        staff_enrolments.c.member_id,
        due=staff_enrolments.c.expires_at < BEFORE,
        keeps=timedelta(days=1),
        every=DAILY,
    ),
    RetentionRule(
        staff_sessions.c.expires_at,
        staff_sessions.c.id,
        due=staff_sessions.c.expires_at < BEFORE,
        keeps=timedelta(days=90),
        every=DAILY,
    ),
    RetentionRule(
        journeys.c.expires_at,
        journeys.c.handle_digest,
        due=journeys.c.expires_at < BEFORE,
        keeps=timedelta(0),
        every=OFTEN,
    ),
    RetentionRule(
        recovery_journeys.c.expires_at,
        recovery_journeys.c.handle_digest,
        due=recovery_journeys.c.expires_at < BEFORE,
        keeps=timedelta(0),
        every=OFTEN,
    ),
    RetentionRule(
        recoveries.c.expires_at,
        recoveries.c.id,
        due=recoveries.c.expires_at < BEFORE,
        keeps=timedelta(days=30),
        every=DAILY,
    ),
    RetentionRule(
        call_counters.c.expires_at,
        call_counters.c.counter,
        call_counters.c.subject,
        due=call_limits.OVER,
        keeps=timedelta(0),
        every=OFTEN,
    ),
    RetentionRule(
        outbox.c.id,
        due=sa.or_(outbox.c.delivered_at < BEFORE, outbox.c.failed_at < BEFORE),
        keeps=timedelta(days=30),
        every=DAILY,
    ),
    RetentionRule(
        initial_access_tokens.c.digest,
        due=initial_access_tokens.c.expires_at < BEFORE,
        keeps=timedelta(days=30),
        every=DAILY,
    ),
    RetentionRule(
        refusals.c.person_id,
        refusals.c.client_id,
        due=refusals.c.until < BEFORE,
        keeps=timedelta(days=1),
        every=DAILY,
    ),
    RetentionRule(signing_keys.c.kid, due=signing_keys.c.removed_at < BEFORE, keeps=timedelta(days=30), every=DAILY),
    RetentionRule(
        sandbox_messages.c.created_at,
        sandbox_messages.c.id,
        due=sandbox_messages.c.created_at < BEFORE,
        keeps=timedelta(days=7),
        every=DAILY,
    ),
)


def purge(
    database: Database, each: RetentionRule, now: datetime, stop: threading.Event, after: tuple[Any, ...] | None = None
) -> int:
    """Walk the table from `after` to its end, or until `stop` is set, and delete what is due.

    Returns how many rows were deleted.
    """
    total = 0
    while not stop.is_set():
        removed = each.batch(database, now=now, after=after)
        total, after = total + removed.rows, removed.after
        if after is None:
            break
        stop.wait(PAUSE)
    return total


def run(database: Database, clock: Callable[[], datetime], stop: threading.Event) -> None:
    """Purge every table at its time until `stop` is set. A table that fails is tried again at its next time."""
    rounds = [_PurgeSchedule(each) for each in RETENTION_RULES]
    while not stop.is_set():
        for each in rounds:
            each.look(database, clock(), stop)
        database.close()  # it is not used until the next round
        stop.wait(OFTEN.total_seconds())


class _PurgeSchedule:
    """When one table was walked last, and when it is to be walked whole."""

    def __init__(self, of: RetentionRule) -> None:
        self._of = of
        self._due = self._whole_due = LOWEST[UtcDateTime]
        self._last: datetime | None = None

    def look(self, database: Database, now: datetime, stop: threading.Event) -> None:
        """Delete what is due, if it is time. After a walk that did not end, the next one walks the whole table."""
        if now < self._due:
            return
        self._due = now + self._of.every
        is_whole = self._last is None or not self._of.goes_on or now >= self._whole_due
        after = None if is_whole or self._last is None else self._of.since(self._last)
        self._last = now if _purge_logged(database, self._of, now, stop, after) else None
        if is_whole:
            self._whole_due = now + DAILY


def _purge_logged(
    database: Database, each: RetentionRule, now: datetime, stop: threading.Event, after: tuple[Any, ...] | None
) -> bool:
    try:
        removed = purge(database, each, now, stop, after)
    except (Conflict, Unavailable) as later:
        log.warning("purge_postponed table=%s code=%s", each.name, later.code)
        return False
    if removed:
        log.info("purged table=%s removed=%s", each.name, removed)
    return True
