"""What lives as long as the process (Services), and what lives as long as one browser request (UnitOfWork).

Nothing here makes decisions: `build_services` only connects the parts of one process, in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import flask

from accounts.authentication import PasswordAuthentication
from accounts.credentials.bulkhead import Aside
from accounts.credentials.external.federated_login import FederatedLogins
from accounts.credentials.human_check import HumanChecks
from accounts.credentials.passkeys import Passkeys
from accounts.credentials.passkeys.ceremonies import RelyingParty
from accounts.credentials.password import PasswordHasher
from accounts.credentials.password_rules.breach_list import BreachList, CompromisedPasswords
from accounts.credentials.password_rules.change import PasswordChange
from accounts.credentials.password_rules.policy import PasswordPolicy
from accounts.credentials.sending_limits import SendingLimits
from accounts.credentials.throttle import Throttle
from accounts.database import Connection, Database
from accounts.errors import DatabaseUnavailable
from accounts.merging.linking import Linking
from accounts.organisations.authority import AuthorityCheck
from accounts.organisations.delegations import Delegations
from accounts.organisations.register import OrganisationRegister
from accounts.people import People
from accounts.people.family.helping import Helpers
from accounts.people.recovery import Waits
from accounts.people.recovery.proving import RecoveryProofs
from accounts.ports import (
    EnterpriseRegistry,
    IdentityProvider,
    PersonVerification,
    PopulationRegistry,
    SmsGateway,
    StaffDirectory,
)
from accounts.registration import Registration
from accounts.registration.proofing import Proofing
from accounts.vault import Vault
from accounts.vault.vault_keys import VaultKeys
from idp.adapters.systems.identity_providers.configuration import identity_providers
from idp.adapters.systems.sandbox_directory import SandboxDirectory
from idp.adapters.systems.sandbox_enterprises import SandboxEnterprises
from idp.adapters.systems.sandbox_registry import SandboxPopulation, SandboxVerification
from idp.delivery.fetcher import Fetcher
from idp.jobs.resealing import SEALED
from idp.login.interaction import ChannelRules
from idp.login.phone_codes import PhoneCodes
from idp.oidc.clients.client import ClientCache
from idp.oidc.endpoints.authorization import FormPostPage, plain_page
from idp.oidc.messages import Request
from idp.oidc.provider import Provider, ProviderPolicy
from idp.oidc.tokens.keys import KeyRing
from idp.settings import Settings
from idp.staff.signing_in import StaffAuthentication

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now, aware, in UTC. Only here does a process read its clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Systems:
    """Outside systems, each behind a port of `accounts.ports`; None where this process calls none of that kind."""

    sms: SmsGateway | None = None
    staff: StaffDirectory | None = None
    population: PopulationRegistry | None = None
    verifications: tuple[PersonVerification, ...] = ()
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
    passkeys: Passkeys
    federated: FederatedLogins
    human_checks: HumanChecks
    password_policy: PasswordPolicy
    password_change: PasswordChange
    phone_codes: PhoneCodes
    recovery: RecoveryProofs
    registration: Registration
    proofing: Proofing
    keys: KeyRing
    clients: ClientCache
    provider: Provider
    delegations: Delegations
    helpers: Helpers
    register: OrganisationRegister
    authority: AuthorityCheck
    channels: Mapping[str, ChannelRules] = field(default_factory=dict)
    systems: Systems = field(default_factory=Systems)
    staff: StaffAuthentication | None = None
    form_post_page: FormPostPage = plain_page

    @property
    def sends_messages(self) -> bool:
        """Whether `yitong worker` of this deployment delivers text messages."""
        return bool(self.settings.sandbox or self.settings.sms_gateway)


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
    where the thread gives up what other requests need. Raises BreachListRefused and
    IdentityProviderMisconfigured.
    """
    vault = Vault.from_keys(settings.vault_key_pairs(), profile=settings.crypto_profile)
    vault_keys = VaultKeys(vault, clock, SEALED)
    database = _database(settings, vault_keys if admits else None)
    people = People(vault)
    hasher = _hasher(settings, aside)
    breached = BreachList(Path(settings.breach_list)) if settings.breach_list else frozenset[str]()
    policy = PasswordPolicy(breached=breached)
    keys = KeyRing(database, vault)
    systems = systems or _systems(settings)
    register = OrganisationRegister(people, systems.enterprises)
    authority = AuthorityCheck(database, register)
    provider = _provider(settings, database, keys, people, clock, authority)
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        vault=vault,
        vault_keys=vault_keys,
        people=people,
        hasher=hasher,
        passwords=PasswordAuthentication(people, hasher, Throttle(), Linking(vault), CompromisedPasswords(breached)),
        passkeys=Passkeys(vault, RelyingParty(settings.rp_id, settings.origin)),
        federated=FederatedLogins(vault, platforms(settings, clock) if channels else (), aside=aside),
        human_checks=HumanChecks(vault),
        password_policy=policy,
        password_change=PasswordChange(people, hasher, policy),
        phone_codes=PhoneCodes(people, vault, SendingLimits(daily_budget=settings.sms_daily_budget)),
        recovery=RecoveryProofs(people, Throttle(), Waits(settings.recovery_wait, settings.recovery_wait_stronger)),
        registration=Registration(people, hasher, policy),
        proofing=_proofing(vault, systems),
        keys=keys,
        clients=provider.clients,
        provider=provider,
        delegations=Delegations(people, most_managers=settings.managers_at_most),
        helpers=Helpers(people),
        register=register,
        authority=authority,
        channels={channel.name: channel for channel in channels},
        systems=systems,
        staff=_staff_authentication(vault, systems, aside),
    )


