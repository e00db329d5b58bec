"""The registration journey as a value: each step belongs to its stage, and only proofs open an account."""

from datetime import UTC, datetime, timedelta

import pytest

from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind, Mobile
from accounts.registration.ages import age, is_supervised
from accounts.registration.journey import CODE_FOR, MOST_TRIES, Journey, Stage, Verification, WrongStage
from accounts.registration.proofing import proof
from tests.contracts.test_registration import NUMBER, named, phone_only, proven
from tests.fixtures.registrations import XIAOYU

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PHONE = Mobile.parse("+8613900000041")
FACE = proof(EvidenceKind.FACE_MATCH, "upstream:face_match", NOW)
HELD = proof(EvidenceKind.PHONE, "sms", NOW)
OWN = proof(EvidenceKind.THREE_ELEMENTS, "registry:sandbox", NOW)
CHECK = Verification("face_match", "reference")
START = Journey(IdentifierKind.CITIZEN_ID)
AT = {
    Stage.PERSON: START,
    Stage.PROOF: named(NOW),
    Stage.CHECK: named(NOW).begun(CHECK),
    Stage.PHONE: named(NOW).by_phone(),
    Stage.CODE: named(NOW).by_phone().sent(PHONE, NOW),
    Stage.PASSWORD: proven(NOW),
    Stage.KNOWN: START.ended(Stage.KNOWN),
    Stage.DONE: START.ended(Stage.DONE),
}
STEPS = {
    "named": (lambda j: j.named("张三丰", None, None), {Stage.PERSON}),
    "begun": (lambda j: j.begun(CHECK), {Stage.PROOF}),
    "by_phone": (lambda j: j.by_phone(), {Stage.PROOF}),
    "verified": (lambda j: j.verified(FACE), {Stage.CHECK}),
    "refused": (lambda j: j.refused(), {Stage.CHECK}),
    "other_way": (lambda j: j.other_way(), {Stage.PHONE}),
    "sent": (lambda j: j.sent(PHONE, NOW), {Stage.PHONE, Stage.CODE}),
    "without_phone": (lambda j: j.without_phone(), set()),  # nothing proven yet
    "guessed": (lambda j: j.guessed("", NOW), {Stage.CODE}),
    "other_phone": (lambda j: j.other_phone(), {Stage.CODE}),
    "phone_proven": (lambda j: j.phone_proven(HELD, OWN), {Stage.CODE}),
    "ready": (lambda j: j.ready(), {Stage.PASSWORD}),
}


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("name", STEPS)
def test_each_step_belongs_to_its_stages(stage, name):
    """Every step at every stage: it is possible where the diagram has it, and WrongStage everywhere else."""
    step, stages = STEPS[name]
    if stage in stages:
        assert step(AT[stage]) is not None
        return
    with pytest.raises(WrongStage):
        step(AT[stage])


@pytest.mark.parametrize("proofs", [(), (HELD,), (OWN,), (FACE,)])
def test_the_phone_alone_proves_no_holder_of_a_number(proofs):
    """With a number, a held phone is enough only together with the registry's word that it is the person's own."""
    with pytest.raises(WrongStage):
        AT[Stage.CODE].phone_proven(*proofs)


def test_a_number_comes_with_its_proof():
    """A number without the registry's confirmation, or a proof without a number, names nobody."""
    for number, agreed in ((NUMBER, None), (None, FACE)):
        with pytest.raises(WrongStage):
            START.named("张三丰", number, agreed)


def test_what_is_opened_is_what_was_proven():
    """The person has the registry's name and number, the birth date of the number, and every proof."""
    ready = proven(NOW).ready()
    assert (ready.person.name, ready.person.identifiers) == (XIAOYU.name, (NUMBER,))
    assert (ready.person.birth_date, ready.person.sex) == (NUMBER.birth_date, NUMBER.sex)
    assert [each.kind for each in ready.proofs] == [EvidenceKind.TWO_ELEMENTS, EvidenceKind.FACE_MATCH]
    alone = phone_only(NOW).ready()
    assert (alone.person.identifiers, len(alone.person.phones)) == ((), 1)


def test_a_code_has_a_time_and_a_number_of_guesses():
    """The digits are right until five minutes have passed, and after five wrong guesses they are worth nothing."""
    journey = AT[Stage.CODE]
    digits = journey.code.digits
    wrong = f"{(int(digits) + 1) % 10**6:06}"
    assert journey.guessed(digits, NOW + CODE_FOR - timedelta(seconds=1)) is None
    assert journey.guessed(digits, NOW + CODE_FOR).code.tries == 1
    for tries in range(1, MOST_TRIES):
        journey = journey.guessed(wrong, NOW)
        assert (journey.stage, journey.code.tries) == (Stage.CODE, tries)
    journey = journey.guessed(wrong, NOW)
    assert (journey.stage, journey.code, journey.phone) == (Stage.PHONE, None, None)


@pytest.mark.parametrize("typed", ["", "１２３４５６", "000000 ", "abcdef", "0" * 200])
def test_odd_digits_are_wrong_and_not_an_error(typed):
    """Whatever is typed is compared, and nothing fails."""
    code = AT[Stage.CODE].code
    assert not code.matches(typed, NOW) or typed == code.digits


def test_nothing_personal_is_printed():
    """A journey in a log or a traceback shows no name, number, phone, code or reference."""
    shown = repr((AT[Stage.CODE], AT[Stage.CHECK], proven(NOW)))
    secret = (XIAOYU.name, XIAOYU.number, PHONE.canonical, AT[Stage.CODE].code.digits, "reference")
    assert [text for text in secret if text in shown] == []


def test_an_age_changes_at_midnight_in_china():
    """The fourteenth and eighteenth birthdays begin at 16:00 UTC of the day before; 29 February counts on 1 March."""
    born = datetime(2012, 3, 3, tzinfo=UTC).date()
    assert age(born, datetime(2026, 3, 2, 15, 59, tzinfo=UTC)) == 13
    assert age(born, datetime(2026, 3, 2, 16, 0, tzinfo=UTC)) == 14
    assert is_supervised(born, datetime(2026, 3, 2, 16, 0, tzinfo=UTC))
    assert not is_supervised(born, datetime(2030, 3, 2, 16, 0, tzinfo=UTC))
    assert not is_supervised(None, NOW)
    leap = datetime(2012, 2, 29, tzinfo=UTC).date()
    assert [age(leap, datetime(2026, 2, 28, hour, tzinfo=UTC)) for hour in (15, 16)] == [13, 14]
