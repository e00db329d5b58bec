"""The recovery journey: a state machine whose steps leave proofs, so that no step can be skipped.

    WAY ──chose──▶ PHONE ──sent──▶ CODE ──proven──▶ MORE ──may_reset──▶ PASSWORD ──▶ DONE
     │ ◀──back── RECOVERY_CODE ─────────proven──────▶│ ◀──back── TOTP
     │ ◀──back── COUNTER ───────────────proven──────▶│ ──waits──▶ WAITING
                                                     └──chose──▶ PHONE, RECOVERY_CODE, TOTP

A value is immutable. Each method belongs to its stages and raises WrongStage at any other. The store
(`journey_store`) writes a new value only in place of the one that was read, so each value is left once. A journey of
nobody passes the same stages and never has a proof.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from accounts.errors import WrongStage
from accounts.people.recovery import PHONES, ProofKind

JOURNEY_FOR = timedelta(minutes=45)


class Stage(StrEnum):
    """The one question that is open. Its value names the page."""

    WAY = "way"
    PHONE = "phone"
    CODE = "code"
    TOTP = "totp"
    RECOVERY_CODE = "recovery-code"
    COUNTER = "counter"
    MORE = "more"  # something is proven; more of it saves the wait
    PASSWORD = "password"  # noqa: S105 - a page's name
    WAITING = "waiting"  # end: a wait has begun or goes on
    DONE = "done"  # end: the password is set


# From the first page, and after a first proof. A TOTP code has six digits, and its guesses are counted in the account:
# only who has proven something else may make them, so that no stranger uses them up.
FIRST_WAYS = (Stage.PHONE, Stage.RECOVERY_CODE, Stage.COUNTER)
FURTHER_WAYS = (Stage.PHONE, Stage.RECOVERY_CODE, Stage.TOTP)
_PROVES = {
    Stage.CODE: PHONES,
    Stage.TOTP: {ProofKind.TOTP},
    Stage.RECOVERY_CODE: {ProofKind.RECOVERY_CODE},
    Stage.COUNTER: {ProofKind.COUNTER},
}


@dataclass(frozen=True, slots=True)
class RecoveryJourney:
    """One journey at one stage. `person_id` is None for nobody; `subject` is what guesses are counted about.

    `recovery_id` is the wait or the counter's code that pays for the new password; None if the proofs do by themselves.
    """

    subject: str = field(repr=False)
    person_id: str | None
    stage: Stage = Stage.WAY
    proofs: tuple[ProofKind, ...] = ()
    recovery_id: str | None = None
    version: int = 0

    @property
    def shown(self) -> frozenset[ProofKind]:
        """What has been shown."""
        return frozenset(self.proofs)

    @property
    def ways(self) -> tuple[Stage, ...]:
        """What may be chosen now: before a proof the same for everybody, and after one what has not been shown yet."""
        if not self.proofs:
            return FIRST_WAYS
        had = {Stage.PHONE if each in PHONES else Stage(each.value.replace("_", "-")) for each in self.proofs}
        return tuple(way for way in FURTHER_WAYS if way not in had)

    def chose(self, way: Stage) -> RecoveryJourney:
        """The person will show this."""
        self._require(Stage.WAY, Stage.MORE)
        if way not in self.ways:
            raise WrongStage(detail="this is not offered here")
        return replace(self, stage=way)

    def back(self) -> RecoveryJourney:
        """The person chooses again."""
        self._require(Stage.PHONE, *_PROVES)
        return replace(self, stage=Stage.MORE if self.proofs else Stage.WAY)

    def sent(self) -> RecoveryJourney:
        """A code is on its way, or nobody can tell that it is not."""
        self._require(Stage.PHONE, Stage.CODE)
        return replace(self, stage=Stage.CODE)

    def proven(self, kind: ProofKind, recovery_id: str | None = None) -> RecoveryJourney:
        """The person has shown this. A counter's code brings its recovery."""
        if self.person_id is None or kind not in _PROVES.get(self.stage, ()):
            raise WrongStage(detail=f"the journey is at {self.stage}")
        if (kind is ProofKind.COUNTER) is (recovery_id is None):
            raise WrongStage(detail="only a code of the counter brings its recovery")
        return replace(self, stage=Stage.MORE, proofs=(*self.proofs, kind), recovery_id=recovery_id)

    def may_reset(self, recovery_id: str | None = None) -> RecoveryJourney:
        """The proofs are enough, or the wait that they began is over (`recovery_id`)."""
        self._require(Stage.MORE)
        return replace(self, stage=Stage.PASSWORD, recovery_id=recovery_id or self.recovery_id)

    def waits(self) -> RecoveryJourney:
        """The journey ends here. After the wait the person shows the same again."""
        self._require(Stage.MORE)
        return replace(self, stage=Stage.WAITING)

    def done(self) -> RecoveryJourney:
        """The password is set."""
        self._require(Stage.PASSWORD)
        return replace(self, stage=Stage.DONE)

    def _require(self, *stages: Stage) -> None:
        if self.stage not in stages:
            raise WrongStage(detail=f"the journey is at {self.stage}")
