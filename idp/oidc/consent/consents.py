"""What a person lets a client have: notice or consent by legal basis, and grants given and withdrawn.

For a statutory duty the person is informed, not asked (PIPL arts 13, 35): a box that cannot honestly be refused is no
consent. Either way the person sees the facts once, and again when they grow. A refusal stores no grant;
idp.oidc.consent.refusals remembers it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from accounts import audit
from accounts.database import Connection, new_id
from accounts.errors import Conflict
from idp.oidc.clients.client import Client
from idp.oidc.consent import claims, consent_store, release
from idp.oidc.consent.claims import Claim
from idp.oidc.requests.authorization_request import AuthorizationRequest
from idp.oidc.tokens.keys import encoded


class ReleaseMode(StrEnum):
    """How the person is involved: informed, or asked."""

    NOTICE = "notice"
    CONSENT = "consent"


_RELEASE_MODES = {
    "statutory_duty": ReleaseMode.NOTICE,
    "contract": ReleaseMode.NOTICE,
    "consent": ReleaseMode.CONSENT,
    "separate_consent": ReleaseMode.CONSENT,
    "guardian_consent": ReleaseMode.CONSENT,
}


@dataclass(frozen=True, slots=True)
class ReleaseNotice:
    """The content of the page: client, purpose, legal basis, and facts, with the sensitive ones apart."""

    client_id: str
    client_name: str
    client_name_en: str
    purpose: str
    purpose_en: str
    legal_basis: str
    release_mode: ReleaseMode
    scopes: tuple[str, ...]
    ordinary: tuple[Claim, ...]
    sensitive: tuple[Claim, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The claims that an approval releases, in the catalogue's order."""
        return tuple(claim.name for claim in claims.by_names(c.name for c in (*self.ordinary, *self.sensitive)))

    def mark(self, person_id: str) -> str:
        """A digest of this notice and person, carried by the page: an approval is valid for no other."""
        said = (person_id, self.client_id, self.purpose, self.legal_basis, self.scopes, self.names)
        return encoded(hashlib.sha256(orjson.dumps(said)).digest()).decode()


@dataclass(frozen=True, slots=True)
class ConnectedService:
    """One connected service, for the account page."""

    grant_id: str
    client_id: str
    client_name: str
    client_name_en: str
    purpose: str
    purpose_en: str
    legal_basis: str
    claims: tuple[Claim, ...]
    given_at: datetime
    last_used_at: datetime | None
    home_uri: str | None

    @property
    def release_mode(self) -> ReleaseMode:
        """Whether the person was informed or asked."""
        return release_mode(self.legal_basis)


def release_mode(legal_basis: str) -> ReleaseMode:
    """How a person is involved in a release on that basis."""
    return _RELEASE_MODES[legal_basis]


def release_notice(request: AuthorizationRequest, client: Client) -> ReleaseNotice:
    """What this request would release, for the page that informs or asks."""
    rows = claims.by_names(release.granted(request.scopes, request.claims, client))
    sensitive = tuple(claim for claim in rows if claim.sensitivity is claims.Sensitivity.SENSITIVE)
    return ReleaseNotice(
        client_id=client.client_id,
        client_name=client.name,
        client_name_en=client.name_en,
        purpose=client.purpose,
        purpose_en=client.purpose_en,
        legal_basis=client.legal_basis,
        release_mode=_RELEASE_MODES[client.legal_basis],
        scopes=request.scopes,
        ordinary=tuple(claim for claim in rows if claim not in sensitive),
        sensitive=sensitive,
    )


def covers(scopes: Iterable[str], names: Iterable[str], request: AuthorizationRequest, client: Client) -> bool:
    """True if a grant of these scopes and claims covers the request. Pure, for callers that have the row."""
    wanted = release.granted(request.scopes, request.claims, client)
    return frozenset(request.scopes) <= frozenset(scopes) and frozenset(wanted) <= frozenset(names)


def is_for(purpose: str | None, legal_basis: str | None, client: Client) -> bool:
    """True if a grant for that purpose and basis still fits the client's registration.

    A new purpose or basis needs a new notice or consent (PIPL arts 14, 17).
    """
    return (purpose, legal_basis) == (client.purpose, client.legal_basis)


