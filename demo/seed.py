"""Loads the demonstration city into a migrated database (repeatable), and returns who can log in where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from accounts import phones
from accounts.database import Connection
from accounts.evidence import EvidenceKind
from accounts.identifiers import Mobile, parse
from accounts.identifiers.divisions import under
from accounts.people import NewPerson
from accounts.registration import Proof, Registration
from demo import enterprises
from demo.people import PERSONAS, Persona
from demo.services import Ports, registrations
from idp.cli.clients import invite
from idp.login import person_status
from idp.oidc.clients import registry
from idp.oidc.tokens.secret import digest
from idp.services import Services

# A shared phone finds the person who verified it first; here, the first in PERSONAS.
_BY_PHONE = tuple(
    persona
    for position, persona in enumerate(PERSONAS)
    if persona.phone
    and EvidenceKind.PHONE in persona.evidence
    and persona.phone not in {earlier.phone for earlier in PERSONAS[:position]}
)
INVITATION_DAYS = 30
ACTOR = "operator:demo"
# A person of demo/legacy/forum.csv without an account here: she can log in after that export is merged.
OLDER_ACCOUNT = {
    "system": "forum",
    "name": "吴秀英",
    "login_name": "wuxiuying",
    "password": "tea-house-by-the-river",
    "legacy_sub": "1578",
    "shows": "after the merge: her old login name and old password open the new account; the forum gets its own old id",
    "shows_zh": "归并之后：原来的用户名和密码就能登录；论坛拿到它自己的旧编号",
}


def seed(services: Services, ports: Ports, known: Mapping[str, Any]) -> dict[str, Any]:
    """Load the city. Returns the content of `personas.json`. `known` is what an earlier run returned, or empty."""
    now = services.clock()
    _open_accounts(services, now)
    enterprises.load(services, now)
    with services.database.transaction() as c:
        secrets = {client["client_id"]: client.get("client_secret") for client in known.get("clients", ())}
        registered = [_registered(services, c, new, secrets.get(new.client_id), now) for new in registrations(ports)]
        invitation = known.get("initial_access_token") or _invitation(c, now)
    return {
        "issuer": services.settings.issuer,
        "messages": f"{services.settings.issuer}/sandbox/messages",
        "city": [f"{division.code} {division.name}" for division in under("5105") if not division.is_retired],
        "citizens": [_described(persona) for persona in PERSONAS],
        "enterprises": [enterprises.described(each) for each in enterprises.ENTERPRISES],
        "older_accounts": [OLDER_ACCOUNT],
        "clients": registered,
        "initial_access_token": invitation,
    }


def read(path: Path) -> dict[str, Any]:
    """What an earlier run wrote there. Empty when the file is missing or unreadable."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _open_accounts(services: Services, now: datetime) -> None:
    registration = Registration(services.people, services.hasher, services.password_policy)
    for position, persona in enumerate(PERSONAS, start=-len(PERSONAS)):
        opened = now + timedelta(seconds=position)  # in order, because a shared phone finds who verified it first
        identifier = parse(persona.kind, persona.number)
        known = services.people.find(services.database.connection(), identifier)
        if known is None:
            _open_account(services, registration, persona, opened)
        elif persona in _BY_PHONE:
            _verify_phone(services, known, persona, opened)


def _open_account(services: Services, registration: Registration, persona: Persona, now: datetime) -> None:
    identifier = parse(persona.kind, persona.number)
    phones = (Mobile.parse(persona.phone),) if persona.phone else ()
    new = NewPerson(
        persona.name,
        (identifier,),
        phones,
        birth_date=getattr(identifier, "birth_date", None),
        sex=getattr(identifier, "sex", None),
        email=persona.email,
        address=persona.address,
    )
    proofs = tuple(Proof(kind, "demo") for kind in persona.evidence)
    person = registration.open_account(services.database, new, persona.password, proofs=proofs, channel="hall", now=now)
    if persona.status != "active":
        with services.database.transaction() as c:
            person_status.change(c, services.people, person.id, persona.status, actor=ACTOR, now=now)


def _verify_phone(services: Services, person_id: str, persona: Persona, now: datetime) -> None:
    """Verify the phone in a city of a release that verified none."""
    phone = Mobile.parse(persona.phone or "")
    with services.database.transaction() as c:
        if person_id not in services.people.find_by_phone(c, phone):
            phones.verify(c, services.people, person_id, phone, source="demo", now=now, actor=ACTOR)


def _registered(
    services: Services, c: Connection, new: registry.NewClient, secret: str | None, now: datetime
) -> dict[str, Any]:
    """The client as scripts need it. A lost secret is replaced, because only its digest is stored."""
    found = services.clients.get(new.client_id)
    if found is None:
        _, secret = registry.create(c, new, now=now)
    elif secret is None or digest(secret) != found.secret_digest:
        secret = registry.rotate_secret(c, found, now=now)
    return {
        "client_id": new.client_id,
        "client_secret": secret,
        "redirect_uris": list(new.redirect_uris),
        "post_logout_redirect_uris": list(new.post_logout_redirect_uris),
        "backchannel_logout_uri": new.backchannel_logout_uri,
        "scopes": list(new.scopes),
        "token_endpoint_auth_method": new.token_endpoint_auth_method,
        "require_pkce": new.require_pkce,
        "grant_types": list(new.grant_types),
    }


def _invitation(c: Connection, now: datetime) -> str:
    policy = {"scopes": ["openid", "profile", "email", "address", "phone", "offline_access"], "require_pkce": False}
    return invite(c, policy, uses=1000, until=now + timedelta(days=INVITATION_DAYS), now=now)


def _described(persona: Persona) -> dict[str, Any]:
    return {
        "name": persona.name,
        "identifier": persona.number,
        "identifier_kind": persona.kind.value,
        "phone": persona.phone,
        "logs_in_by_phone": persona in _BY_PHONE,
        "password": persona.password,
        "shows": persona.shows,
        "shows_zh": persona.shows_zh,
    }
