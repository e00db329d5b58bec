"""RP-initiated logout: who is asked first, where the browser goes, and which clients are notified."""

from urllib.parse import urlencode

import pytest

from idp.oidc.endpoints.end_session import signed_out_reply
from idp.oidc.errors import RefusedToPerson
from idp.oidc.messages import FORM, Request
from idp.oidc.requests.logout import LogoutRequest, must_confirm, read_logout, targets
from idp.oidc.tokens.minting import TokenSubject
from tests.fixtures.city import GOODBYE, PLAIN_SCOPES, City
from tests.protocol.test_authorization_request import CORPUS


@pytest.fixture
def city(city) -> City:
    city.register_client(scopes=PLAIN_SCOPES, backchannel_logout_uri="https://fund.example/backchannel")
    return city


def hint(city: City, client_id: str = "fund") -> str:
    holder = TokenSubject("sub-1", ("openid",), session_id="session-1")
    return city.provider.tokens.id_token(
        client_id, holder, city.clock(), alg="ES256", nonce=None, access_token=None, released={}
    )


def read(city: City, method: str = "GET", **parameters: str) -> LogoutRequest:
    text = urlencode(parameters)
    request = (
        Request("GET", "/end_session", text)
        if method == "GET"
        else Request("POST", "/end_session", "", {"content-type": FORM}, text.encode())
    )
    return read_logout(city.provider, request, city.clock())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_proven_logout_goes_back(city, method):
    """With our ID token, expired or not, the browser goes to the registered URI with its state, without a question."""
    token = hint(city)
    city.clock.advance(days=2)
    asked = read(city, method, id_token_hint=token, post_logout_redirect_uri=GOODBYE, state="s 1")
    assert not must_confirm(asked, session_id="session-1", sub="sub-1")
    reply = signed_out_reply(asked)
    assert reply is not None
    assert (reply.status, reply.location) == (303, GOODBYE + "?state=s%201")


def test_without_state(city):
    """Without state nothing is added to the URI; without a URI the signed-out page is shown."""
    reply = signed_out_reply(read(city, id_token_hint=hint(city), post_logout_redirect_uri=GOODBYE))
    assert reply is not None
    assert reply.location == GOODBYE
    assert signed_out_reply(read(city, id_token_hint=hint(city), state="s")) is None


def test_who_is_asked_first(city):
    """Without a hint, or with one for another session and person, the person is asked; without a session nobody is."""
    bare, proven = read(city), read(city, id_token_hint=hint(city))
    assert must_confirm(bare, session_id="session-1", sub=None)
    assert must_confirm(proven, session_id="session-2", sub="sub-2")
    assert not must_confirm(proven, session_id="session-2", sub="sub-1")
    assert not must_confirm(bare, session_id=None, sub=None)


def test_unproven_uri_goes_nowhere(city):
    """A URI without hint and client, or with a foreign hint, is dropped; an unregistered one gets a page."""
    token = hint(city)
    header, payload, signature = token.split(".")
    forged = ".".join((header, payload, signature[::-1]))
    assert read(city, post_logout_redirect_uri=GOODBYE).post_logout_redirect_uri is None
    for bad in (forged, "nonsense", "x" * 9000):
        asked = read(city, id_token_hint=bad, client_id="fund", post_logout_redirect_uri=GOODBYE)
        assert (asked.is_proven, asked.post_logout_redirect_uri) == (False, None)
    assert read(city, client_id="fund", post_logout_redirect_uri=GOODBYE).post_logout_redirect_uri == GOODBYE


def test_no_hostile_uri_is_followed(city):
    """No URI of the hostile corpus becomes a Location after logout."""
    token = hint(city)
    for _, uri in CORPUS:
        with pytest.raises(RefusedToPerson):
            read(city, id_token_hint=token, post_logout_redirect_uri=uri.replace("%00", "\x00") or "x")


def test_other_client(city):
    """A hint for one client with the client_id of another gets an error page; so does an unknown client."""
    city.register_client("other")
    for named in ("other", "nobody"):
        with pytest.raises(RefusedToPerson):
            read(city, id_token_hint=hint(city), client_id=named)
    with pytest.raises(RefusedToPerson):
        read(city, client_id="nobody")


def test_repeated_parameter_is_a_page(city):
    """A repeated parameter is refused with a page."""
    with pytest.raises(RefusedToPerson):
        read_logout(city.provider, Request("GET", "/end_session", "state=1&state=2"), city.clock())


def test_access_token_is_no_hint(city):
    """An access token or a logout token proves nothing at the end-session endpoint."""
    holder = TokenSubject("sub-1", ("openid",), session_id="session-1")
    access = city.provider.tokens.access_token("fund", holder, city.clock())
    logout = city.provider.tokens.logout_token("fund", city.clock(), alg="ES256", jti="j", sub="sub-1", sid="session-1")
    assert not read(city, id_token_hint=access).is_proven
    assert not read(city, id_token_hint=logout).is_proven


def test_who_is_told(city):
    """Each client of the session with a back channel is notified under its own sub; the others are not."""
    city.register_client("quiet")
    told = targets(city.provider.clients, [("fund", "sub-1"), ("quiet", "sub-2"), ("gone", "sub-3")], "session-1")
    assert [(t.client_id, t.uri, t.sub, t.sid) for t in told] == [
        ("fund", "https://fund.example/backchannel", "sub-1", "session-1")
    ]
