"""The registration journey: a state machine whose steps leave typed proofs, so that no step can be skipped.

    PERSON ──named──▶ PROOF ──begun──▶ CHECK ──verified──▶ PHONE ──sent──▶ CODE ──phone_proven──▶ PASSWORD ──▶ DONE
       │                │ ◀──refused──── │                   │ ◀─other_phone─┘                       ▲   └──▶ KNOWN
       │                └──by_phone──────────────────────────┤                                      │
       └──named (no registry knows the document)─────────────┴──without_phone (already proven)──────┘

A value is immutable. Each method belongs to its stages and raises WrongStage at any other. The store
(`journey_store`) writes a new value only in place of the one that was read, so each value is left once. What opens an
account is a ProvenPerson, and only PASSWORD gives one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from accounts.errors import WrongStage
from accounts.evidence import EvidenceKind
from accounts.identifiers import Identifier, IdentifierKind, Mobile, parse
from accounts.people import NewPerson
from accounts.registration import Proof

JOURNEY_FOR = timedelta(minutes=45)
CODE_FOR = timedelta(minutes=5)
SEND_AGAIN_AFTER = timedelta(seconds=60)
MOST_TRIES = 5  # of one code
DOCUMENTS = (  # that a person may register with, in the order shown
    IdentifierKind.CITIZEN_ID,
    IdentifierKind.HKMO_RESIDENCE_PERMIT,
    IdentifierKind.TW_RESIDENCE_PERMIT,
    IdentifierKind.HKMO_TRAVEL_PERMIT,
    IdentifierKind.TW_TRAVEL_PERMIT,
    IdentifierKind.FOREIGNER_CARD,
    IdentifierKind.PASSPORT,
)
_IS_THE_PERSON = frozenset({EvidenceKind.FACE_MATCH, EvidenceKind.NETWORK_IDENTITY})
_OWN_PHONE = frozenset({EvidenceKind.THREE_ELEMENTS, EvidenceKind.PHONE})


class Stage(StrEnum):
    """The one question that is open. Its value names the page."""

    PERSON = "person"
    PROOF = "proof"
    CHECK = "check"
    PHONE = "phone"
    CODE = "code"
    PASSWORD = "password"  # noqa: S105 - a page's name
    KNOWN = "known"  # end: the person, who has proven themselves, has an account
    DONE = "done"  # end: what the journey was for has happened


@dataclass(frozen=True, slots=True)
class Verification:
    """A check elsewhere that was begun: where, and under which reference."""

    upstream: str
    reference: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PhoneCode:
    """A code that was sent, and how often it was guessed."""

    digits: str = field(repr=False)
    sent_at: datetime
    tries: int = 0

    def matches(self, typed: str, now: datetime) -> bool:
        """True for the right digits in time."""
        return now < self.sent_at + CODE_FOR and secrets.compare_digest(self.digits.encode(), typed.encode())


@dataclass(frozen=True, slots=True)
class ProvenPerson:
    """A person who may have an account: what is stored of them, and the proofs that pay for it."""

    person: NewPerson
    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class Journey:
    """One journey at one stage. `number` is None for a document that no registry here can confirm."""

    document: IdentifierKind
    stage: Stage = Stage.PERSON
    request_id: str | None = None
    version: int = 0
    name: str = field(default="", repr=False)
    number: str | None = field(default=None, repr=False)
    proofs: tuple[Proof, ...] = ()
    verification: Verification | None = None
    phone: str | None = field(default=None, repr=False)
    code: PhoneCode | None = None

    @property
    def identifier(self) -> Identifier:
        """The document's number. Raises WrongStage if there is none."""
        if self.number is None:
            raise WrongStage(detail="the journey has no number")
        return parse(self.document, self.number)

    @property
    def is_proven(self) -> bool:
        """True if the proofs show who the visitor is; without a number, that they hold the phone."""
        kinds = {proof.kind for proof in self.proofs}
        if self.number is None:
            return EvidenceKind.PHONE in kinds
        return bool(kinds & _IS_THE_PERSON) or kinds >= _OWN_PHONE

    def named(self, name: str, identifier: Identifier | None, proof: Proof | None) -> Journey:
        """The registry confirmed the number and the name, or the document is one that it does not know."""
        self._require(Stage.PERSON)
        if (identifier is None) is not (proof is None):
            raise WrongStage(detail="a number comes with its proof")
        if identifier is None or proof is None:
            return replace(self, stage=Stage.PHONE, name=name)
        return replace(self, stage=Stage.PROOF, name=name, number=identifier.canonical, proofs=(proof,))

    def begun(self, verification: Verification) -> Journey:
        """The person was sent to a check elsewhere."""
        self._require(Stage.PROOF)
        return replace(self, stage=Stage.CHECK, verification=verification)

    def verified(self, proof: Proof) -> Journey:
        """The check elsewhere succeeded."""
        self._require(Stage.CHECK)
        return replace(self, stage=Stage.PHONE, proofs=(*self.proofs, proof), verification=None)

    def refused(self) -> Journey:
        """The check elsewhere failed, or the person chooses another way."""
        self._require(Stage.CHECK)
        return replace(self, stage=Stage.PROOF, verification=None)

    def by_phone(self) -> Journey:
        """The person will prove themselves by their own phone."""
        self._require(Stage.PROOF)
        return replace(self, stage=Stage.PHONE)

    def other_way(self) -> Journey:
        """The person will not prove themselves by a phone after all."""
        self._require(Stage.PHONE)
        if self.number is None or self.is_proven:
            raise WrongStage(detail="there is no other way")
        return replace(self, stage=Stage.PROOF)

    def sent(self, phone: Mobile, now: datetime) -> Journey:
        """A new code of six digits is on its way to the phone. An earlier code no longer works."""
        self._require(Stage.PHONE, Stage.CODE)
        code = PhoneCode(f"{secrets.randbelow(10**6):06}", now)
        return replace(self, stage=Stage.CODE, phone=phone.canonical, code=code)

    def guessed(self, typed: str, now: datetime) -> Journey | None:
        """None if the code is right. Otherwise one guess more; after MOST_TRIES a new code is needed."""
        self._require(Stage.CODE)
        if self.code is None:
            raise WrongStage(detail="no code was sent")
        if self.code.matches(typed, now):
            return None
        if self.code.tries + 1 >= MOST_TRIES:
            return self.other_phone()
        return replace(self, code=replace(self.code, tries=self.code.tries + 1))

    def other_phone(self) -> Journey:
        """The person will give another phone, or ask for a new code."""
        self._require(Stage.CODE)
        return replace(self, stage=Stage.PHONE, phone=None, code=None)

    def phone_proven(self, *proofs: Proof) -> Journey:
        """The person holds the phone, and whatever else the proofs say."""
        self._require(Stage.CODE)
        made = replace(self, stage=Stage.PASSWORD, proofs=(*self.proofs, *proofs), code=None)
        if EvidenceKind.PHONE not in {proof.kind for proof in proofs} or not made.is_proven:
            raise WrongStage(detail="these proofs are not enough")
        return made

    def without_phone(self) -> Journey:
        """The person gives no phone."""
        self._require(Stage.PHONE)
        if not self.is_proven:
            raise WrongStage(detail="nothing shows who the visitor is")
        return replace(self, stage=Stage.PASSWORD, phone=None)

    def ready(self) -> ProvenPerson:
        """What may be opened now. Raises WrongStage at any stage but PASSWORD."""
        self._require(Stage.PASSWORD)
        if not self.is_proven:
            raise WrongStage(detail="nothing shows who the visitor is")
        identifiers = () if self.number is None else (self.identifier,)
        phones = () if self.phone is None else (Mobile.parse(self.phone),)
        described = identifiers[0] if identifiers else None
        person = NewPerson(
            self.name,
            identifiers,
            phones,
            birth_date=getattr(described, "birth_date", None),
            sex=getattr(described, "sex", None),
        )
        return ProvenPerson(person, self.proofs)

    def ended(self, stage: Stage) -> Journey:
        """The journey is over, and keeps nothing about the person."""
        return Journey(self.document, stage, self.request_id, self.version)

    def _require(self, *stages: Stage) -> None:
        if self.stage not in stages:
            raise WrongStage(detail=f"the journey is at {self.stage}")
