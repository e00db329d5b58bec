"""The one comparison of URLs: what may be registered, and what is refused."""

import json

import pytest

from accounts.errors import Conflict
from idp.oidc.clients import registry
from idp.oidc.errors import InvalidClientMetadata, InvalidRedirectUri
from idp.oidc.urls import accepted, accepts, check_uri

WEB = "https://rp.example/callback?next=a"
NATIVE = "http://127.0.0.1:8000/cb"
NATIVE6 = "http://[::1]/cb"
HOSTS = (
    "rp.example.evil.example", "evil.example", "rp-example", "rp.example.", "rpxexample", "RP.example", "xrp.example",
    "rp.example@evil.example", "evil.example#rp.example", "evil.example?rp.example", "evil.example\\rp.example",
    "evil.example/rp.example", "rp.example:443", "rp.example:80", "rp.example:", "rp.example%00.evil.example",
    "rp.example%2eevil.example", "rp。example",
    "rp．example", "ｒp.example", "xn--rp-example", "[rp.example]", "rp..example",
    "", "localhost", "127.0.0.1", "0x7f.1",
    "user:pass@rp.example", "rp.example;evil.example", "rp.example&evil.example",
)  # fmt: skip
SCHEMES = (
    "http://", "HTTPS://", "https:", "https:/", "https:///", "https:\\\\", "//", "", "javascript://", "data:", "file://",
    "ftp://", "https ://", " https://", "https://https://", "javascript:alert(1)//https://",
    "blob:https://", "intent://",
)  # fmt: skip
TAILS = (
    "/", "//", "/.", "/..", "/../evil", "/%2e%2e/evil", "%2f", "%00", "%0d%0a", "#", "#x", "?", "&", "&next=b",
    "&next=a",
    ";", ";x", " ", "\t", "\n", "\r\n", "%20", "+", "\\", "@evil.example", ".", "~",
    "\x00", "\x7f", "\u200b", "\ufeff", "\u202e",
)  # fmt: skip
EVERYWHERE = (*" \t\n\r\x00\\/.@:%#?&;=+~a0A", "%00", "%2f", "//", "../", "\u200b", "\u3002")


def hostile():
    """More than five hundred URIs that resemble the registered one and differ from it."""
    rest = WEB.removeprefix("https://rp.example")
    found = {f"https://{host}{rest}" for host in HOSTS}
    found |= {f"{scheme}rp.example{rest}" for scheme in SCHEMES}
    found |= {WEB + tail for tail in TAILS}
    found |= {WEB[:at] + extra + WEB[at:] for at in range(len(WEB) + 1) for extra in EVERYWHERE}
    found |= {WEB[:at] + WEB[at + 1 :] for at in range(len(WEB))}
    found |= {WEB[:at] + f"%{ord(WEB[at]):02x}" + WEB[at + 1 :] for at in range(len(WEB))}
    found |= {WEB[:at] + WEB[at].swapcase() + WEB[at + 1 :] for at in range(len(WEB))}
    found |= {WEB[:at] + chr(ord(WEB[at]) + 0xFEE0) + WEB[at + 1 :] for at in range(len(WEB))}
    return found - {WEB}


def test_hundreds_of_hostile_uris_are_refused():
    """Only the registered bytes are accepted."""
    given = hostile()
    assert len(given) >= 500
    assert [uri for uri in given if accepts(WEB, uri)] == []
    assert accepts(WEB, WEB)


def loopback_hostile():
    found = {NATIVE.replace("127.0.0.1", host) for host in HOSTS if host != "127.0.0.1"}
    found |= {"http://127.0.0.1:8000/cb" + tail for tail in TAILS} | {
        NATIVE[:at] + extra + NATIVE[at:] for at in range(len(NATIVE) + 1) for extra in EVERYWHERE if extra != "0"
    }
    found |= {
        "https://127.0.0.1:8000/cb", "http://127.0.0.2:8000/cb", "http://127.1:8000/cb", "http://localhost:8000/cb",
        "http://0.0.0.0:8000/cb", "http://[::1]:8000/cb", "http://2130706433:8000/cb", "http://0177.0.0.1:8000/cb",
        "http://127.0.0.1:8000", "http://127.0.0.1:8000/", "http://127.0.0.1:8000/CB", "http://127.0.0.1:/cb",
        "http://127.0.0.1:80a/cb", "http://127.0.0.1:-80/cb", "http://127.0.0.1:+80/cb", "http://127.0.0.1:８０/cb",
        "http://127.0.0.1:800000/cb", "http://127.0.0.1:80:80/cb", "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1:80\\@evil.example/cb", "http://evil.example@127.0.0.1:80/cb", "http://127.0.0.1.evil.example:80/cb",
        "http://[::ffff:127.0.0.1]:8000/cb", "http://[0:0:0:0:0:0:0:1]:8000/cb", "http://[::1%25lo]:8000/cb",
    }  # fmt: skip
    return found - {NATIVE}


def test_loopback_differs_in_the_port_only():
    """A native application may use any port; host, path and scheme may not differ (RFC 8252 §7.3)."""
    for port in ("1", "80", "8000", "8001", "49152", "65535"):
        assert accepts(NATIVE, f"http://127.0.0.1:{port}/cb")
        assert accepts(NATIVE6, f"http://[::1]:{port}/cb")
    assert accepts(NATIVE, "http://127.0.0.1/cb")
    assert [uri for uri in loopback_hostile() if accepts(NATIVE, uri)] == []


def test_a_port_is_free_on_loopback_only():
    """For every other host, http or https, another port is another address."""
    for registered in ("https://rp.example/cb", "http://localhost/cb", "https://127.0.0.1/cb", "http://127.0.0.2/cb"):
        for given in (registered.replace("/cb", ":8000/cb"), registered.replace("/cb", ":443/cb")):
            assert not accepts(registered, given)


