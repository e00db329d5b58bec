"""Provider: what every grant and endpoint needs, made once a process, immutable and shared between threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from accounts.database import Database
from accounts.organisations.authority import AuthorityCheck
from accounts.organisations.register import OrganisationRegister
from accounts.people import People
from idp.oidc.clients.client import ClientCache
from idp.oidc.tokens.keys import KeyRing
from idp.oidc.tokens.minting import TokenLifetimes, Tokens

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class ProviderPolicy:
    """The protocol settings of a deployment."""

    lifetimes: TokenLifetimes = field(default_factory=TokenLifetimes)


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
        authority: AuthorityCheck | None = None,
    ) -> None:
        """Without `authority` no enterprise register is asked, so nobody acts for an organisation."""
        self.database = database
        self.issuer = issuer
        self.keys = keys
        self.people = people
        self.policy = policy
        self.now = now
        self.authority = authority or AuthorityCheck(database, OrganisationRegister(people, None))
        self.clients = ClientCache(database)
        self.tokens = Tokens(issuer, keys, policy.lifetimes)
