"""Where a request comes from: the only code that reads a peer's address or what a proxy says about it.

All other code (limits, audit, sessions) sees one canonical spelling, or nothing. Only proxies listed in the settings
are believed, and only in the header that the settings name: a client can send the other one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal

from accounts.credentials.network_address import Address, Network, parse, plain_network

ProxyHeader = Literal["X-Forwarded-For", "Forwarded"]

_MOST_HOPS = 32  # trusted proxies in a row; a longer chain is forged
# RFC 7239 §4: a token, or a quoted string. Some proxies leave out the quotes that `:` and `[` need.
_PAIR = re.compile(r'[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^ \t;,"\\]*))[ \t]*(?:;|\Z)')
_OBFUSCATED_PORT = re.compile(r":_[0-9A-Za-z._-]+\Z")  # RFC 7239 §6


class SourceAddress:
    """Finds the client's address. Immutable: one instance for a process."""

    def __init__(self, trusted_proxies: tuple[Network, ...] = (), header: ProxyHeader = "X-Forwarded-For") -> None:
        self._trusted = tuple(map(plain_network, trusted_proxies))
        self._key = "HTTP_" + header.upper().replace("-", "_")
        self._hops: Callable[[str], Iterator[str]] = _forwarded if header == "Forwarded" else _forwarded_for

    def is_unreadable(self, environ: Mapping[str, Any]) -> bool:
        """True if our proxies' header is there but empty: the server could not decode it, because it is not ASCII.

        Our proxy wrote its entry behind a client's text. Without that entry the request would count as the proxy's own.
        """
        if not self._trusted or environ.get(self._key) != "":
            return False
        peer = parse(environ.get("REMOTE_ADDR", ""))
        return peer is not None and self._is_trusted(peer)

    def of(self, environ: Mapping[str, Any]) -> str:
        """The peer's address, or behind trusted proxies the nearest address that is not one of them.

        An entry that cannot be read ends the walk, and the peer is the answer: the client may have invented everything
        further left. Empty if the peer has no address.
        """
        peer = parse(environ.get("REMOTE_ADDR", ""))
        if peer is None:
            return ""
        return str(self._behind(environ, peer) if self._is_trusted(peer) else peer)

    def _behind(self, environ: Mapping[str, Any], peer: Address) -> Address:
        for text in islice(self._hops(environ.get(self._key, "")), _MOST_HOPS):
            hop = parse(text)
            if hop is None:
                return peer
            if not self._is_trusted(hop):
                return hop
        return peer

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _forwarded_for(value: str) -> Iterator[str]:
    """The addresses of X-Forwarded-For from the right, where the nearest proxy wrote. Several lines arrive joined."""
    while True:
        value, _, last = value.rpartition(",")
        yield last
        if not value:
            return


def _forwarded(value: str) -> Iterator[str]:
    """The `for` of each element of Forwarded (RFC 7239), from the right. Empty for an element that names none.

    It is read from the right, because only there a trusted proxy wrote. A quotation mark that a client left open
    further left must not swallow what the proxy added.
    """
    end, is_quoted = len(value), False
    for at in range(len(value) - 1, -1, -1):
        if value[at] == '"' and not _is_escaped(value, at):
            is_quoted = not is_quoted
        elif value[at] == "," and not is_quoted:
            yield _node(value[at + 1 : end])
            end = at
    yield _node(value[:end])


def _is_escaped(value: str, at: int) -> bool:
    before = value[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _node(element: str) -> str:
    """The value of the element's one `for`. Empty if the element is malformed, or has no `for` or several."""
    named, at = [], 0
    while at < len(element):
        pair = _PAIR.match(element, at)
        if pair is None:
            return ""
        if pair[1].lower() == "for":
            named.append(pair[3] if pair[2] is None else pair[2])
        at = pair.end()
    return _OBFUSCATED_PORT.sub("", named[0]) if len(named) == 1 else ""
