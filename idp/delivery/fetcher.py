"""The only HTTP client for addresses that others registered: logout, request and key URIs.

The name is resolved once, every address it has must be public, and the socket connects to that very address, so a name
that resolves differently a moment later gains nothing. No redirects, https only, limited in size and in time.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import SplitResult, urlencode, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_match_hostname import CertificateError

from accounts.errors import AccountsError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Collection[str]]

_URL_CHARACTERS = re.compile(r"[\x21-\x5b\x5d\x5e-\x7e]+")  # printable ASCII without space and backslash
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LOWEST_OPEN_PORT = 1024
# The base classes of everything that the libraries below raise about the other side. ValueError covers urllib3's own
# CertificateError, names that idna cannot encode and malformed numbers. ArithmeticError covers sizes too large for
# this machine.
BROKEN = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError, ValueError, ArithmeticError)
_REFUSED_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64: an IPv4 address in disguise
        "64:ff9b:1::/48",
        "2001::/23",  # Teredo, ORCHID and other protocol assignments
        "2002::/16",  # 6to4: another IPv4 address in disguise
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local
    )
)


class FetchRefused(AccountsError):
    """The provider never contacts this address; `code` says why. No socket was opened."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__()


class FetchFailed(AccountsError):
    """The other side did not answer properly in time; `code` says what failed."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__()


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer of any status. `body` is complete."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """An address that was checked: where the socket connects, and what Host and SNI contain."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[Address, ...]

    @property
    def host_header(self) -> str:
        """The host as the URL has it, with the port unless it is the scheme's default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


_DEFAULT_PORTS = {"https": 443, "http": 80}


def resolve(host: str, port: int) -> tuple[str, ...]:
    """Every address that the system's resolver has for this name. Raises FetchFailed for an unknown name."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchFailed("name_not_found") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: Address) -> bool:
    """True if the address is one host on the internet: not local, private or multicast, and no IPv4 in disguise."""
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped is not None or address.scope_id):
        return False
    if address.is_multicast or address.is_reserved or address.is_unspecified or not address.is_global:
        return False
    return not any(address in network for network in _REFUSED_NETWORKS)


class _Everywhere:
    """Contains every origin: for a demo whose relying systems all run on this machine."""

    def __contains__(self, _origin: object) -> bool:
        return True


EVERYWHERE: Container[str] = _Everywhere()


