"""The source of a request: a table of spellings, and which header is trusted."""

import ipaddress

import pytest

from accounts.credentials.network_address import canonical, networks, plain_network
from idp.web.source_address import SourceAddress

PROXIES = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8")))


@pytest.mark.parametrize(
    ("spelled", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7\t", "203.0.113.7"),
        ("203.0.113.7:51234", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::FFFF:cb00:7107", "203.0.113.7"),
        ("0:0:0:0:0:ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
        ("2001:0DB8:0:0:0::0001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("::1", "::1"),
        ("64:ff9b::203.0.113.7", "64:ff9b::cb00:7107"),
        ("", ""),
        ("unknown", ""),
        ("_hidden", ""),
        ("203.0.113.7:", ""),
        ("203.0.113.7:99999", ""),
        ("203.0.113.7:+1", ""),
        ("203.0.113.07", ""),
        ("203.0.113", ""),
        ("3405803783", ""),
        ("0xcb.0.0x71.7", ""),
        ("[203.0.113.7]:443", ""),
        ("[2001:db8::1", ""),
        ("2001:db8::1]:443", ""),
        ("[2001:db8::1]443", ""),
        ("[2001:db8::1]:443 ", "2001:db8::1"),
        ("fe80::1%eth0", ""),
        ("[fe80::1%25eth0]:443", ""),
        ("203.0.113.7, 1.1.1.1", ""),
        ("２０３.0.113.7", ""),
        ("1" * 10_000, ""),
    ],
)
def test_one_spelling_for_each_address(spelled, address):
    """Ports, brackets, case, zeros and the IPv6 form of IPv4 are read; nothing else is an address."""
    assert canonical(spelled) == address


def test_an_ipv4_client_is_never_one_network_with_all_others():
    """A /64 of `::ffff:a.b.c.d` holds all IPv4: a hundred guesses would lock out every IPv4 citizen."""
    assert networks("::ffff:203.0.113.7") == networks("203.0.113.7") == ("203.0.113.7", "203.0.113.7")
    assert networks("2001:db8:1:2:3::4") == ("2001:db8:1:2::/64", "2001:db8:1::/48")
    assert networks("") == ("", "")


@pytest.mark.parametrize(
    ("forwarded", "source"),
    [
        ("for=203.0.113.7", "203.0.113.7"),
        ("For=203.0.113.7;proto=https;by=10.0.0.9", "203.0.113.7"),
        ('for="[2001:DB8::1]:4711"', "2001:db8::1"),
        ('for="203.0.113.7:_port"', "203.0.113.7"),
        ("for=[2001:db8::1]:4711", "2001:db8::1"),  # without the quotes it needs
        ("for=1.1.1.1, for=203.0.113.7", "203.0.113.7"),
        ("for=1.1.1.1,for=203.0.113.7 , for=10.9.9.9", "203.0.113.7"),
        ('for="1.1.1.1, for=203.0.113.7', "203.0.113.7"),  # the client left a quotation mark open
        ('for=203.0.113.7;host="a, for=1.1.1.1"', "203.0.113.7"),
        ('for=203.0.113.7;host="\\", for=1.1.1.1"', "203.0.113.7"),
        ("proto=https;for=203.0.113.7", "203.0.113.7"),
        ("for=203.0.113.7;for=1.1.1.1", "10.0.0.1"),
        ("for=1.1.1.1, proto=https", "10.0.0.1"),
        ("for=1.1.1.1, for=unknown", "10.0.0.1"),
        ("for=1.1.1.1, for=_gazonk", "10.0.0.1"),
        ("for=1.1.1.1,", "10.0.0.1"),
        ("203.0.113.7", "10.0.0.1"),
        ("for 203.0.113.7", "10.0.0.1"),
        ("", "10.0.0.1"),
        (",".join(["for=1.1.1.1", *["for=10.1.1.1"] * 1000]), "10.0.0.1"),
    ],
)
def test_forwarded_is_read_from_the_right(forwarded, source):
    """RFC 7239: pairs, quotation and nodes are read; at a malformed element the source is the proxy."""
    decide = SourceAddress(PROXIES, "Forwarded")
    assert decide.of({"REMOTE_ADDR": "10.0.0.1", "HTTP_FORWARDED": forwarded}) == source


@pytest.mark.parametrize(("header", "source"), [("X-Forwarded-For", "203.0.113.1"), ("Forwarded", "203.0.113.2")])
def test_never_both_headers_are_read(header, source):
    """The header that our proxy does not write comes from the client."""
    environ = {
        "REMOTE_ADDR": "10.0.0.1",
        "HTTP_X_FORWARDED_FOR": "203.0.113.1",
        "HTTP_FORWARDED": "for=203.0.113.2",
    }
    assert SourceAddress(PROXIES, header).of(environ) == source
    other = "HTTP_FORWARDED" if header == "X-Forwarded-For" else "HTTP_X_FORWARDED_FOR"
    assert SourceAddress(PROXIES, header).of({"REMOTE_ADDR": "10.0.0.1", other: environ[other]}) == "10.0.0.1"


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "[::ffff:10.0.0.1]:4711", "10.0.0.1:80", "FD00::1"])
def test_a_proxy_is_known_however_it_is_spelled(peer):
    """This also holds for a network written in the IPv6 form of IPv4."""
    for trusted in (PROXIES, (ipaddress.ip_network("::ffff:10.0.0.0/104"), PROXIES[1])):
        environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": "203.0.113.7"}
        assert SourceAddress(trusted).of(environ) == "203.0.113.7"


def test_a_network_in_the_ipv6_form_is_the_ipv4_network():
    """One comparison then covers both forms."""
    assert plain_network(ipaddress.ip_network("::ffff:10.0.0.0/104")) == ipaddress.ip_network("10.0.0.0/8")
    assert plain_network(ipaddress.ip_network("::/0")) == ipaddress.ip_network("::/0")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_a_header_that_cannot_be_decoded_is_noticed(header):
    """A server hands on a header that is not ASCII as empty: the entry of our own proxy would be lost with it."""
    key = "HTTP_" + header.upper().replace("-", "_")
    behind = SourceAddress((ipaddress.ip_network("127.0.0.0/8"),), header)
    assert behind.is_unreadable({"REMOTE_ADDR": "127.0.0.1", key: ""})
    assert not behind.is_unreadable({"REMOTE_ADDR": "127.0.0.1"})
    assert not SourceAddress().is_unreadable({"REMOTE_ADDR": "127.0.0.1", key: ""})
