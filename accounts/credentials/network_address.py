"""Network addresses as text: one spelling for each, and the networks that share a limit."""

from __future__ import annotations

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LONGEST = 64  # characters; the longest spelling of an address with brackets and a port has 53
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?", re.ASCII)
_WITH_PORT = re.compile(r"([0-9.]+):([0-9]{1,5})", re.ASCII)
_HIGHEST_PORT = 65535
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_CUSTOMER, _SITE = 64, 48  # bits: the least that an IPv6 customer holds, and what a rented host or a site may hold


def parse(text: str) -> Address | None:
    """The address in the text, with or without port and brackets. None for anything else.

    An IPv4 address inside IPv6 (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2) is read as the IPv4 address, because a
    dual-stack listener writes every IPv4 client so. A scoped address (`fe80::1%eth0`, RFC 4007 §11) contains free text
    and gives None.
    """
    text = text.strip(" \t")
    if len(text) > _LONGEST or "%" in text:
        return None
    found = _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text)
    if found is not None and int(found[2] or 0) > _HIGHEST_PORT:
        return None
    try:
        address = ipaddress.ip_address(found[1] if found else text)
    except ValueError:
        return None
    if found is not None and (address.version == 6) is not text.startswith("["):  # noqa: PLR2004 - the protocol's name
        return None
    return unmapped(address)


def unmapped(address: Address) -> Address:
    """The IPv4 address inside an IPv4-mapped one. Any other address is unchanged."""
    return getattr(address, "ipv4_mapped", None) or address


def canonical(text: str) -> str:
    """The one spelling of the address (RFC 5952; IPv4 in four decimal numbers). Empty for other text."""
    address = parse(text)
    return "" if address is None else str(address)


def plain_network(network: Network) -> Network:
    """The same network, as IPv4 if it lies within the IPv4-mapped addresses."""
    if not isinstance(network, ipaddress.IPv6Network) or not network.subnet_of(_MAPPED):
        return network
    first = unmapped(network.network_address)
    return ipaddress.IPv4Network(f"{first}/{network.prefixlen - _MAPPED.prefixlen}")


def networks(source: str) -> tuple[str, str]:
    """The two networks whose attempts count together: the customer's, and the site's. Other text is returned twice.

    For IPv4 both are the address. For IPv6 they are its /64, which is the least that a customer holds (RFC 6177), and
    its /48: somebody who rents a single host may hold 65,536 of those /64.
    """
    address = parse(source)
    if address is None:
        return source, source
    if address.version == 4:  # noqa: PLR2004 - the protocol's name
        return str(address), str(address)
    narrow, wide = (str(ipaddress.ip_network((address, bits), strict=False)) for bits in (_CUSTOMER, _SITE))
    return narrow, wide
