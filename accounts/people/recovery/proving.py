"""Who a recovery is about, and what its proofs allow. Looking for nobody costs as much as finding somebody.

The number and the name say whom the visitor means and prove nothing. Every page until the first proof is the same for
everybody: a wrong name, a number that nobody has and an account that lacks what was chosen are all "wrong code".
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts import audit, evidence, phones
from accounts.audit import failed_logins
from accounts.authentication import proven_here
from accounts.credentials import recovery_codes, totp
from accounts.credentials.candidate import BY_IDENTIFIER, candidate_of
from accounts.credentials.network_address import networks
from accounts.credentials.passkeys import is_held as has_passkey
from accounts.credentials.throttle import Throttle
from accounts.database import Connection
from accounts.identifiers import Identifier, Mobile
from accounts.identifiers.names import masked_name
from accounts.people import ATTRIBUTES, People
from accounts.people.recovery import AccountStrength, ProofKind, Waits, recoveries, waiting_time
from accounts.people.recovery.journey import RecoveryJourney
from accounts.people.recovery.recoveries import WAIT, Recovery

_NOBODY = "nobody"  # no person has this key
_STAND_IN_NAME = '{"name": "***"}'
_EVENT = "person:recovery:proof"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a form came from: the channel and the network address."""

    channel: str
    source: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the proofs of a journey allow: a password now, or one at `opens_at` of a wait, or a new wait."""

    at_once: bool = False
    waits: Recovery | None = None  # a wait that these proofs began: it goes on, or is over
    is_over: bool = False  # that wait is over, and pays for a password


class RecoveryProofs:
    """Identifies, checks and judges. Immutable: one for the process."""

    def __init__(self, people: People, throttle: Throttle, waits: Waits) -> None:
        self._people = people
        self._vault = people.vault
        self._throttle = throttle
        self.waits = waits
        self._nobodys_name = people.vault.seal(_STAND_IN_NAME, place=ATTRIBUTES)
        self._nobodys_code = people.vault.seal(secrets.token_hex(32), place=recovery_codes.PLACE)

    def begin(self, c: Connection, number: Identifier, name: str, place: Place, now: datetime) -> RecoveryJourney:
        """The journey of the person with this number and name, or of nobody. Three statements.

        Raises Throttled: the guess at the name counts. Call it outside a transaction.
        """
        subject = self._subject(number, place)
        self._count(c, subject, place, now)
        terms = self._people.terms(number)
        candidate = candidate_of(c.one(BY_IDENTIFIER, identifier_kind=number.kind.value, **terms))
        person = self._people.by_id(c, candidate.person_id or _NOBODY)
        theirs = self._people.attributes(person.attributes if person else self._nobodys_name).name
        is_same = secrets.compare_digest(theirs.encode(), name.encode("utf-8", "replace"))
        return RecoveryJourney(subject, candidate.person_id if is_same and candidate.may_log_in else None)

    def count_guess(self, c: Connection, journey: RecoveryJourney, place: Place, now: datetime) -> None:
        """A guess at a typed code counts. Raises Throttled. One statement; call it outside a transaction."""
        self._count(c, journey.subject, place, now)

    def name_of(self, c: Connection, journey: RecoveryJourney) -> str:
        """The person's name, masked, for a message. One statement."""
        person = self._people.by_id(c, journey.person_id or _NOBODY)
        return masked_name(self._people.attributes(person.attributes if person else self._nobodys_name).name)

    def phone_of(self, c: Connection, journey: RecoveryJourney, phone: Mobile) -> str | None:
        """The person, if they verified this phone; else None. One statement."""
        held = phones.is_held(c, self._people, journey.person_id or _NOBODY, phone)
        return journey.person_id if held else None

    def phone_shown(self, c: Connection, person_id: str, phone: Mobile, place: Place, now: datetime) -> ProofKind:
        """What a right code to this phone shows, on record: less if others verified it, too. Two statements."""
        kind = ProofKind.SHARED_SMS if phones.others(c, self._people, person_id, phone) else ProofKind.SMS
        audit.record(c, self._record(person_id, kind, place, now))
        return kind

    def spend_recovery_code(
        self, c: Connection, journey: RecoveryJourney, typed: str, place: Place, now: datetime
    ) -> bool:
        """True if it is an unused code of the person, which is used now. As many seals are opened for nobody."""
        person, kind = journey.person_id or _NOBODY, ProofKind.RECOVERY_CODE
        held = recovery_codes.of(c, person)
        for _ in range(recovery_codes.COUNT - (held.left if held else 0)):
            self._vault.open(self._nobodys_code, place=recovery_codes.PLACE)
        record = self._record(person, kind, place, now)
        if recovery_codes.spend(c, self._vault, person, typed, now=now, record=record):
            return True
        self.failure(c, journey, kind, place, now)
        return False

    def spend_totp(self, c: Connection, journey: RecoveryJourney, typed: str, place: Place, now: datetime) -> bool:
        """True if an authenticator of the person shows this code now. Raises Throttled."""
        person, kind = journey.person_id or _NOBODY, ProofKind.TOTP
        record = self._record(person, kind, place, now)
        if totp.spend(c, self._vault, person, typed, now=now, record=record):
            return True
        self.failure(c, journey, kind, place, now)
        return False

    def spend_counter_code(
        self, c: Connection, journey: RecoveryJourney, typed: str, place: Place, now: datetime
    ) -> str | None:
        """The recovery of this code of two clerks, which is used now. None for anything else. Two statements."""
        found = recoveries.use_code(c, self._vault, journey.person_id or _NOBODY, typed, now=now)
        if found is None:
            self.failure(c, journey, ProofKind.COUNTER, place, now)
        else:
            audit.record(c, self._record(journey.person_id or _NOBODY, ProofKind.COUNTER, place, now))
        return found

    def failure(self, c: Connection, journey: RecoveryJourney, kind: ProofKind, place: Place, now: datetime) -> None:
        """Record a wrong code. One statement, also about nobody; that record is not kept."""
        if journey.person_id is None:
            failed_logins.record(c, channel=place.channel, source=place.source, now=now)
            return
        audit.record(c, self._record(journey.person_id, kind, place, now) | {"outcome": "failure"})

    def allowed(self, c: Connection, journey: RecoveryJourney, now: datetime) -> Allowed:
        """What the person may do after these proofs. Raises NotProven for a journey without one."""
        if self.wait_for(c, journey, now) is None:
            return Allowed(at_once=True)
        begun = [
            each
            for each in recoveries.open_of(c, journey.person_id or _NOBODY, now)
            if each.kind == WAIT and each.proofs <= journey.shown
        ]
        if not begun:
            return Allowed()
        return Allowed(waits=begun[0], is_over=begun[0].opens_at <= now)

    def wait_for(self, c: Connection, journey: RecoveryJourney, now: datetime) -> timedelta | None:
        """How long a new wait would be; None if none is needed. Raises NotProven."""
        return waiting_time(journey.shown, self._strength(c, journey.person_id or _NOBODY, now), self.waits)

    def keeps_origin(self, c: Connection, journey: RecoveryJourney, now: datetime) -> bool:
        """Whether an older system's password stays one: nobody but that system has vouched for this account so far."""
        return ProofKind.COUNTER not in journey.shown and not proven_here(c, journey.person_id or _NOBODY, now)

    def _record(self, person_id: str, kind: ProofKind, place: Place, now: datetime) -> dict[str, Any]:
        detail = {"proof": kind.value}
        return audit.row(_EVENT, now=now, person=person_id, channel=place.channel, source=place.source, detail=detail)

    def _strength(self, c: Connection, person_id: str, now: datetime) -> AccountStrength:
        codes = recovery_codes.of(c, person_id)
        has_more = bool(totp.of(c, person_id)) or has_passkey(c, person_id) or bool(codes and codes.left)
        return AccountStrength(evidence.identity_assurance(evidence.of(c, person_id), now), has_more)

    def _subject(self, number: Identifier, place: Place) -> str:
        """What guesses are counted about: this number, from this network.

        Nobody else's guesses count there, so nobody can keep a person from recovering. The bound of a number over all
        networks is not needed: a code to a phone has its own guesses and limits, an authenticator counts its own, and
        the other codes have 60 bits or more.
        """
        _, site = networks(place.source)
        return self._vault.pepper(f"{number.canonical}@{site}".encode(), purpose="recovery").hex()

    def _count(self, c: Connection, subject: str, place: Place, now: datetime) -> None:
        self._throttle.check(c, person=subject, source=place.source, now=now)
