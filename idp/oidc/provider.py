"""Provider: what every grant and endpoint needs, made once a process, immutable and shared between threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from accounts.db import Database
from accounts.people import People
from idp.oidc.clients import ClientCache
from idp.oidc.keys import KeyRing
from idp.oidc.tokens import Lifetimes, Tokens

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class ProviderPolicy:
    """What a deployment may set about the protocol."""

    lifetimes: Lifetimes = field(default_factory=Lifetimes)


class Provider:
    """One OpenID Connect provider: its issuer, its database, its keys, its clients, its clock."""

    def __init__(
        self,
        *,
        database: Database,
        issuer: str,
        keys: KeyRing,
        people: People,
        policy: ProviderPolicy,
        now: Clock,
    ) -> None:
        self.database = database
        self.issuer = issuer
        self.keys = keys
        self.people = people
        self.policy = policy
        self.now = now
        self.clients = ClientCache(database)
        self.tokens = Tokens(issuer, keys, policy.lifetimes)