def _database(settings: Settings, keys: VaultKeys | None) -> Database:
    return Database(
        settings.database_url.get_secret_value(),
        statement_timeout=settings.statement_timeout,
        admit=keys.admit if keys else None,
    )


def _staff_authentication(vault: Vault, systems: Systems, aside: Aside) -> StaffAuthentication | None:
    return StaffAuthentication(vault, systems.staff, Throttle(), aside=aside) if systems.staff else None


def _provider(
    settings: Settings, database: Database, keys: KeyRing, people: People, clock: Clock, authority: AuthorityCheck
) -> Provider:
    return Provider(
        database=database,
        issuer=settings.issuer,
        keys=keys,
        people=people,
        policy=ProviderPolicy(),
        now=clock,
        authority=authority,
    )


def _proofing(vault: Vault, systems: Systems) -> Proofing:
    return Proofing(vault, systems.population, systems.verifications)


def _systems(settings: Settings) -> Systems:
    """The outside systems that the settings name. Those of the sandbox refuse production."""
    staff = _staff(settings)
    if not settings.sandbox:
        return Systems(staff=staff)
    where = settings.environment
    return Systems(
        staff=staff,
        population=SandboxPopulation(environment=where),
        verifications=tuple(
            SandboxVerification(name, environment=where) for name in ("face_match", "network_identity")
        ),
        enterprises=SandboxEnterprises(environment=where),
    )


def platforms(settings: Settings, clock: Clock) -> tuple[IdentityProvider, ...]:
    """WeChat and Alipay, as far as the operator's file names them. Raises IdentityProviderMisconfigured."""
    if not settings.identity_providers:
        return ()
    return identity_providers(
        Path(settings.identity_providers),
        lambda origins: Fetcher(allowed_private=origins),
        clock,
        environment=settings.environment,
    )


def require_own_keys(services: Services) -> None:
    """Raises VaultKeyMismatch when other keys seal the database. One that does not answer is compared later."""
    with suppress(DatabaseUnavailable), closing(services.database):
        services.database.connection()


def _staff(settings: Settings) -> StaffDirectory | None:
    """The directory that the settings name, or in a sandbox the invented one. Raises SandboxInProduction."""
    if not settings.ldap_url:
        return SandboxDirectory(environment=settings.environment) if settings.sandbox else None
    from idp.adapters.systems.ldap_directory import LdapDirectory, LdapPlace  # noqa: PLC0415 - ldap3 loads slowly

    return LdapDirectory(
        LdapPlace(
            url=settings.ldap_url,
            base=settings.ldap_base,
            bind_dn=settings.ldap_bind_dn,
            bind_password=settings.ldap_bind_password.get_secret_value(),
            division=settings.ldap_division,
            ca_file=settings.ldap_ca_file,
            filter=settings.ldap_filter,
            login_attribute=settings.ldap_login_attribute,
            id_attribute=settings.ldap_id_attribute,
            division_attribute=settings.ldap_division_attribute,
            timeout=settings.ldap_timeout,
        )
    )


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
