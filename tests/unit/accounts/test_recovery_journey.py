"""What the proofs of a recovery allow, and that no step of its journey is reached from a stage not before it."""

from datetime import timedelta

import pytest

from accounts.errors import NotProven, WrongStage
from accounts.people.recovery import AccountStrength, ProofKind, Waits, waiting_time
from accounts.people.recovery.journey import FIRST_WAYS, RecoveryJourney, Stage

SMS, SHARED, TOTP, CODE, COUNTER = (
    ProofKind.SMS, ProofKind.SHARED_SMS, ProofKind.TOTP, ProofKind.RECOVERY_CODE, ProofKind.COUNTER,
)  # fmt: skip
WEAK, STRONGER = timedelta(hours=72), timedelta(hours=24)
RULES = (
    # proofs, level, second factor → the wait
    ({COUNTER}, 4, True, None),
    ({SMS, TOTP}, 4, True, None),
    ({SMS, CODE}, 3, True, None),
    ({TOTP, CODE}, 3, True, None),
    ({SMS}, 1, False, None),
    ({SMS}, 1, True, WEAK),
    ({SMS}, 2, False, WEAK),
    ({SHARED}, 1, False, WEAK),
    ({SMS, SHARED}, 3, True, WEAK),
    ({CODE}, 1, True, STRONGER),
    ({CODE}, 4, True, STRONGER),
)
STEPS = {
    "chose": (lambda j: j.chose(FIRST_WAYS[1] if not j.proofs else Stage.TOTP), {Stage.WAY, Stage.MORE}),
    "back": (
        RecoveryJourney.back, {Stage.PHONE, Stage.CODE, Stage.TOTP, Stage.RECOVERY_CODE, Stage.COUNTER},
    ),
    "sent": (RecoveryJourney.sent, {Stage.PHONE, Stage.CODE}),
    "sms": (lambda j: j.proven(SMS), {Stage.CODE}),
    "totp": (lambda j: j.proven(TOTP), {Stage.TOTP}),
    "recovery code": (lambda j: j.proven(CODE), {Stage.RECOVERY_CODE}),
    "counter": (lambda j: j.proven(COUNTER, "r"), {Stage.COUNTER}),
    "may reset": (RecoveryJourney.may_reset, {Stage.MORE}),
    "waits": (RecoveryJourney.waits, {Stage.MORE}),
    "done": (RecoveryJourney.done, {Stage.PASSWORD}),
}  # fmt: skip


@pytest.mark.parametrize(("proofs", "level", "has_second_factor", "wait"), RULES)
def test_what_was_shown_decides_how_long_to_wait(proofs, level, has_second_factor, wait):
    """Two different things or the counter are enough at once; one thing waits, and a phone alone the longest."""
    assert waiting_time(frozenset(proofs), AccountStrength(level, has_second_factor), Waits()) == wait


def test_nothing_shown_is_never_enough():
    """Without a proof there is not even a wait."""
    with pytest.raises(NotProven):
        waiting_time(frozenset(), AccountStrength(0, has_second_factor=False), Waits())


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_possible_where_the_diagram_has_it(step, stage):
    """Every step at every stage: WrongStage everywhere else."""
    act, allowed = STEPS[step]
    proofs = (SMS,) if stage in (Stage.MORE, Stage.PASSWORD) else ()
    journey = RecoveryJourney("s", "p", stage, proofs)
    if stage in allowed:
        assert act(journey).stage is not None
    else:
        with pytest.raises(WrongStage):
            act(journey)


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("kind", list(ProofKind))
def test_nobody_proves_nothing(stage, kind):
    """A journey of nobody has no proof at any stage."""
    with pytest.raises(WrongStage):
        RecoveryJourney("s", None, stage).proven(kind, "r" if kind is COUNTER else None)


def test_an_app_is_never_the_first_proof():
    """Guesses at an app are counted in the account, so only who has shown something may make them."""
    with pytest.raises(WrongStage):
        RecoveryJourney("s", "p").chose(Stage.TOTP)
