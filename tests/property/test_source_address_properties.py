"""For any input the source address is canonical, and only trusted proxies decide it."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from accounts.credentials.network_address import canonical, networks, parse
from idp.web.source_address import SourceAddress

PROXIES = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8")))
PEER = "10.0.0.1"
IPV4, IPV6 = st.ip_addresses(v=4), st.ip_addresses(v=6)
STRANGERS = st.one_of(IPV4, IPV6).filter(
    lambda address: (
        not any((parse(str(address)) or address) in network for network in PROXIES) and "%" not in str(address)
    )
)
NOISE = st.text(alphabet=st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60)


def spellings(address):
    """The address as proxies and clients write it."""
    if address.version == 4:
        mapped = ipaddress.IPv6Address((0xFFFF << 32) | int(address))
        plain = [str(address), f"::ffff:{address}", str(mapped), mapped.exploded, f"::FFFF:{address}"]
        return st.sampled_from([*plain, f"{address}:51234", *(f"[{text}]:443" for text in plain[1:])])
    plain = [str(address), address.exploded, str(address).upper(), address.exploded.upper()]
    return st.sampled_from([*plain, *(f"[{text}]" for text in plain), *(f"[{text}]:65535" for text in plain)])


SPELLED = STRANGERS.flatmap(lambda address: st.tuples(st.just(address), spellings(address)))


@given(SPELLED)
def test_every_spelling_of_an_address_is_one_text(spelled):
    """Case, zeros, ports, brackets and the IPv6 form of an IPv4 address change nothing."""
    address, text = spelled
    assert canonical(text) == str(parse(str(address)))
    assert canonical(canonical(text)) == canonical(text)


@given(NOISE)
def test_what_is_no_address_is_nothing(text):
    """Any other text raises nothing and gives a canonical address or None."""
    found = canonical(text)
    assert found == "" or str(ipaddress.ip_address(found)) == found


@given(SPELLED, NOISE)
def test_the_nearest_stranger_is_the_client(spelled, forged):
    """Elements further left in X-Forwarded-For come from the client and have no effect."""
    address, text = spelled
    source = SourceAddress(PROXIES).of({"REMOTE_ADDR": PEER, "HTTP_X_FORWARDED_FOR": f"{forged},{text}"})
    assert source == canonical(str(address))


@given(SPELLED, NOISE, st.sampled_from(["", ";proto=https", ';host="id.example, \\"x\\""', ';by="[fd00::1]:_x"']))
def test_the_nearest_stranger_is_the_client_in_forwarded(spelled, forged, more):
    """The same for RFC 7239, also after a quotation mark that the client left open."""
    address, text = spelled
    header = f'{forged}, For="{text}"{more}'
    source = SourceAddress(PROXIES, "Forwarded").of({"REMOTE_ADDR": PEER, "HTTP_FORWARDED": header})
    assert source == canonical(str(address))


@given(SPELLED, NOISE, NOISE, st.sampled_from(["X-Forwarded-For", "Forwarded"]))
def test_a_strangers_headers_are_never_read(spelled, forwarded_for, forwarded, header):
    """A peer that is not our proxy is the source, whatever its headers contain."""
    address, text = spelled
    environ = {"REMOTE_ADDR": text, "HTTP_X_FORWARDED_FOR": forwarded_for, "HTTP_FORWARDED": forwarded}
    assert SourceAddress(PROXIES, header).of(environ) == canonical(str(address))


@given(NOISE, NOISE, NOISE, st.sampled_from(["X-Forwarded-For", "Forwarded"]))
def test_nothing_but_canonical_text_comes_out(peer, forwarded_for, forwarded, header):
    """Limits, audit and sessions get one spelling of an address, or none."""
    for given_peer in (peer, PEER):
        environ = {"REMOTE_ADDR": given_peer, "HTTP_X_FORWARDED_FOR": forwarded_for, "HTTP_FORWARDED": forwarded}
        source = SourceAddress(PROXIES, header).of(environ)
        assert source == canonical(source)


@given(IPV6)
def test_a_customers_network_lies_in_its_site(address):
    """Both networks of an address contain it, the /64 within the /48; for IPv4 both are the address itself."""
    narrow, wide = networks(str(address))
    if parse(str(address)).version == 4:
        assert narrow == wide == canonical(str(address))
    else:
        inner, outer = ipaddress.ip_network(narrow), ipaddress.ip_network(wide)
        assert (inner.prefixlen, outer.prefixlen) == (64, 48)
        assert address in inner
        assert inner.subnet_of(outer)
