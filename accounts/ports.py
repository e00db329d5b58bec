"""The ports of the domain to the systems outside. Each docstring is the contract an adapter's tests prove.

Every call may raise RegistryUnavailable (try later), and none an error of its own library. A call ends within a few
seconds, because a person waits for it. No adapter logs a number, a name or a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from accounts.database import Connection
from accounts.identifiers import Identifier, IdentifierKind, Mobile, Uscc
from accounts.organisations.kinds import OrganisationKind


class LegacyLogin(Protocol):
    """One older system's account that a person may still log in with."""

    @property
    def person_id(self) -> str:
        """The id of the person who owns the account."""
        ...


class LegacyLogins(Protocol):
    """Older systems' accounts, found by the login name their people still type."""

    def find(self, c: Connection, login_name: str) -> Sequence[LegacyLogin]:
        """The live, linked accounts of this login name over all systems, most recently used first, in one statement.

        An adopted account is found as well, because its login name stays valid.
        """
        ...

    def verify(self, login: LegacyLogin, password: str) -> bool:
        """True if the older system would accept this password. False once the account was adopted.

        It must cost less than an Argon2id check. The caller adds exactly one of those to every guess, so that unknown,
        wrong and legacy passwords take the same time.
        """
        ...

    def adopt(self, c: Connection, login: LegacyLogin, *, now: datetime) -> None:
        """Erase the account's own secret, in the caller's transaction: the person now has a password of ours."""
        ...


@dataclass(frozen=True, slots=True)
class ShortMessage:
    """A message to a phone, in one language.

    Operators in China approve texts in advance, so most gateways take the name of a template and the values of its
    variables, in the template's order. `text` is the same message in full, for the others.
    """

    template: str
    language: str
    variables: tuple[tuple[str, str], ...] = field(repr=False)
    text: str = field(repr=False)


class SmsGateway(Protocol):
    """Sends messages to phones, as text or by voice. A message never contains an identity number.

    Both calls may raise MessageRefused (this message will never be accepted), beside RegistryUnavailable (try later).
    """

    def send(self, phone: Mobile, message: ShortMessage) -> str:
        """The gateway accepted the text message. Returns the gateway's reference."""
        ...

    def call(self, phone: Mobile, message: ShortMessage) -> str:
        """The gateway accepted to call the phone and read the message. Returns the gateway's reference."""
        ...


@dataclass(frozen=True, slots=True)
class PlatformAccount:
    """Who is signed in at a platform, by one or two identifiers of its own: (kind, value), the most lasting first.

    A kind names the provider, its identifier and the app for which it holds: `wechat:openid:<app id>`.
    """

    identifiers: tuple[tuple[str, str], ...] = field(repr=False)


class IdentityProvider(Protocol):
    """A platform that tells us which of its accounts is at the browser, such as WeChat. It proves no real name.

    Neither WeChat nor Alipay speaks OpenID Connect: no ID token, no nonce, no PKCE. So everything hangs on `state`,
    which the browser brings back, and on the code, which the platform accepts once.
    """

    @property
    def name(self) -> str:
        """Its name in addresses, records and `PlatformAccount`: `wechat`."""
        ...

    @property
    def code_parameter(self) -> str:
        """The parameter of the callback that holds the code."""
        ...

    def authorization_url(self, *, state: str, redirect_uri: str, user_agent: str) -> str:
        """Where the browser goes next. `state` is of letters and digits, at most 128: WeChat takes nothing else."""
        ...

    def account(self, code: str, *, user_agent: str) -> PlatformAccount:
        """The account that allowed this. `user_agent` is the one for which the address was made.

        Raises NotProven: the code is wrong, was used before or is too old, or the answer is not the platform's.
        """
        ...


@dataclass(frozen=True, slots=True)
class PopulationRecord:
    """What the population registry confirms about a number."""

    matches: bool
    deceased_on: date | None = None


class PopulationRegistry(Protocol):
    """The authority's register of citizens, and of permits and cards as far as it knows them."""

    @property
    def source(self) -> str:
        """Its name as evidence records it, for example `registry:population`."""
        ...

    @property
    def confirms(self) -> frozenset[IdentifierKind]:
        """The kinds of documents that it can confirm. Nothing else is ever sent to it."""
        ...

    def check(self, identifier: Identifier, name: str, phone: Mobile | None = None) -> PopulationRecord:
        """True if number and name belong together, and the phone too if one is given (three elements).

        It never returns a name or a phone; it only confirms them.
        """
        ...


class PersonVerification(Protocol):
    """A check elsewhere that the visitor is the holder of a document: a live face, or the network identity (网证)."""

    @property
    def upstream(self) -> str:
        """Its name in `accounts.evidence.UPSTREAM_LEVELS`, which says what its grades are worth."""
        ...

    def begin(self, identifier: Identifier, name: str, *, reference: str, return_to: str) -> str:
        """The address to which the browser goes next. It contains no number and no name.

        `reference` is ours, random and used once. The browser comes back to `return_to`, which says nothing about the
        result.
        """
        ...

    def outcome(self, identifier: Identifier, name: str, *, reference: str) -> str | None:
        """The grade that the upstream gives, asked from server to server. None while the person has not finished.

        It is about this identifier and name: a result about anybody else is "refused".
        """
        ...


class RegisterStatus(StrEnum):
    """What the register says of an organisation's existence. Only an operating one may be acted for."""

    OPERATING = "operating"  # 存续、在业
    REVOKED = "revoked"  # 吊销
    DEREGISTERED = "deregistered"  # 注销
    MOVED = "moved"  # 迁出


@dataclass(frozen=True, slots=True)
class EnterpriseRecord:
    """An organisation as its register describes it. It has the representative's name, never their number."""

    name: str
    kind: OrganisationKind
    status: RegisterStatus
    legal_representative: str = field(repr=False)
    changed_at: datetime
    address: str | None = None


class EnterpriseRegistry(Protocol):
    """The register of enterprises and of the other organisations that have a unified social credit code."""

    def look_up(self, uscc: Uscc) -> EnterpriseRecord | None:
        """The organisation of this code, also one that has ended, or None when the register has none."""
        ...

    def confirms_representative(self, uscc: Uscc, number: Identifier, name: str) -> bool:
        """True if the person of this number and name is the legal representative now.

        It compares and never returns a number. False for an unknown code. The head of an individual business, a
        partnership, a branch or an institution counts as its legal representative.
        """
        ...

    def changed_since(self, since: datetime) -> Sequence[Uscc]:
        """The codes of the organisations whose record changed at that moment or later, oldest change first."""
        ...


@dataclass(frozen=True, slots=True)
class StaffMember:
    """One clerk or administrator as the directory knows them."""

    staff_id: str
    name: str = field(repr=False)
    division: str
    groups: tuple[str, ...] = ()


class StaffDirectory(Protocol):
    """The directory of the city's staff, e.g. LDAP."""

    def authenticate(self, login_name: str, password: str) -> StaffMember | None:
        """The member who proved themselves, or None. An empty password gives None, whatever the directory answers.

        An unknown name and a wrong password get one answer. Groups are told, and become nothing by themselves.
        """
        ...

    def find(self, staff_id: str) -> StaffMember | None:
        """The member of that staff id, or None once the directory would not let them in any more."""
        ...

    def check(self) -> None:
        """Return if a member could be authenticated now."""
        ...
