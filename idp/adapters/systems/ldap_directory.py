"""The staff directory over LDAP: OpenLDAP, Active Directory, and what speaks like them (RFC 4511, 4513, 4515).

A login is a search as the service account and a bind as the entry that was found. A name that is not found costs a
bind, too, so that its answer takes the same time. Every connection has TLS with a verified certificate; only tests and
demonstrations may use a socket file of this machine. Referrals are never followed: they would carry the password to a
server that nobody configured.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars

from accounts.errors import RegistryUnavailable
from accounts.identifiers import divisions
from accounts.ports import StaffMember

log = logging.getLogger(__name__)

LONGEST_NAME = 64
# RFC 4511 §4.1.9: the server's trouble, not the person's. Any other code but success refuses the person.
_TROUBLE = frozenset({1, 2, 3, 11, 51, 52, 80})  # operations, protocol, time, administrative limit, busy, unavailable
_SUCCESS = 0
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # no UTF-8, so no password that a directory could hold
_ENTRY = "searchResEntry"


@dataclass(frozen=True, slots=True)
class LdapPlace:
    """Where the directory is, who asks it, and which attributes say what.

    `filter` limits the search to staff. `division_attribute` may be empty: then everybody belongs to `division`.
    """

    url: str
    base: str
    bind_dn: str
    bind_password: str = field(repr=False)
    division: str
    ca_file: str = ""
    filter: str = "(objectClass=person)"
    login_attribute: str = "uid"
    id_attribute: str = "employeeNumber"
    name_attribute: str = "cn"
    division_attribute: str = ""
    group_attribute: str = "memberOf"
    timeout: int = 5  # seconds, for each step

    @property
    def attributes(self) -> list[str]:
        """What the search asks for."""
        named = (self.id_attribute, self.name_attribute, self.division_attribute, self.group_attribute)
        return [name for name in named if name]


@dataclass(frozen=True, slots=True)
class _Entry:
    dn: str
    values: Mapping[str, list[bytes]] = field(repr=False)

    def first(self, name: str) -> str:
        """The attribute's first value, or nothing."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of the attribute, whatever the case of its name."""
        held = next((values for key, values in self.values.items() if key.casefold() == name.casefold()), [])
        return tuple(value.decode("utf-8", "replace") for value in held)


class _VerifiedTls(ldap3.Tls):  # type: ignore[misc] # ldap3 has no types
    """TLS as Python's ssl verifies it, the host's name included. ldap3's own check leaves a stranger's socket open."""

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - ldap3's signature
        """The connection's socket is encrypted, to the host that the settings name. Raises OSError."""
        context = ssl.create_default_context(cafile=self.ca_certs_file)
        connection.socket = context.wrap_socket(connection.socket, server_hostname=connection.server.host)


class LdapDirectory:
    """An `accounts.ports.StaffDirectory`. Holds no connection: staff log in a few times a day. Threads may share it."""

    def __init__(self, place: LdapPlace) -> None:
        self._place = place

    def authenticate(self, login_name: str, password: str) -> StaffMember | None:
        """The member who proved themselves, or None. Raises RegistryUnavailable.

        An empty password gives None before the directory is asked: a bind without one succeeds, and proves nothing
        (RFC 4513 §5.1.2).
        """
        name = login_name.strip()
        is_text = name.isprintable() and not _LONE_SURROGATE.search(password)
        if not name or not is_text or len(name) > LONGEST_NAME or not password:
            return None
        with _translated():
            entry = self._find(self._place.login_attribute, name)
            dn = entry.dn if entry else f"{self._place.login_attribute}=nobody,ou=no such place,{self._place.base}"
            is_proven = self._lets_in(dn, password)
        return self._member(entry) if entry is not None and is_proven else None

    def find(self, staff_id: str) -> StaffMember | None:
        """The member of that id, if the filter of the settings still finds them. Raises RegistryUnavailable.

        The value must be the same to the letter: directories compare without case, and an id is one person's.
        """
        if not staff_id or not staff_id.isprintable() or len(staff_id) > LONGEST_NAME:
            return None
        with _translated():
            entry = self._find(self._place.id_attribute, staff_id)
        member = None if entry is None else self._member(entry)
        return member if member is not None and member.staff_id == staff_id else None

    def check(self) -> None:
        """The directory answers, lets the service account in, and has the base. Raises RegistryUnavailable."""
        with _translated():
            self._find(self._place.login_attribute, "nobody")

    def _find(self, attribute: str, value: str) -> _Entry | None:
        """The one entry with that value. None for none, and for several: then nobody knows who is meant."""
        place = self._place
        wanted = f"(&{place.filter}({attribute}={escape_filter_chars(value)}))"
        with self._bound(place.bind_dn, place.bind_password) as connection:
            if connection.result["result"] != _SUCCESS:
                raise RegistryUnavailable(detail="the directory refuses the service account")
            connection.search(
                place.base,
                wanted,
                search_scope=ldap3.SUBTREE,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=place.attributes,
                size_limit=2,
                time_limit=place.timeout,
            )
            found = [each for each in connection.response or () if each["type"] == _ENTRY]
            if not found and connection.result["result"] != _SUCCESS:
                raise RegistryUnavailable(detail=f"the search ended with {connection.result['description']}")
        return _Entry(found[0]["dn"], found[0]["raw_attributes"]) if len(found) == 1 else None

    def _lets_in(self, dn: str, password: str) -> bool:
        with self._bound(dn, password) as connection:
            code = connection.result["result"]
        if code in _TROUBLE:
            raise RegistryUnavailable(detail="the directory could not check the password")
        return bool(code == _SUCCESS)

    @contextmanager
    def _bound(self, dn: str, password: str) -> Iterator[ldap3.Connection]:
        """A connection after its bind, which may have been refused: `result` says so. Closed afterwards.

        The password goes as bytes. ldap3 prepares a text (RFC 4013), and a password of characters that vanish then
        becomes the empty one.
        """
        connection = ldap3.Connection(
            self._server(),
            user=dn,
            password=password.encode(),
            authentication=ldap3.SIMPLE,
            auto_referrals=False,
            read_only=True,
            check_names=False,
            receive_timeout=self._place.timeout,
        )
        try:
            connection.open()
            if self._place.url.startswith("ldap://") and not connection.start_tls():
                raise RegistryUnavailable(detail="the directory refuses StartTLS")
            connection.bind()
            yield connection
        finally:
            connection.unbind()
            if connection.socket is not None:  # ldap3 leaves it open where it could not connect
                connection.socket.close()

    def _server(self) -> ldap3.Server:
        place = self._place
        tls = _VerifiedTls(validate=ssl.CERT_REQUIRED, ca_certs_file=place.ca_file or None)
        return ldap3.Server(
            place.url, tls=tls, get_info=ldap3.NONE, connect_timeout=place.timeout, allowed_referral_hosts=[]
        )

    def _member(self, entry: _Entry) -> StaffMember | None:
        """The member as we know them. An entry without an id or with an unknown division is nobody we can let in."""
        place = self._place
        staff_id = entry.first(place.id_attribute)
        division = entry.first(place.division_attribute) if place.division_attribute else place.division
        if not staff_id or divisions.find(division) is None:
            log.warning("staff_entry_unusable reason=%s", "division" if staff_id else "id")
            return None
        return StaffMember(staff_id, entry.first(place.name_attribute), division, entry.all(place.group_attribute))


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of the library and of the network become RegistryUnavailable. Their texts may hold a name: they go."""
    try:
        yield
    except (LDAPException, OSError) as error:
        raise RegistryUnavailable(detail=type(error).__name__) from None
