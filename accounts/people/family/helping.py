"""Helpers: one of two persons asks, the other accepts, either ends it. Under 14 the guardian acts alone.

Nothing is edited: other matters or a longer period are a new relation, which replaces the old one when it is accepted.
For a minor only a guardian acts, whose papers a counter has seen; anybody could declare to be somebody's parent. All
acts run in the caller's transaction, each condition in the statement that acts.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from accounts import audit, evidence
from accounts.database import Connection, Statement, new_id
from accounts.people import People
from accounts.people.family import errors
from accounts.people.family import family_store as store
from accounts.people.family.errors import RelationRefused
from accounts.people.family.family_store import INVITEE
from accounts.people.family.relations import (
    GUARDIANS,
    MATTERS,
    Because,
    HelperRelation,
    Offer,
    Relation,
    RelationProof,
)
from accounts.people.invitee import Invitee, opened
from accounts.registration.ages import GUARDED_UNTIL, SUPERVISED_UNTIL, age, comes_of
from accounts.vault.blind_index import terms

ACCEPT_WITHIN = timedelta(days=7)
LONGEST_PERIOD = timedelta(days=366)
AT_MOST = 10  # relations and offers of one person: families, not agencies; nobody asks the whole town
LEAST_IAL = 2  # name and number were matched
_OFFER, _ACCEPT, _END = "person:helper:offer", "person:helper:accept", "person:helper:end"


class Helpers:
    """The acts on helper relations, on one vault. Immutable: one for the process."""

    def __init__(self, people: People) -> None:
        self._people = people

    def offer(self, c: Connection, by_person: str, offer: Offer, *, now: datetime) -> str:
        """An offer to whoever is named; returns its id. The same answer whether or not they have an account.

        Raises RelationRefused.
        """
        _check_offer(offer, now)
        if self._names(c, by_person, offer.invitee):
            raise RelationRefused(errors.ONESELF)
        self._check_person(c, by_person, is_helper=offer.is_helper, is_guardianship=False, now=now)
        self._hold(c, by_person, now)
        row = self._row(by_person, offer, RelationProof.DECLARED, None, now)
        c.execute(store.INSERT, **row)
        _record(c, _OFFER, row["id"], (by_person,), now)
        return str(row["id"])

    def record_guardian(
        self,
        c: Connection,
        guardian_id: str,
        child_id: str,
        relation: Relation,
        proof: RelationProof,
        reference: str,
        *,
        actor: str,
        now: datetime,
    ) -> HelperRelation:
        """What a counter records when a guardian has shown the paper. Raises RelationRefused.

        Under 14 the relation is in force, until the fourteenth birthday. From 14 to 17 it is an offer, which the child
        accepts, until the eighteenth.
        """
        if relation not in GUARDIANS or proof is RelationProof.DECLARED:
            raise RelationRefused(errors.NOT_A_GUARDIAN)
        if guardian_id == child_id:
            raise RelationRefused(errors.ONESELF)
        self._check_person(c, guardian_id, is_helper=True, is_guardianship=True, now=now)
        born = self._born(c, child_id)
        if age(born, now) >= SUPERVISED_UNTIL:
            raise RelationRefused(errors.NOT_A_MINOR)
        alone = age(born, now) < GUARDED_UNTIL
        until = comes_of(GUARDED_UNTIL if alone else SUPERVISED_UNTIL, born)
        self._hold(c, guardian_id, now)
        child = self._named(c, child_id)
        row = self._row(
            guardian_id,
            Offer(child, is_helper=True, relation=relation, matters=None, expires_at=until),
            proof,
            reference,
            now,
        )
        c.execute(store.INSERT, **row | {"is_guardianship": True})
        _record(c, _OFFER, row["id"], (guardian_id,), now, actor=actor)
        if alone:
            self._take_effect(c, row["id"], child_id, guardian_id, now, by=child_id, actor=actor)
        return self._opened(c.one(store.BY_ID, of=row["id"]))

    def offers_to(self, c: Connection, person_id: str, *, now: datetime) -> tuple[HelperRelation, ...]:
        """The offers that this person may answer.

        An offer whose name does not belong to the number is not shown: whoever asked mistyped one of them.
        """
        person = self._people.by_id(c, person_id)
        name = self._people.attributes(person.attributes).name if person else ""
        return tuple(
            found
            for held in self._people.identifiers(c, person_id)
            if held.until is None
            for found in self._offers(c, held.kind.value, held.canonical, now)
            if found.invitee is not None
            and found.invitee.name == name
            and person_id not in (found.helped_id, found.helper_id)
        )

    def accept(self, c: Connection, relation_id: str, by_person: str, *, now: datetime) -> None:
        """The offer is a relation in force; it replaces an older one of the same two. Raises RelationRefused."""
        offer = self._offered_to(c, relation_id, by_person, now)
        is_helper, is_guardianship = offer.helper_id is None, offer.is_guardianship
        self._check_person(c, by_person, is_helper=is_helper, is_guardianship=is_guardianship, now=now)
        helped_id, helper_id = offer.helped_id or by_person, offer.helper_id or by_person
        asker = helped_id if is_helper else helper_id
        for held in sorted((asker, by_person)):  # one order for all, so that nobody waits in a circle
            if c.execute(store.HOLD_PERSON, held=held) != 1:
                raise RelationRefused(errors.OFFER_OVER)
        self._check_number(c, by_person, now)
        self._take_effect(c, relation_id, helped_id, helper_id, now, by=by_person)

    def decline(self, c: Connection, relation_id: str, by_person: str, *, now: datetime) -> None:
        """The offer is over. Raises RelationRefused when it was answered or withdrawn before."""
        offer = self._offered_to(c, relation_id, by_person, now)
        self._end(c, store.END_OFFER, offer, Because.DECLINED, by_person, now)

    def withdraw(self, c: Connection, relation_id: str, by_person: str, *, now: datetime) -> None:
        """The person's own offer is over. Raises RelationRefused when it was answered, or is not theirs."""
        self._end(c, store.END_OFFER, self._theirs(c, relation_id, by_person), Because.WITHDRAWN, by_person, now)

    def end(self, c: Connection, relation_id: str, by_person: str, *, now: datetime) -> None:
        """The helper acts no longer. Either of the two may end it, alone and at once. Raises RelationRefused.

        A guardian's place for a child under 14 the child's account cannot end: it was not the child who gave it.
        """
        held = self._theirs(c, relation_id, by_person)
        is_helper = held.helper_id == by_person
        if self.is_bound(c, held, by_person, now=now):
            raise RelationRefused(errors.NOT_THEIRS)
        why = Because.ENDED_BY_HELPER if is_helper else Because.ENDED_BY_HELPED
        self._end(c, store.END_ACCEPTED, held, why, by_person, now)

    def is_bound(self, c: Connection, held: HelperRelation, person_id: str, *, now: datetime) -> bool:
        """Whether this is a child under 14, who cannot end its guardian's relation."""
        if not held.is_guardianship or held.helped_id != person_id:
            return False
        return age(self._born(c, person_id), now) < GUARDED_UNTIL

    def of_person(self, c: Connection, person_id: str, *, now: datetime) -> tuple[HelperRelation, ...]:
        """The relations in force and the own open offers of this person, oldest first. Raises SealBroken."""
        return tuple(self._opened(row) for row in c.rows(store.OF_PERSON, person=person_id, now=now))

    def one(self, c: Connection, relation_id: str, person_id: str) -> HelperRelation | None:
        """The relation, also one that has ended, if this person is one of the two who made it; otherwise None."""
        row = c.one(store.BY_ID, of=relation_id)
        return self._opened(row) if row is not None and person_id in (row.helped_id, row.helper_id) else None

    # --- the parts ------------------------------------------------------------------------------------------------
    def _take_effect(
        self,
        c: Connection,
        relation_id: str,
        helped_id: str,
        helper_id: str,
        now: datetime,
        *,
        by: str,
        actor: str | None = None,
    ) -> None:
        if c.execute(store.ACCEPT, of=relation_id, by_person=by, now=now) != 1:
            raise RelationRefused(errors.OFFER_OVER)
        both = (helped_id, helper_id)
        _record(c, _ACCEPT, relation_id, both, now, actor=actor or by)
        for older in c.rows(store.OTHERS_OF_BOTH, of=relation_id, helped=helped_id, helper=helper_id):
            _end_one(c, older, Because.REPLACED, actor or by, now)

    def _end(self, c: Connection, how: Statement, held: HelperRelation, why: Because, by: str, now: datetime) -> None:
        if c.execute(how, of=held.id, because=why.value, now=now) != 1:
            raise RelationRefused(errors.OFFER_OVER if how is store.END_OFFER else errors.NOT_THEIRS)
        both = tuple(who for who in (held.helped_id, held.helper_id) if who is not None)
        _record(c, _END, held.id, both, now, actor=by, because=why)

    def _hold(self, c: Connection, person_id: str, now: datetime) -> None:
        """This person's relations do not change meanwhile, and one more is allowed."""
        if c.execute(store.HOLD_PERSON, held=person_id) != 1:
            raise RelationRefused(errors.NOT_THEIRS)
        self._check_number(c, person_id, now)

    def _check_number(self, c: Connection, person_id: str, now: datetime) -> None:
        if c.one(store.COUNT_OF, person=person_id, now=now).n >= AT_MOST:
            raise RelationRefused(errors.TOO_MANY)

    def _check_person(
        self, c: Connection, person_id: str, *, is_helper: bool, is_guardianship: bool, now: datetime
    ) -> None:
        """A helper is of age; a minor is helped by a guardian only. Both were proven to be who they are."""
        if evidence.identity_assurance(evidence.of(c, person_id), now) < LEAST_IAL:
            raise RelationRefused(errors.NOT_PROVEN_ENOUGH)
        is_minor = age(self._born(c, person_id), now) < SUPERVISED_UNTIL
        if is_helper and is_minor:
            raise RelationRefused(errors.HELPER_TOO_YOUNG)
        if is_minor and not is_guardianship:
            raise RelationRefused(errors.MINOR_NEEDS_GUARDIAN)

    def _born(self, c: Connection, person_id: str) -> date:
        """The date of birth, as recorded or as the number has it. Raises RelationRefused where nobody knows it."""
        person = self._people.by_id(c, person_id)
        recorded = self._people.attributes(person.attributes).birth_date if person else None
        numbers = (held.identifier for held in self._people.identifiers(c, person_id) if held.until is None)
        dates = (recorded, *(getattr(number, "birth_date", None) for number in numbers))
        born: date | None = next((each for each in dates if each is not None), None)
        if born is None:
            raise RelationRefused(errors.AGE_UNKNOWN)
        return born

    def _names(self, c: Connection, person_id: str, invitee: Invitee) -> bool:
        """True if the invitee's number is one of this person's own."""
        return any(
            held.kind is invitee.number.kind and held.canonical == invitee.number.canonical
            for held in self._people.identifiers(c, person_id)
        )

    def _named(self, c: Connection, person_id: str) -> Invitee:
        """A person whom we know, as an offer names them: by a number that they hold now."""
        person = self._people.by_id(c, person_id)
        held = next((each for each in self._people.identifiers(c, person_id) if each.until is None), None)
        if person is None or held is None:
            raise RelationRefused(errors.AGE_UNKNOWN)
        return Invitee(held.identifier, self._people.attributes(person.attributes).name)

    def _row(
        self, by_person: str, offer: Offer, proof: RelationProof, reference: str | None, now: datetime
    ) -> dict[str, Any]:
        vault = self._people.vault
        return {
            **dict.fromkeys(store.helper_relations.columns.keys()),
            "id": new_id(),
            "relation": offer.relation.value,
            "proof": proof.value,
            "proof_reference": reference,
            "is_guardianship": False,
            "helper_id" if offer.is_helper else "helped_id": by_person,
            **offer.invitee.columns(vault, vault.seal(offer.invitee.text(), place=INVITEE)),
            "matters": None if offer.matters is None else sorted(offer.matters),
            "offered_at": now,
            "accept_by": now + ACCEPT_WITHIN,
            "expires_at": offer.expires_at,
        }

    def _offers(self, c: Connection, kind: str, canonical: str, now: datetime) -> list[HelperRelation]:
        found = terms(self._people.vault, canonical, kind=kind)
        return [self._opened(row) for row in c.rows(store.OFFERS_TO, identifier_kind=kind, now=now, **found)]

    def _offered_to(self, c: Connection, relation_id: str, person_id: str, now: datetime) -> HelperRelation:
        for offer in self.offers_to(c, person_id, now=now):
            if offer.id == relation_id:
                return offer
        raise RelationRefused(errors.OFFER_OVER)

    def _theirs(self, c: Connection, relation_id: str, person_id: str) -> HelperRelation:
        found = self.one(c, relation_id, person_id)
        if found is None:
            raise RelationRefused(errors.NOT_THEIRS)
        return found

    def _opened(self, row: Any) -> HelperRelation:
        values = {name: getattr(row, name) for name in HelperRelation.__dataclass_fields__ if name != "invitee"}
        values |= {"relation": Relation(row.relation), "proof": RelationProof(row.proof)}
        values["matters"] = None if row.matters is None else frozenset(row.matters)
        return HelperRelation(**values, invitee=opened(self._people.vault, row, place=INVITEE))


