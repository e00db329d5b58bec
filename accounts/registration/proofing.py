"""Proofing: which checks this deployment can make, and what each proves. A check that fails proves nothing.

A number and a name are known to many people, so their agreement proves that the document exists and not who the visitor
is. Only a live face, the network identity, or a code to the phone that the registry knows as the person's own proves
that (docs/decisions/0064-knowing-a-number-proves-nobody.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from accounts.database import Connection
from accounts.errors import NotProven
from accounts.evidence import LEVELS, UPSTREAM_LEVELS, EvidenceKind, upstream_kind
from accounts.identifiers import Identifier, IdentifierKind, Mobile
from accounts.ports import PersonVerification, PopulationRegistry
from accounts.registration import Proof, call_limits
from accounts.registration.call_limits import CallLimits
from accounts.vault import Vault

_YEAR = timedelta(days=365)
# How long a check counts. A face and a document are checked anew after five years; a phone may change hands sooner.
VALID_FOR: Mapping[EvidenceKind, timedelta] = {
    EvidenceKind.TWO_ELEMENTS: 5 * _YEAR,
    EvidenceKind.THREE_ELEMENTS: _YEAR,
    EvidenceKind.FACE_MATCH: 5 * _YEAR,
    EvidenceKind.NETWORK_IDENTITY: 5 * _YEAR,
}
# Kinds of calls, with counters of their own.
REGISTRY, MESSAGE, VERIFICATION, OUTCOME = "registry", "message", "verification", "outcome"
_QUESTIONS = 6  # about one check: people press "continue" before they have finished


class Proofing:
    """The checks of one deployment. Immutable: one for the process."""

    def __init__(
        self,
        vault: Vault,
        population: PopulationRegistry | None = None,
        verifications: tuple[PersonVerification, ...] = (),
        limits: CallLimits | None = None,
    ) -> None:
        self._vault = vault
        self._population = population
        self._verifications = {each.upstream: each for each in verifications}
        self._limits = limits or CallLimits()

    @property
    def upstreams(self) -> tuple[str, ...]:
        """The checks elsewhere that can be offered, in the order of the deployment."""
        return tuple(self._verifications)

    @property
    def is_available(self) -> bool:
        """True if some document can be confirmed here."""
        return self._population is not None

    def confirms(self, kind: IdentifierKind) -> bool:
        """True if the registry knows documents of this kind."""
        return self._population is not None and kind in self._population.confirms

    def highest_level(self, kinds: Iterable[IdentifierKind]) -> int:
        """The highest IAL that the holder of such documents can prove here. 0 if none."""
        if not any(map(self.confirms, kinds)):
            return 0
        given = {kind for upstream, _, kind in UPSTREAM_LEVELS if upstream in self._verifications}
        return max((level for kind, level in LEVELS if kind in given), default=0)

    def agree(
        self,
        c: Connection,
        identifier: Identifier,
        name: str,
        *,
        source: str,
        now: datetime,
        phone: Mobile | None = None,
    ) -> Proof:
        """The proof that number and name, and the phone if given, belong together and the person lives.

        Raises NotProven (one answer for another name, an unknown number and a deceased holder), Throttled, and
        RegistryUnavailable. Needs no transaction: the call stays counted if it fails.
        """
        if self._population is None or identifier.kind not in self._population.confirms:
            raise NotProven(detail="no registry here knows such documents")
        call_limits.count(c, self._vault, REGISTRY, identifier, source=source, now=now, limits=self._limits)
        record = self._population.check(identifier, name, phone)
        if not record.matches or record.deceased_on is not None:
            raise NotProven
        kind = EvidenceKind.TWO_ELEMENTS if phone is None else EvidenceKind.THREE_ELEMENTS
        return proof(kind, self._population.source, now)

    def count_message(self, c: Connection, phone: Mobile, *, source: str, now: datetime) -> None:
        """A text message to this phone is counted. Raises Throttled: then it must not be sent."""
        call_limits.count(c, self._vault, MESSAGE, phone, source=source, now=now, limits=self._limits)

    def begin(
        self,
        c: Connection,
        upstream: str,
        identifier: Identifier,
        name: str,
        *,
        reference: str,
        return_to: str,
        source: str,
        now: datetime,
    ) -> str:
        """The address of the check elsewhere.

        Raises NotProven if it is not offered, Throttled, and RegistryUnavailable. Needs no transaction.
        """
        asked = self._verification(upstream)
        call_limits.count(c, self._vault, VERIFICATION, identifier, source=source, now=now, limits=self._limits)
        return asked.begin(identifier, name, reference=reference, return_to=return_to)

    def outcome(
        self,
        c: Connection,
        upstream: str,
        identifier: Identifier,
        name: str,
        *,
        reference: str,
        source: str,
        now: datetime,
    ) -> Proof | None:
        """The proof, or None while the person has not finished.

        Raises NotProven, Throttled and RegistryUnavailable. Needs no transaction.
        """
        asked, limits = self._verification(upstream), self._limits
        patient = replace(limits, number_from_network=_QUESTIONS * limits.number_from_network)
        call_limits.count(c, self._vault, OUTCOME, identifier, source=source, now=now, limits=patient)
        grade = asked.outcome(identifier, name, reference=reference)
        if grade is None:
            return None
        kind = upstream_kind(upstream, grade)
        if kind is None:
            raise NotProven
        return proof(kind, f"upstream:{upstream}", now)

    def _verification(self, upstream: str) -> PersonVerification:
        found = self._verifications.get(upstream)
        if found is None:
            raise NotProven(detail="this check is not offered here")
        return found


def proof(kind: EvidenceKind, source: str, now: datetime) -> Proof:
    """A check that succeeded now, with the end that its kind has."""
    lives = VALID_FOR.get(kind)
    return Proof(kind, source, None if lives is None else now + lives)
