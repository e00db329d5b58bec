"""What a recovery changes, with its records and notices: a wait that begins, the end of all of them, a new password.

Everything happens in the caller's transaction. Notices go to every verified phone, because the one that a thief holds
is only one of them; where this deployment sends no messages, the account page and the activity list say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from accounts import audit
from accounts.credentials import recovery_codes, totp
from accounts.credentials.passkeys import Passkeys
from accounts.credentials.password_rules.change import NewPassword, PasswordChange
from accounts.database import Connection
from accounts.people.recovery import recoveries
from accounts.people.recovery.journey import RecoveryJourney
from accounts.people.recovery.proving import Place
from accounts.people.recovery.recoveries import BegunWait
from idp.i18n.labels import HELP_LINE
from idp.login import sessions
from idp.rights import notices

REASON = "password recovered"
_HOUR = timedelta(hours=1)


class RecoveryContext(notices.NoticeContext, Protocol):
    """The parts of one process that a recovery needs. `idp.services.Services` has them."""

    @property
    def passkeys(self) -> Passkeys:
        """The register of passkeys."""

    @property
    def password_change(self) -> PasswordChange:
        """What checks and stores new passwords."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The last answer of a journey: the password, and whether everything else that signs in is lost, too."""

    journey: RecoveryJourney
    new: NewPassword
    is_all_lost: bool


def begin_wait(
    context: RecoveryContext, c: Connection, journey: RecoveryJourney, wait: timedelta, place: Place, now: datetime
) -> BegunWait | None:
    """The wait has begun and every phone of the person is told how to cancel it. None for a journey of nobody."""
    if journey.person_id is None:
        return None
    begun = recoveries.begin_wait(c, journey.person_id, journey.shown, wait=wait, now=now)
    hours = {"hours": str(wait // _HOUR)}
    audit.append(
        c, "person:recovery:wait", now=now, person=journey.person_id, channel=place.channel, source=place.source,
        detail=hours,
    )  # fmt: skip
    _tell(context, c, journey.person_id, "recovery_begun", now, cancel=begun.cancel_number, **hours)
    return begun


def cancel(context: RecoveryContext, c: Connection, person_id: str, place: Place, now: datetime) -> int:
    """Every recovery of the person, and every browser on the way to one, has ended; the phones are told.

    Returns how many waited. Nothing is recorded where there was none.
    """
    ended = recoveries.cancel_all(c, person_id, now=now)
    if ended:
        audit.append(c, "person:recovery:cancel", now=now, person=person_id, channel=place.channel, source=place.source)
        _tell(context, c, person_id, "recovery_cancelled", now)
    return ended


def reset(context: RecoveryContext, c: Connection, asked: Reset, place: Place, now: datetime) -> bool:
    """The person has the new password and no session is live. The journey was spent before, in this transaction.

    False, and no password, if the wait was cancelled, or spent, or the password changed in this moment. The factors
    that are said to be lost go only if somebody could object, or saw the person: after a wait, or with two clerks.
    """
    journey, person_id = asked.journey, asked.new.person_id
    is_paid = journey.recovery_id is None or recoveries.finish(c, journey.recovery_id, person_id, now=now)
    if not is_paid or not context.password_change.store(
        c, asked.new, channel=place.channel, source=place.source, now=now, event="person:password:reset"
    ):
        return False
    if asked.is_all_lost and journey.recovery_id is not None:
        _remove_factors(context, c, person_id, place, now)
    sessions.password_changed(c, person_id)
    sessions.end_all_of(c, person_id, now, REASON)
    recoveries.cancel_all(c, person_id, now=now)
    _tell(context, c, person_id, "password_changed", now)
    return True


def _remove_factors(context: RecoveryContext, c: Connection, person_id: str, place: Place, now: datetime) -> None:
    context.passkeys.remove_all(c, person_id, actor=None, now=now)
    removed = totp.remove_all(c, person_id)
    recovery_codes.forget(c, person_id)
    if removed:
        audit.append(
            c, "person:credential:remove", now=now, person=person_id, channel=place.channel, source=place.source,
            detail={"kind": "totp", "removed": removed},
        )  # fmt: skip


def _tell(
    context: RecoveryContext, c: Connection, person_id: str, template: str, now: datetime, **variables: str
) -> None:
    notices.to_all_phones(context, c, person_id, template, now=now, help_line=HELP_LINE, **variables)
