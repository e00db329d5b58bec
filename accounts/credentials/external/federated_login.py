"""Signing in with an account of a platform: the way there, the platform's answer, and the limits of asking it."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime, timedelta

from accounts.credentials.bulkhead import Aside, Bulkhead
from accounts.credentials.external import federated_journeys as journeys
from accounts.credentials.external.federated_identities import FederatedIdentities
from accounts.credentials.external.federated_journeys import Arrival, Departure, Destination
from accounts.credentials.passkeys.challenges import ChallengeOver
from accounts.database import Connection
from accounts.errors import NotProven
from accounts.ports import IdentityProvider, PlatformAccount
from accounts.registration import call_limits
from accounts.registration.call_limits import CallLimits
from accounts.vault import Vault

_AT_A_TIME = 8  # calls of one platform; each ends within seconds
_WAIT = timedelta(seconds=2)
_LONGEST_CODE = 256


class FederatedLogins:
    """The platforms of one deployment. Immutable: one for the process."""

    def __init__(
        self,
        vault: Vault,
        providers: tuple[IdentityProvider, ...] = (),
        *,
        aside: Aside = nullcontext,
        limits: CallLimits | None = None,
    ) -> None:
        """A platform that answers slowly delays its own visitors only: a call waits inside `aside()`."""
        self._vault = vault
        self._providers = {each.name: each for each in providers}
        self._turns = {name: Bulkhead(_AT_A_TIME, _WAIT, named=name, aside=aside) for name in self._providers}
        self._limits = limits or CallLimits()
        self.identities = FederatedIdentities(vault)

    @property
    def names(self) -> tuple[str, ...]:
        """The platforms that are offered, in the order of the deployment."""
        return tuple(self._providers)

    def code_parameter(self, name: str) -> str:
        """The parameter of the callback that holds this platform's code."""
        return self._providers[name].code_parameter

    def depart(
        self, destination: Destination, *, browser: str, redirect_uri: str, user_agent: str, now: datetime
    ) -> tuple[str, Departure]:
        """Where the browser goes next, and what it carries. Nothing is written."""
        departure = journeys.begin(self._vault, destination, browser, now)
        provider = self._providers[destination.provider]
        address = provider.authorization_url(state=departure.state, redirect_uri=redirect_uri, user_agent=user_agent)
        return address, departure

    def arrive(self, name: str, cookie: str, state: str, *, browser: str, now: datetime) -> Arrival:
        """The journey that came back from this platform. Nothing is written: `end` must follow.

        Raises ChallengeOver.
        """
        arrival = journeys.read(self._vault, cookie, state, browser, now)
        if arrival.destination.provider != name:
            raise ChallengeOver
        return arrival

    def account(
        self, c: Connection, name: str, code: str, *, source: str, user_agent: str, now: datetime
    ) -> PlatformAccount:
        """Whose account of the platform it is, asked from server to server.

        Call it outside a transaction, after `arrive`: the call takes long and must stay counted. Raises NotProven,
        RegistryUnavailable, Busy, and Throttled, with which nothing was asked.
        """
        if not 0 < len(code) <= _LONGEST_CODE:
            raise NotProven
        call_limits.count_from(c, name, source=source, now=now, limits=self._limits)
        return self._turns[name].run(lambda: self._providers[name].account(code, user_agent=user_agent))
