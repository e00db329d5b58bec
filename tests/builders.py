"""A city, a person, a relying system: valid by default, one line each."""

import base64
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from accounts import evidence
from accounts.credentials import password as passwords
from accounts.db import Database
from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind, parse
from accounts.people import NewPerson
from idp import app
from idp.oidc import claims, clients
from idp.oidc.clients import Client, NewClient
from idp.services import Services, build_services
from idp.settings import Settings

PASSWORD = "春江花月夜-correct-horse"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def citizen_number(serial: int = 1) -> str:
    """A well-formed number of a place that does not exist (area 519999)."""
    digits = f"51999919900101{serial:03d}"
    return digits + "10X98765432"[sum(w * int(d) for w, d in zip(_WEIGHTS, digits, strict=True)) % 11]


@dataclass
class Citizen:
    """Somebody who can log in."""

    id: str
    number: str
    password: str = PASSWORD


@dataclass
class System:
    """A relying system and its secret."""

    client: Client
    secret: str | None


@dataclass
class City:
    """One provider on one database, with a clock that moves only when told."""

    database_url: str
    clock: Any
    issuer: str = "http://localhost:8000"
    settings: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def services(self) -> Services:
        """Built as in production, with a hasher that is fast because its parameters are small."""
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        chosen = {
            "environment": "test",
            "issuer": self.issuer,
            "database_url": self.database_url,
            "vault_keys": f"test:{key}",
            "argon2_memory_kib": 8,
            "argon2_passes": 1,
            "argon2_concurrent": 4,
        }
        made = Settings(**(chosen | self.settings))
        services = build_services(made, self.clock, channels=app.channels(made))
        with services.database.transaction() as c:
            services.keys.ensure(c, self.clock())
        return services

    @cached_property
    def wsgi(self) -> Any:
        return app.serve(self.services)

    @property
    def database(self) -> Database:
        return self.services.database

    def person(self, serial: int = 1, *, password: str = PASSWORD) -> Citizen:
        """A citizen of IAL3 with a password."""
        number = citizen_number(serial)
        new = NewPerson(name="欧阳娜娜", identifiers=(parse(IdentifierKind.CITIZEN_ID, number),))
        services, now = self.services, self.clock()
        with self.database.transaction() as c:
            person = services.people.register(c, new, now=now)
            evidence.record(c, person.id, EvidenceKind.COUNTER_COMPARISON, source="test", at=now)
            passwords.store(c, services.vault, person.id, services.hasher.hash(password), now=now)
        return Citizen(person.id, number, password)

    def system(self, client_id: str = "housing", **changes: Any) -> System:
        """A confidential client that may learn a name."""
        values: dict[str, Any] = {
            "client_id": client_id,
            "name": f"{client_id} 服务",
            "name_en": f"{client_id} service",
            "division": "510500",
            "purpose": "办理业务",
            "purpose_en": "Doing business",
            "legal_basis": "consent",
            "redirect_uris": (f"https://{client_id}.example/callback",),
            "post_logout_redirect_uris": (f"https://{client_id}.example/bye",),
            "backchannel_logout_uri": f"https://{client_id}.example/logout",
            "scopes": ("openid", "profile", "offline_access"),
            "claims_ceiling": claims.of_scopes(("profile",)),
            "home_uri": f"https://{client_id}.example/",
        }
        with self.database.transaction() as c:
            client, secret = clients.create(c, NewClient(**(values | changes)), now=self.clock())
        return System(client, secret)
