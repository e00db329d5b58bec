"""Opening an account, after proofing has shown who the person is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from accounts import audit, evidence, phones
from accounts.credentials import password as passwords
from accounts.credentials.password import PasswordHasher
from accounts.credentials.password_rules.policy import PasswordPolicy, PersonContext
from accounts.database import Connection, Database
from accounts.errors import NotProven
from accounts.evidence import EvidenceKind
from accounts.identifiers import Mobile
from accounts.identifiers.names import person_name
from accounts.people import NaturalPerson, NewPerson, People
from accounts.registration.ages import is_supervised


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of proofing: which check succeeded, who made it, and until when it is valid."""

    kind: EvidenceKind
    source: str
    expires_at: datetime | None = None


class Registration:
    """Opens accounts. Immutable: one for the process."""

    def __init__(self, people: People, hasher: PasswordHasher, policy: PasswordPolicy) -> None:
        self._people = people
        self._hasher = hasher
        self._policy = policy

    def open_account(
        self,
        database: Database,
        new: NewPerson,
        password: str,
        *,
        proofs: tuple[Proof, ...],
        channel: str,
        now: datetime,
        actor: str | None = None,
        spend: Callable[[Connection], bool] | None = None,
        moved: Callable[[Connection, str, Mobile], object] | None = None,
    ) -> NaturalPerson:
        """The person exists with this password and these checks, or nothing has changed.

        `spend` uses up what pays for the account, in the same transaction. If it returns False, NotProven is raised.

        A proof by phone is about the first phone, which it verifies. If the operator has the phone under this person's
        own name (three elements), it ends for everybody who verified it before: their SIM card is this person's now, so
        it must open nothing of theirs. `moved` is called for each of them, in the transaction.
        `actor` is who opened the account, if it was not the person.

        Raises InvalidName, CredentialRefused, Busy, PhoneHeldByMany, and Conflict when somebody holds one of the
        identifiers. Tell the person to log in, but only at the end of proofing: before, the answer would tell strangers
        who is registered.
        """
        new = replace(new, name=person_name(new.name))
        self._policy.check(password, context=PersonContext.of(new))
        encoded = self._hasher.hash(password)
        former: tuple[str, ...] = ()
        with database.transaction() as c:
            if spend is not None and not spend(c):
                raise NotProven
            person = self._people.register(c, new, now=now)
            is_own = EvidenceKind.THREE_ELEMENTS in {proof.kind for proof in proofs}
            for proof in proofs:
                former += self._record(c, person.id, proof, new, is_own=is_own, now=now, actor=actor)
            passwords.store(c, self._people.vault, person.id, encoded, now=now)
            detail = {"supervised": True} if is_supervised(new.birth_date, now) else {}
            audit.append(
                c, "person:account:open", now=now, actor=actor, person=person.id, channel=channel, detail=detail
            )
            if moved is not None:
                for each in former:
                    moved(c, each, new.phones[0])
        return person

    def _record(
        self,
        c: Connection,
        person_id: str,
        proof: Proof,
        new: NewPerson,
        *,
        is_own: bool,
        now: datetime,
        actor: str | None,
    ) -> tuple[str, ...]:
        """Store the proof. Returns whose phone it no longer is."""
        if proof.kind is not EvidenceKind.PHONE or not new.phones:
            evidence.record(c, person_id, proof.kind, source=proof.source, at=now, expires_at=proof.expires_at)
            return ()
        phone, people = new.phones[0], self._people
        former = phones.end_for_others(c, people, person_id, phone, now=now) if is_own else ()
        phones.verify(c, people, person_id, phone, source=proof.source, now=now, actor=actor)
        return former