def needed(c: Connection, person_id: str, client: Client, request: AuthorizationRequest) -> bool:
    """True if the person must be informed or asked: there is no grant, or it is for something else or less."""
    grant = c.one(consent_store.FIND_GRANT, of_person=person_id, to_client=client.client_id)
    if grant is None or not is_for(grant.purpose, grant.legal_basis, client):
        return True
    return not covers(grant.scopes, grant.claims, request, client)


def give(c: Connection, person_id: str, client: Client, request: AuthorizationRequest, now: datetime) -> str:
    """The person has seen the page and not refused. Returns the id of the new or extended grant.

    Runs in the caller's transaction. Raises Conflict if the person keeps giving and withdrawing elsewhere meanwhile.
    """
    fresh = _row(person_id, client, request, now)
    grant_id = _inserted(c, fresh) or _extended(c, fresh, now) or _inserted(c, fresh)
    if grant_id is None:
        raise Conflict(detail="grants")
    c.execute(consent_store.FORGET_REFUSAL, of_person=person_id, to_client=client.client_id)
    audit.append(c, "person:grant:give", now=now, person=person_id, client=client.client_id)
    return grant_id


def _inserted(c: Connection, fresh: dict[str, Any]) -> str | None:
    return fresh["id"] if c.execute(consent_store.INSERT_GRANT, **fresh) == 1 else None


def _extended(c: Connection, fresh: dict[str, Any], now: datetime) -> str | None:
    """The id of the one grant of person and client, extended. None if it was withdrawn this moment."""
    grant = c.one(consent_store.FIND_GRANT, of_person=fresh["person_id"], to_client=fresh["client_id"])
    if grant is None:
        return None
    extended = c.execute(
        consent_store.EXTEND_GRANT,
        of_grant=grant.id,
        all_scopes=sorted({*grant.scopes, *fresh["scopes"]}),
        all_claims=[claim.name for claim in claims.by_names((*grant.claims, *fresh["claims"]))],
        on_basis=fresh["legal_basis"],
        for_purpose=fresh["purpose"],
        now=now,
    )
    return grant.id if extended == 1 else None


def withdraw(c: Connection, grant_id: str, now: datetime, *, person_id: str) -> bool:
    """The grant has ended, and with it every token on it. False if it is not theirs or has ended before."""
    if c.execute(consent_store.WITHDRAW_GRANT, of_grant=grant_id, of_person=person_id, now=now) != 1:
        return False
    audit.append(c, "person:grant:withdraw", now=now, person=person_id)
    return True


def withdraw_all(c: Connection, person_id: str, now: datetime) -> int:
    """No client has a grant of this person. Returns how many grants ended. The caller records why."""
    return c.execute(consent_store.WITHDRAW_GRANTS_OF_PERSON, of_person=person_id, now=now)


def of_person(c: Connection, person_id: str) -> tuple[ConnectedService, ...]:
    """Every service the person is connected with, newest grant first, each with its last use."""
    return tuple(_connected_service(row) for row in c.rows(consent_store.GRANTS_OF_PERSON, of_person=person_id))


def _connected_service(row: Any) -> ConnectedService:
    return ConnectedService(
        grant_id=row.id,
        client_id=row.client_id,
        client_name=row.client_name,
        client_name_en=row.client_name_en,
        purpose=row.purpose,
        purpose_en=row.purpose_en,
        legal_basis=row.legal_basis,
        claims=claims.by_names(row.claims),
        given_at=row.given_at,
        last_used_at=row.last_used_at,
        home_uri=row.home_uri,
    )


def _row(person_id: str, client: Client, request: AuthorizationRequest, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "person_id": person_id,
        "client_id": client.client_id,
        "scopes": list(request.scopes),
        "claims": list(release.granted(request.scopes, request.claims, client)),
        "legal_basis": client.legal_basis,
        "purpose": client.purpose,
        "given_at": now,
        "withdrawn_at": None,
    }
