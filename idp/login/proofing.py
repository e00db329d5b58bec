"""Proving more of who one is, in the middle of a client's request: the check elsewhere, and what it changes here.

The journey is found by session and request, so it ends with either, and a result can be used for nothing else. What is
checked is the number that the person's account has; the person cannot choose another one.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from accounts import audit, evidence
from accounts.credentials import network_address
from accounts.database import Connection
from accounts.errors import NotProven
from accounts.identifiers import parse
from accounts.people import PersonIdentifier
from accounts.registration import Proof, journey_store
from accounts.registration.journey import DOCUMENTS, Journey, Stage, Verification
from idp.login import sessions
from idp.login.context import LoginContext
from idp.login.pending import PendingInteraction, RequestGone
from idp.oidc import assurance


def journey_of(services: LoginContext, c: Connection, due: PendingInteraction, now: datetime) -> Journey | None:
    """The check that this session has begun for this request, if any."""
    return journey_store.find(c, services.vault, _handle(due), now)


def ask(
    services: LoginContext, c: Connection, due: PendingInteraction, upstream: str, *, source: str, now: datetime
) -> tuple[str, Journey]:
    """The address of the check elsewhere, and the journey to `begin` with it. Needs no transaction: it may take long.

    The registry is asked first. Raises NotProven (the registry does not confirm the person, or knows no such document),
    Throttled and RegistryUnavailable.
    """
    document = _document(services, c, _session(due).person_id)
    name = _name(services, c, _session(due).person_id)
    identifier = parse(document.kind, document.canonical)
    agreed = services.proofing.agree(c, identifier, name, source=source, now=now)
    reference = secrets.token_urlsafe(32)
    return_to = f"/proofing/{due.request.id}"
    address = services.proofing.begin(
        c, upstream, identifier, name, reference=reference, return_to=return_to, source=source, now=now
    )
    named = Journey(document.kind, request_id=due.request.id).named(name, identifier, agreed)
    return address, named.begun(Verification(upstream, reference))


def begin(
    services: LoginContext, c: Connection, due: PendingInteraction, journey: Journey, *, source: str, now: datetime
) -> None:
    """The person has begun this check, instead of any earlier one for this request."""
    _, network = network_address.networks(source)
    journey_store.begin(c, services.vault, _handle(due), journey, network=network, now=now)


def proofs_of(
    services: LoginContext, c: Connection, journey: Journey, *, source: str, now: datetime
) -> tuple[Proof, ...]:
    """What the check has proven; empty while the person has not finished it. Needs no transaction.

    Raises NotProven if it failed or was never begun, Throttled, and RegistryUnavailable.
    """
    verification = journey.verification
    if journey.stage is not Stage.CHECK or verification is None:
        raise NotProven
    proof = services.proofing.outcome(
        c,
        verification.upstream,
        journey.identifier,
        journey.name,
        reference=verification.reference,
        source=source,
        now=now,
    )
    return () if proof is None else (*journey.proofs, proof)


def finish(
    services: LoginContext,
    c: Connection,
    due: PendingInteraction,
    journey: Journey,
    proofs: tuple[Proof, ...],
    now: datetime,
) -> sessions.NewSession:
    """The proofs are the person's evidence, and the session has its new level, under a new handle.

    Raises NotProven if the journey was spent before, and RequestGone if the session has ended.
    """
    if not journey_store.save(c, services.vault, _handle(due), journey.ended(Stage.DONE), now):
        raise NotProven
    session = _session(due)
    _record(c, due, session, proofs, now)
    level = evidence.identity_assurance(evidence.of(c, session.person_id), now)
    proven = assurance.authentication(session.amr, session.auth_time, level)
    renewed = sessions.step_up(c, session, proven, now)
    if renewed is None:
        raise RequestGone(due.client)
    return renewed


def forget(services: LoginContext, c: Connection, due: PendingInteraction, journey: Journey, now: datetime) -> None:
    """The check that was begun is given up."""
    journey_store.save(c, services.vault, _handle(due), journey.ended(Stage.DONE), now)


def _record(
    c: Connection, due: PendingInteraction, session: sessions.Session, proofs: tuple[Proof, ...], now: datetime
) -> None:
    for proof in proofs:
        evidence.record(c, session.person_id, proof.kind, source=proof.source, at=now, expires_at=proof.expires_at)
    audit.append(
        c,
        "person:evidence:record",
        now=now,
        person=session.person_id,
        client=due.client.client_id,
        channel=session.channel,
        detail={"kinds": [proof.kind.value for proof in proofs]},
    )


def _handle(due: PendingInteraction) -> str:
    return f"{_session(due).id}.{due.request.id}"


def _session(due: PendingInteraction) -> sessions.Session:
    if due.session is None:
        raise NotProven
    return due.session


def _document(services: LoginContext, c: Connection, person_id: str) -> PersonIdentifier:
    """The first document, in the order of DOCUMENTS, that the registry can confirm. Raises NotProven."""
    held = [each for each in services.people.identifiers(c, person_id) if each.until is None]
    known = [each for each in held if each.kind in DOCUMENTS and services.proofing.confirms(each.kind)]
    if not known:
        raise NotProven
    return min(known, key=lambda each: DOCUMENTS.index(each.kind))


def _name(services: LoginContext, c: Connection, person_id: str) -> str:
    person = services.people.by_id(c, person_id)
    if person is None:
        raise NotProven
    return services.people.attributes(person.attributes).name
