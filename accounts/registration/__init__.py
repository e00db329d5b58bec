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
    ) -> NaturalPerson:
        """The person exists with this password and these checks, or nothing has changed.

        `spend` uses up what pays for the account, in the same transaction. If it returns False, NotProven is raised.

        A proof by phone is about the first phone, which it verifies. `actor` is who opened the account, if it was not
        the person.

        Raises InvalidName, CredentialRefused, Busy, PhoneHeldByMany, and Conflict when somebody holds one of the
        identifiers. Tell the person to log in, but only at the end of proofing: before, the answer would tell strangers
        who is registered.
        """
        new = replace(new, name=person_name(new.name))
        self._policy.check(password, context=PersonContext.of(new))
        encoded = self._hasher.hash(password)
        with database.transaction() as c:
            if spend is not None and not spend(c):
                raise NotProven
            person = self._people.register(c, new, now=now)
            for proof in proofs:
                self._record(c, person.id, proof, new, now=now, actor=actor)
            passwords.store(c, self._people.vault, person.id, encoded, now=now)
            detail = {"supervised": True} if is_supervised(new.birth_date, now) else {}
            audit.append(
                c, "person:account:open", now=now, actor=actor, person=person.id, channel=channel, detail=detail
            )
        return person

    def _record(
        self, c: Connection, person_id: str, proof: Proof, new: NewPerson, *, now: datetime, actor: str | None
    ) -> None:
        if proof.kind is EvidenceKind.PHONE and new.phones:
            phones.verify(c, self._people, person_id, new.phones[0], source=proof.source, now=now, actor=actor)
        else:
            evidence.record(c, person_id, proof.kind, source=proof.source, at=now, expires_at=proof.expires_at)
