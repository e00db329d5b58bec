"""The ports of the domain to the systems outside. Each docstring is the contract an adapter's tests prove.

Every call may raise RegistryUnavailable (try later), and none an error of its own library. No adapter logs a number, a
name or a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from accounts.database import Connection
from accounts.identifiers import Identifier, Mobile, Uscc
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


class SmsGateway(Protocol):
    """Sends text messages."""

    def send(self, phone: Mobile, text: str) -> str:
        """The gateway accepted the message. Returns its reference. A message never contains an identity number."""
        ...


@dataclass(frozen=True, slots=True)
class PopulationRecord:
    """What the population registry confirms about a number."""

    matches: bool
    deceased_on: date | None = None


class PopulationRegistry(Protocol):
    """The authority's register of citizens."""

    def check(self, identifier: Identifier, name: str) -> PopulationRecord:
        """True if number and name belong together. It never returns a name; it only confirms one."""
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
        """The member who proved themselves, or None. An empty password gives None, whatever the directory answers."""
        ...