class Fetcher:
    """Fetches from addresses of others. `allowed_private` lists origins (`http://127.0.0.1:8001`) of a demo or a test.

    Only for a listed origin http and private addresses are accepted, and the certificate is not verified where the
    address is private. The settings refuse the list in production.
    """

    def __init__(
        self,
        *,
        allowed_private: Container[str] = (),
        timeout: timedelta = timedelta(seconds=5),
        largest: int = 64 * 1024,
        resolver: Resolver = resolve,
        ca_file: str | None = None,
    ) -> None:
        self._allowed = allowed_private
        self._timeout = timeout.total_seconds()
        self._largest = largest
        self._resolver = resolver
        self._tls = ssl.create_default_context(cafile=ca_file)

    def get(self, url: str) -> Fetched:
        """The answer to GET. Raises FetchRefused (nothing was sent) or FetchFailed."""
        return self._fetch("GET", url, None, {})

    def post_form(self, url: str, form: Mapping[str, str]) -> Fetched:
        """The answer to POST of a form. Raises FetchRefused (nothing was sent) or FetchFailed."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._fetch("POST", url, urlencode(form).encode(), kind)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Fetched:
        """The answer to POST of these bytes. Raises FetchRefused (nothing was sent) or FetchFailed."""
        return self._fetch("POST", url, body, headers)

    def target(self, url: str) -> Target:
        """The checked target of `url`. Raises FetchRefused if an address must not be contacted, or FetchFailed."""
        parts, port = _split(url)
        host = _host(parts)
        listed = f"{parts.scheme}://{parts.netloc}" in self._allowed
        if parts.scheme != "https" and not listed:
            raise FetchRefused("https_required")
        if port != _DEFAULT_PORTS[parts.scheme] and port < _LOWEST_OPEN_PORT:
            raise FetchRefused("port_not_allowed")
        addresses = self._addresses(host, port)
        if not listed and not all(is_public(address) for address in addresses):
            raise FetchRefused("private_address")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme, host, port, path, addresses)

    def _addresses(self, host: str, port: int) -> tuple[Address, ...]:
        try:
            return (ipaddress.ip_address(host),)
        except ValueError:
            found = self._resolver(host, port)
        try:
            addresses = tuple(ipaddress.ip_address(text) for text in found)
        except ValueError as error:
            raise FetchFailed("name_not_found") from error
        if not addresses:
            raise FetchFailed("name_not_found")
        return addresses

    def _fetch(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Fetched:
        target = self.target(url)
        deadline = time.monotonic() + self._timeout
        connection = self._connect(target, deadline)
        sock = connection.sock  # http.client drops its reference while the body of an answer is still to come
        watchdog = threading.Timer(max(0.0, deadline - time.monotonic()), _hang_up, [sock])
        watchdog.daemon = True
        watchdog.start()
        try:
            self._send(connection, method, target, body, headers)
            return self._receive(connection, deadline)
        except BROKEN as error:
            raise FetchFailed("timed_out" if time.monotonic() >= deadline else "broken_answer") from error
        finally:
            watchdog.cancel()
            connection.close()
            _close(sock)

    def _connect(self, target: Target, deadline: float) -> HTTPConnection:
        for address in target.addresses:
            connection = self._connection(target, address, max(0.05, deadline - time.monotonic()))
            try:
                connection.connect()
            except BROKEN as error:
                connection.close()
                reason = error
            else:
                return connection
        raise FetchFailed(_code_of(reason)) from reason

    def _connection(self, target: Target, address: Address, timeout: float) -> HTTPConnection:
        if target.scheme == "http":
            return HTTPConnection(str(address), target.port, timeout=timeout)
        unverified = not is_public(address)
        return HTTPSConnection(
            str(address),
            target.port,
            timeout=timeout,
            server_hostname=target.host,
            assert_hostname=False if unverified else target.host,
            ssl_context=_without_verification() if unverified else self._tls,
        )

    def _send(
        self, connection: HTTPConnection, method: str, target: Target, body: bytes | None, headers: Mapping[str, str]
    ) -> None:
        own = {"Host": target.host_header, "Accept-Encoding": "identity", "User-Agent": "yitong", "Connection": "close"}
        connection.request(method, target.path, body=body, headers={**own, **headers}, preload_content=False)

    def _receive(self, connection: HTTPConnection, deadline: float) -> Fetched:
        with connection.getresponse() as response:
            received = self._read(response, deadline)
        return Fetched(response.status, received, {k.lower(): v for k, v in response.headers.items()})

    def _read(self, response: urllib3.response.HTTPResponse, deadline: float) -> bytes:
        received = bytearray()
        while chunk := response.read1(8192, decode_content=False):
            received += chunk
            if len(received) > self._largest:
                raise FetchFailed("answer_too_large")
            if time.monotonic() >= deadline:
                raise FetchFailed("timed_out")
        if time.monotonic() >= deadline:  # the watchdog shut the socket: the body is incomplete
            raise FetchFailed("timed_out")
        return bytes(received)


def _split(url: str) -> tuple[SplitResult, int]:
    """The URL's parts and its port. Raises FetchRefused for anything that two parsers might read differently."""
    if not _URL_CHARACTERS.fullmatch(url):
        raise FetchRefused("malformed_url")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FetchRefused("malformed_url") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise FetchRefused("scheme_not_allowed")
    if not parts.hostname or "@" in parts.netloc or parts.fragment or parts.netloc.endswith(":"):
        raise FetchRefused("malformed_url")
    return parts, port if port is not None else _DEFAULT_PORTS[parts.scheme]


def _host(parts: SplitResult) -> str:
    """The host name or address literal. Raises FetchRefused for a decimal, hex, octal or short IPv4 address."""
    host = parts.hostname or ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        if not _HOST_NAME.fullmatch(host):
            raise FetchRefused("malformed_host") from None
    return host


def _without_verification() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _code_of(reason: Exception) -> str:
    """The code of a failed connection. urllib3 has a certificate error of its own beside that of `ssl`."""
    if isinstance(reason, ssl.SSLCertVerificationError | CertificateError):
        return "certificate_refused"
    return "tls_failed" if isinstance(reason, ssl.SSLError) else "no_connection"


def _close(sock: socket.socket | None) -> None:
    """Close the socket at once.

    Its own `close` waits for every file that was made of it, such as that of a half-read answer.
    """
    descriptor = -1 if sock is None else sock.detach()
    if descriptor >= 0:
        socket.close(descriptor)


def _hang_up(sock: socket.socket | None) -> None:
    """Shut the socket at the deadline. Otherwise a server that drips header bytes would hold a thread for ever."""
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