def end_all_of(c: Connection, person_id: str, why: Because, *, actor: str, now: datetime) -> int:
    """Everything between this person and their helpers or helped ones has ended, offers included: how many."""
    rows = c.rows(store.UNENDED_OF, person=person_id)
    return sum(_end_one(c, row, why, actor, now) for row in rows)


def _end_one(c: Connection, row: Any, why: Because, actor: str, now: datetime) -> bool:
    if c.execute(store.END_ANY, of=row.id, because=why.value, now=now) != 1:
        return False
    both = tuple(who for who in (row.helped_id, row.helper_id) if who is not None)
    _record(c, _END, row.id, both, now, actor=actor, because=why)
    return True


def _check_offer(offer: Offer, now: datetime) -> None:
    if offer.matters is not None and (not offer.matters or not offer.matters <= frozenset(MATTERS)):
        raise RelationRefused(errors.UNKNOWN_MATTER)
    if not now < offer.expires_at <= now + LONGEST_PERIOD:
        raise RelationRefused(errors.WRONG_PERIOD)


def _record(
    c: Connection,
    event: str,
    relation_id: str,
    persons: tuple[str, ...],
    now: datetime,
    *,
    actor: str | None = None,
    because: Because | None = None,
) -> None:
    """One record for each of the two, so that both find it in their activity."""
    detail = {"relation": relation_id} | ({} if because is None else {"because": because.value})
    for person in persons:
        audit.append(c, event, now=now, person=person, actor=None if actor == person else actor, detail=detail)