def test_one_of_many_registered_uris_is_enough():
    """The registered URIs are compared one by one, never joined or cut."""
    assert accepted((WEB, NATIVE), "http://127.0.0.1:9/cb")
    assert accepted((WEB, NATIVE), WEB)
    assert not accepted((WEB, NATIVE), WEB + " " + NATIVE)
    assert not accepted((), WEB)
    assert not accepted((WEB,), "")


REFUSED = (
    "", "/", "callback", "//rp.example/cb", "http://rp.example/cb", "http://localhost/cb", "http://localhost:8000/cb",
    "http://127.0.0.2/cb", "http://127.1/cb", "http://[::2]/cb", "http://0x7f000001/cb", "javascript:alert(1)",
    "data:text/html,x", "file:///etc/passwd", "ftp://rp.example/cb", "custom-app:/cb", "com.example.app://cb",
    "https://", "https:///cb", "https:rp.example", "https://rp.example/cb#", "https://rp.example/cb#x",
    "https://user@rp.example/cb", "https://user:pass@rp.example/cb", "https://@rp.example/cb", "https://rp.example/a/../b",
    "https://rp.example/./b", "https://rp.example/..", "https://rp.example/..;/b", "https://rp.example/a b",
    "https://rp.example/\tb", "https://rp.example/\nb", "https://rp.example/\x00", "https://rp.example\\b",
    "https://rp.example/<b>", 'https://rp.example/"b', "https://rp.example/{b}", "https://rp.example/|b",
    "https://rp.example/^b", "https://rp.example/`b", "https://例子.example/cb", "https://rp.example/回调",
    "https://rp.example:99999/cb", "https://rp.example:port/cb", "https://[::1/cb", "https://[zz]/cb",
    "HTTPS://rp.example/cb", " https://rp.example/cb", "https://rp.example/" + "a" * 2000, "https://*.example/\\cb",
    "https://*.example/cb", "https://rp.example/*", "https://rp.example/\x7f", "https://rp%2eexample/cb", "https://rp.example:/cb",
    "https://[fe80::1%25eth0]/cb",
)  # fmt: skip


@pytest.mark.parametrize(
    "uri",
    [*REFUSED, "https://rp.example/%2e%2E/b"],
)
@pytest.mark.parametrize("name", ["redirect_uris", "post_logout_redirect_uris", "backchannel_logout_uri"])
def test_what_is_unsafe_is_not_registered(uri, name):
    """The refusal names the field and never repeats the URI."""
    with pytest.raises(InvalidRedirectUri) as refused:
        check_uri(uri, name=name)
    assert name in refused.value.description
    assert len(uri) < 20 or uri not in refused.value.description


@pytest.mark.parametrize(
    "uri",
    [
        WEB, NATIVE, NATIVE6, "https://rp.example", "https://rp.example/", "https://rp.example:8443/cb",
        "https://rp.example/cb?a=b&c=%20", "https://rp.example/~u/cb", "https://xn--fsqu00a.example/cb",
        "http://127.0.0.1/cb", "https://[2001:db8::1]/cb", "https://rp.example/...",
    ],
)  # fmt: skip
def test_what_is_safe_is_registered(uri):
    """https, literal loopback, ports and queries may be registered, and registered URIs are accepted."""
    assert check_uri(uri, name="redirect_uris") == uri
    assert accepts(uri, uri)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uris": ()}, InvalidRedirectUri),
        ({"redirect_uris": (WEB, "http://rp.example/cb")}, InvalidRedirectUri),
        ({"redirect_uris": tuple(f"https://rp.example/{n}" for n in range(51))}, InvalidRedirectUri),
        ({"post_logout_redirect_uris": ("http://rp.example/bye",)}, InvalidRedirectUri),
        ({"backchannel_logout_uri": "http://rp.example/logout"}, InvalidClientMetadata),
        ({"method": "none", "require_pkce": False}, InvalidClientMetadata),
        ({"method": "none", "grant_types": ("client_credentials",)}, InvalidClientMetadata),
        ({"legal_basis": "because"}, Conflict),
        ({"id_token_signed_response_alg": "HS256"}, InvalidClientMetadata),
        ({"id_token_signed_response_alg": "none"}, InvalidClientMetadata),
        ({"method": "client_secret_jwt"}, InvalidClientMetadata),
        ({"grant_types": ("password",)}, InvalidClientMetadata),
        ({"client_id": "基金"}, InvalidClientMetadata),
        ({"client_id": "a\nb"}, InvalidClientMetadata),
        ({"client_id": ""}, InvalidClientMetadata),
    ],
)
def test_an_unsafe_client_is_not_created(city, changes, error):
    """The whole registration is refused: no row, no secret."""
    with pytest.raises(error):
        city.register_client(**changes)
    assert registry.every(city.database.connection()) == ()


def test_a_client_id_is_taken_once(city):
    """A second client with the same id is a Conflict, and the first one keeps its secret."""
    first = city.register_client("fund")
    with pytest.raises(Conflict):
        city.register_client("fund")
    assert city.post_as(first, "/token", grant_type="client_credentials").status == 200


def test_a_secret_is_shown_once_and_kept_nowhere(city):
    """Only clients that authenticate by secret have one; repr and row hold only its digest."""
    client = city.register_client("fund")
    assert client.secret.startswith("yt_cs_")
    assert client.secret not in repr(client.client)
    assert "digest" not in repr(client.client)
    assert client.secret not in json.dumps({k: str(v) for k, v in client.client.row().items()})
    assert city.register_client("app", "none").secret is None
    assert city.register_client("keyed", "private_key_jwt").secret is None
