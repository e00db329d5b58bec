"""What lives as long as the process (Services), and what lives as long as one browser request (UnitOfWork).

Nothing here makes decisions: `build_services` only connects the parts of one process, in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import flask

from accounts.authentication import PasswordAuthentication
from accounts.credentials.bulkhead import Aside
from accounts.credentials.password import PasswordHasher
from accounts.credentials.throttle import Throttle
from accounts.database import Connection, Database
from accounts.errors import DatabaseUnavailable
from accounts.merging.linking import Linking
from accounts.organisations.authority import AuthorityCheck
from accounts.organisations.delegations import Delegations
from accounts.organisations.register import OrganisationRegister
from accounts.people import People
from accounts.ports import EnterpriseRegistry, SmsGateway
from accounts.vault import Vault
from accounts.vault.vault_keys import VaultKeys
from idp.adapters.systems.sandbox_enterprises import SandboxEnterprises
from idp.jobs.resealing import SEALED
from idp.login.interaction import ChannelRules
from idp.oidc.clients.client import ClientCache
from idp.oidc.endpoints.authorization import FormPostPage, plain_page
from idp.oidc.messages import Request
from idp.oidc.provider import Provider, ProviderPolicy
from idp.oidc.tokens.keys import KeyRing
from idp.settings import Settings

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now, aware, in UTC. Only here does a process read its clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Systems:
    """Outside systems, each behind a port of `accounts.ports`; None where this process calls none of that kind."""

    sms: SmsGateway | None = None
    enterprises: EnterpriseRegistry | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one process. Immutable; threads may share it."""

    settings: Settings
    clock: Clock
    database: Database
    vault: Vault
    vault_keys: VaultKeys
    people: People
    hasher: PasswordHasher
    passwords: PasswordAuthentication
    keys: KeyRing
    clients: ClientCache
    provider: Provider
    delegations: Delegations
    register: OrganisationRegister
    authority: AuthorityCheck
    channels: Mapping[str, ChannelRules] = field(default_factory=dict)
    systems: Systems = field(default_factory=Systems)
    form_post_page: FormPostPage = plain_page


def build_services(
    settings: Settings,
    clock: Clock = utc_now,
    *,
    channels: tuple[ChannelRules, ...] = (),
    systems: Systems | None = None,
    admits: bool = True,
    aside: Aside = nullcontext,
) -> Services:
    """The parts of one process, connected to each other but not yet to a database server.

    The command line needs no channels; the web application passes its own. With `admits`, a connection to a database
    that is sealed under other keys is refused; only diagnosis does without. A password check waits inside `aside()`,
    where the thread gives up what other requests need.
    """
    vault = Vault.from_keys(settings.vault_key_pairs(), profile=settings.crypto_profile)
    vault_keys = VaultKeys(vault, clock, SEALED)
    database = Database(
        settings.database_url.get_secret_value(),
        statement_timeout=settings.statement_timeout,
        admit=vault_keys.admit if admits else None,
    )
    people = People(vault)
    hasher = _hasher(settings, aside)
    keys = KeyRing(database, vault)
    systems = systems or _systems(settings)
    register = OrganisationRegister(people, systems.enterprises)
    authority = AuthorityCheck(database, register)
    provider = Provider(
        database=database,
        issuer=settings.issuer,
        keys=keys,
        people=people,
        policy=ProviderPolicy(),
        now=clock,
        authority=authority,
    )
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        vault=vault,
        vault_keys=vault_keys,
        people=people,
        hasher=hasher,
        passwords=PasswordAuthentication(people, hasher, Throttle(), Linking(vault)),
        keys=keys,
        clients=provider.clients,
        provider=provider,
        delegations=Delegations(people, most_managers=settings.managers_at_most),
        register=register,
        authority=authority,
        channels={channel.name: channel for channel in channels},
        systems=systems,
    )


def _systems(settings: Settings) -> Systems:
    """The outside systems that the settings name. The sandbox refuses production."""
    if not settings.sandbox:
        return Systems()
    return Systems(enterprises=SandboxEnterprises(environment=settings.environment))


def require_own_keys(services: Services) -> None:
    """Raises VaultKeyMismatch when other keys seal the database. One that does not answer is compared later."""
    with suppress(DatabaseUnavailable), closing(services.database):
        services.database.connection()


def _hasher(settings: Settings, aside: Aside) -> PasswordHasher:
    return PasswordHasher(
        memory_kib=settings.argon2_memory_kib,
        passes=settings.argon2_passes,
        lanes=settings.argon2_lanes,
        concurrent=settings.argon2_concurrent or None,
        wait=settings.argon2_wait,
        aside=aside,
    )


class UnitOfWork:
    """One browser request: its time, its services, and one transaction that opens at the first use of `c`.

    The transaction commits when the view has produced a response, an error page included. It rolls back only when an
    exception escapes. Costly work (a password check) comes before the first use of `c`, so that no transaction waits
    for it.
    """

    def __init__(self, services: Services, request: Request) -> None:
        self.services = services
        self.request = request
        self.now = services.clock()
        self._open = ExitStack()
        self._connection: Connection | None = None

    @property
    def reading(self) -> Connection:
        """This thread's connection, without a transaction unless `c` opened one: for reads before costly work."""
        return self.services.database.connection()

    @property
    def c(self) -> Connection:
        """The connection of this request, inside its transaction."""
        if self._connection is None:
            self._connection = self._open.enter_context(self.services.database.transaction())
        return self._connection

    def commit(self) -> None:
        """Everything written through `c` is durable. Raises what the database raises; then nothing is written."""
        self._connection = None
        self._open.close()

    def roll_back(self) -> None:
        """Nothing written through `c` remains."""
        self._connection = None
        try:
            self._open.__exit__(_RolledBack, _RolledBack(), None)
        except _RolledBack:
            return


class _RolledBack(Exception):
    pass


def unit_of_work() -> UnitOfWork:
    """The unit of work of the current request. Raises RuntimeError outside a request of our application."""
    work = flask.g.get("unit_of_work")
    if not isinstance(work, UnitOfWork):
        raise RuntimeError("No unit of work: this code runs outside a request of create_app()'s application.")  # noqa: TRY004 - not a type error, a missing request
    return work
