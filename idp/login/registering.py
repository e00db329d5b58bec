"""What each answer of a registration leads to: the registry, the check elsewhere and the phone are asked here.

An answer writes nothing but the count of calls, so that it needs no transaction and may take long. The page stores the
journey that follows, if it is still the first answer to this stage.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from accounts import phones
from accounts.database import Connection
from accounts.errors import InvalidIdentifier, InvalidName, NotProven, RegistryUnavailable, WrongStage
from accounts.evidence import EvidenceKind
from accounts.identifiers import Identifier, Mobile, parse
from accounts.identifiers.names import person_name
from accounts.people import MOST_HOLDERS
from accounts.registration.ages import GUARDED_UNTIL, age
from accounts.registration.journey import SEND_AGAIN_AFTER, Journey, Stage, Verification
from accounts.registration.proofing import proof
from idp.login.context import LoginContext

_LONGEST = 256
CHECK_AT = "/sign-up/check"  # where the browser comes back from a check elsewhere


@dataclass(frozen=True, slots=True)
class Turn:
    """What an answer leads to. Without `following` the same page is shown again, with the texts of `codes`.

    `code_to`: the new journey's code must be sent there. `address`: the browser goes there instead of to the next page.
    `end`: a page that is the same for everybody.
    """

    following: Journey | None = None
    codes: tuple[str, ...] = ()
    code_to: Mobile | None = None
    address: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A form that was sent at the stage that is due."""

    services: LoginContext
    c: Connection
    journey: Journey
    form: Mapping[str, str]
    source: str
    now: datetime

    def field(self, name: str) -> str:
        """What was typed, shortened. Empty if nothing was."""
        return self.form.get(name, "")[:_LONGEST].strip()

    @property
    def given(self) -> str:
        """The button that was pressed."""
        return self.field("answer")


def turn(answer: Answer) -> Turn:
    """What the answer leads to. Raises Throttled; a stage without answers and anything unknown shows the page again."""
    try:
        return _ANSWERS[answer.journey.stage](answer)
    except RegistryUnavailable:
        return _say("registry_unavailable")
    except (WrongStage, KeyError):
        return _say("no_choice")


def _say(*codes: str) -> Turn:
    return Turn(codes=codes)


def _person(answer: Answer) -> Turn:
    """The registry confirmed number and name. Every failure of that is one answer, also for a person who has died."""
    kind = answer.journey.document
    try:
        name = person_name(answer.field("name"))
        known = answer.services.proofing.confirms(kind)
        identifier = parse(kind, answer.field("number")) if known else None
    except (InvalidName, InvalidIdentifier) as refused:
        return _say(refused.code)
    return _too_young(answer, identifier) or _named(answer, name, identifier)


def _too_young(answer: Answer, identifier: Identifier | None) -> Turn | None:
    """The way to the guardian's page for somebody under 14. None for everybody else."""
    born = getattr(identifier, "birth_date", None)
    if born is not None:
        return Turn(end="guardian") if age(born, answer.now) < GUARDED_UNTIL else None
    said = answer.field("of_age")
    if said == "yes":
        return None
    return Turn(end="guardian") if said == "no" else _say("no_age")


def _named(answer: Answer, name: str, identifier: Identifier | None) -> Turn:
    if identifier is None:
        return Turn(answer.journey.named(name, None, None))
    try:
        agreed = answer.services.proofing.agree(answer.c, identifier, name, source=answer.source, now=answer.now)
    except NotProven:
        return _say("not_confirmed")
    return Turn(answer.journey.named(name, identifier, agreed))


def _proof(answer: Answer) -> Turn:
    proofing, journey, chosen = answer.services.proofing, answer.journey, answer.given
    if chosen == "phone":
        return Turn(journey.by_phone())
    if chosen not in proofing.upstreams:
        return _say("no_choice")
    reference = secrets.token_urlsafe(32)
    address = proofing.begin(
        answer.c,
        chosen,
        journey.identifier,
        journey.name,
        reference=reference,
        return_to=CHECK_AT,
        source=answer.source,
        now=answer.now,
    )
    return Turn(journey.begun(Verification(chosen, reference)), address=address)


def _check(answer: Answer) -> Turn:
    journey, begun = answer.journey, answer.journey.verification
    if answer.given == "other":
        return Turn(journey.refused())
    if answer.given != "done" or begun is None:
        return _say("no_choice")
    try:
        proven = answer.services.proofing.outcome(
            answer.c,
            begun.upstream,
            journey.identifier,
            journey.name,
            reference=begun.reference,
            source=answer.source,
            now=answer.now,
        )
    except NotProven:
        return Turn(journey.refused(), ("not_proven",))
    return _say("unfinished") if proven is None else Turn(journey.verified(proven))


def _phone(answer: Answer) -> Turn:
    if answer.given == "skip":
        return Turn(answer.journey.without_phone())
    if answer.given == "other":
        return Turn(answer.journey.other_way())
    try:
        phone = Mobile.parse(answer.field("phone"))
    except InvalidIdentifier as refused:
        return _say(refused.code if refused.code.startswith("mobile_") else "mobile_shape")
    return _send(answer, phone)


def _send(answer: Answer, phone: Mobile) -> Turn:
    """The message is counted even if it is not sent in the end."""
    answer.services.proofing.count_message(answer.c, phone, source=answer.source, now=answer.now)
    return Turn(answer.journey.sent(phone, answer.now), code_to=phone)


def _code(answer: Answer) -> Turn:
    journey = answer.journey
    if answer.given == "other" or journey.code is None or journey.phone is None:
        return Turn(journey.other_phone())
    phone = Mobile.parse(journey.phone)
    if answer.given == "again":
        too_soon = answer.now < journey.code.sent_at + SEND_AGAIN_AFTER
        return _say("wait") if too_soon else _send(answer, phone)
    wrong = journey.guessed(answer.field("code").replace(" ", ""), answer.now)
    return _phone_held(answer, phone) if wrong is None else Turn(wrong, ("wrong_code",))


def _phone_held(answer: Answer, phone: Mobile) -> Turn:
    """The person holds the phone. Only now may they learn what is known about it."""
    services, journey = answer.services, answer.journey
    held = proof(EvidenceKind.PHONE, "sms", answer.now)
    if journey.number is None and services.people.find_by_phone(answer.c, phone):
        return Turn(journey.ended(Stage.KNOWN))
    if len(phones.others(answer.c, services.people, "", phone)) >= MOST_HOLDERS:
        return Turn(journey.other_phone(), ("phone_held_by_many",))
    if journey.is_proven or journey.number is None:
        return Turn(journey.phone_proven(held))
    try:
        own = services.proofing.agree(
            answer.c, journey.identifier, journey.name, source=answer.source, now=answer.now, phone=phone
        )
    except NotProven:
        return Turn(journey.other_phone(), ("phone_not_own",))
    return Turn(journey.phone_proven(held, own))


_ANSWERS: Mapping[Stage, Callable[[Answer], Turn]] = {
    Stage.PERSON: _person,
    Stage.PROOF: _proof,
    Stage.CHECK: _check,
    Stage.PHONE: _phone,
    Stage.CODE: _code,
}
