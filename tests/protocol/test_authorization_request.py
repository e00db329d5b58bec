"""The authorization endpoint: which requests it accepts, which it refuses, and where the response goes."""

import base64
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from idp.oidc.clients import registry
from idp.oidc.endpoints import authorization
from idp.oidc.errors import RefusedToPerson
from idp.oidc.messages import FORM, Request
from idp.oidc.requests import request_store
from idp.oidc.requests.authorization_request import (
    TRANSITIONS,
    AuthorizationRequest,
    RequestEvent,
    RequestState,
    WrongState,
    next_state,
)
from idp.oidc.requests.validation import CHECKS, AuthorizationError
from idp.oidc.tokens.minting import TokenSubject
from idp.oidc.urls import accepts
from idp.oidc.vocabulary import AUTHORIZATION_CODE, REFRESH_TOKEN
from tests.fixtures.city import PLAIN_SCOPES, City
from tests.fixtures.messages import CALLBACK, CHALLENGE, ISSUER, get, header, parameters, post, redirect_parameters


@pytest.fixture
def city(city) -> City:
    """With one relying system, `fund`."""
    city.register_client(scopes=PLAIN_SCOPES, grant_types=(AUTHORIZATION_CODE, REFRESH_TOKEN))
    return city


def hostile_uris() -> Iterator[tuple[str, str]]:
    """(registered, given): every known way to make two URIs look alike, for each kind of registered URI."""
    hosts = ("fund.example", "127.0.0.1:8001", "[::1]:8001")
    for host in hosts:
        scheme = "https" if host == "fund.example" else "http"
        good = f"{scheme}://{host}/callback"
        bare = host.partition(":8001")[0]
        yield from ((good, uri) for uri in _twisted(scheme, host, bare))
    for character in [*map(chr, range(33)), "\x7f", "\u3002", "\uff0f", "\u2044", "\u0430", "%00", "%0d%0a", "\\", "@"]:
        for place in range(0, len(CALLBACK) + 1, 4):
            yield CALLBACK, CALLBACK[:place] + character + CALLBACK[place:]


def _twisted(scheme: str, host: str, bare: str) -> Iterator[str]:
    good = f"{scheme}://{host}/callback"
    tails = ("/", "?", "#", "?a=b", "#a", "/..", "/../callback", "/..;/x", "%2f", "%2e%2e", ";x", "//", "\\", ".")
    yield from (good + tail for tail in tails)
    yield from (f"{other}://{host}/callback" for other in ("javascript", "data", "file", "ftp", "HTTPS", "HTTP", "ws"))
    evil = ("evil.example", "evil.example:80")
    yield from (f"{scheme}://{a}@{b}/callback" for a, b in itertools.product((host, bare, "a@b"), evil))
    yield from (f"{scheme}://{b}@{host}/callback" for b in evil)
    yield from (
        f"{scheme}://{bare}{joint}evil.example/callback" for joint in (".", "\\@", "%40", "#@", "?@", "&", "%2f")
    )
    yield from (f"{scheme}://evil.example{joint}{host}/callback" for joint in ("/", "?", "#", "\\", "@", "%5c"))
    yield from (f"{scheme}://{bare}:{port}/callback" for port in ("x", "-1", "80@evil.example", "99999999", "80a"))
    yield from (f"{scheme}://{bare}/{path}" for path in ("Callback", "callback/", "call%62ack", "//callback", "."))
    yield from (f"{scheme}:{slashes}{host}/callback" for slashes in ("", "/", "///", "\\\\", "/\\"))
    yield from (
        f"{scheme}://{other}/callback" for other in ("localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:7f00:1]")
    )


CORPUS = tuple(hostile_uris())


def _same_but_port(registered: str, given: str) -> bool:
    """An independent check of the comparison: equal after the port of a literal loopback is removed."""
    for host in ("http://127.0.0.1", "http://[::1]"):
        if registered.startswith(host) and given.startswith(host):
            mine, theirs = (uri[len(host) :].split("/", 1) for uri in (registered, given))
            port = theirs[0]
            ported = port == "" or (port[:1] == ":" and port[1:].isdecimal() and port.isascii())
            return ported and mine[1:] == theirs[1:]
    return False


def test_corpus_is_large():
    """The comparison is tested with at least five hundred hostile URIs."""
    assert len(set(CORPUS)) >= 500


def test_accepted_means_equal_or_loopback_port():
    """A URI is accepted only if byte-equal to the registered one, or loopback with another port only."""
    wrong = [(a, b) for a, b in CORPUS if accepts(a, b) and a != b and not _same_but_port(a, b)]
    assert wrong == []


def test_no_hostile_uri_gets_a_redirect(city):
    """No URI of the corpus becomes a Location, whatever else is right or wrong with the request."""
    for _, uri in CORPUS:
        if uri == CALLBACK:
            continue
        with pytest.raises(RefusedToPerson):
            authorization.read_request(city.provider, get(redirect_uri=uri), city.clock())


ERRORS = {
    "response_type": ({"response_type": None}, "invalid_request"),
    "implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "hybrid": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "no scope": ({"scope": None}, "invalid_scope"),
    "nothing left of scope": ({"scope": "made_up"}, "invalid_scope"),
    "malformed scope": ({"scope": 'open"id'}, "invalid_scope"),
    "long scope": ({"scope": "openid " + "a" * 2100}, "invalid_request"),
    "no PKCE": ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    "plain PKCE": ({"code_challenge_method": "plain"}, "invalid_request"),
    "PKCE by default plain": ({"code_challenge_method": None}, "invalid_request"),
    "short challenge": ({"code_challenge": "abc"}, "invalid_request"),
    "long nonce": ({"nonce": "n" * 1025}, "invalid_request"),
    "none with login": ({"prompt": "none login"}, "invalid_request"),
    "unknown prompt": ({"prompt": "create"}, "invalid_request"),
    "max_age": ({"max_age": "-1"}, "invalid_request"),
    "max_age not a number": ({"max_age": "soon"}, "invalid_request"),
    "claims": ({"claims": "{"}, "invalid_request"),
    "claims not an object": ({"claims": "[]"}, "invalid_request"),
    "claims member": ({"claims": '{"userinfo": ["name"]}'}, "invalid_request"),
    "claims wish": ({"claims": '{"userinfo": {"name": true}}'}, "invalid_request"),
    "foreign acr": (
        {"claims": '{"id_token": {"acr": {"essential": true, "values": ["gold"]}}}'},
        "unmet_authentication_requirements",
    ),
    "acr no text": ({"claims": '{"id_token": {"acr": {"essential": true, "values": [3]}}}'}, "invalid_request"),
    "acr none of none": ({"claims": '{"id_token": {"acr": {"essential": true, "values": []}}}'}, "invalid_request"),
    "acr value no text": ({"claims": '{"id_token": {"acr": {"essential": true, "value": 3}}}'}, "invalid_request"),
    "sub no text": ({"claims": '{"id_token": {"sub": {"value": 3}}}'}, "invalid_request"),
    "sub of several": ({"claims": '{"id_token": {"sub": {"values": ["a", "b"]}}}'}, "invalid_request"),
    "hint": ({"id_token_hint": "not.a.token"}, "invalid_request"),
    "request": ({"request": "e30.e30."}, "request_not_supported"),
    "request_uri": ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
    "registration": ({"registration": "{}"}, "registration_not_supported"),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("ask", [get, post])
def test_errors_reach_the_client(city, name, ask):
    """Each error goes to the registered URI as the specification's code, with state and issuer."""
    changes, expected = ERRORS[name]
    answer = redirect_parameters(city.refuse_request(ask(**changes)))
    assert answer["error"] == expected
    assert answer["error_description"].isascii()
    assert (answer["state"], answer["iss"]) == ("s-1", ISSUER)


def unsigned(**claims: Any) -> str:
    """A request object without a signature."""
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def test_a_refused_request_object_says_how_to_be_refused(city):
    """A client that sent its whole request as an object gets the error in its response_mode with its state."""
    wanted = unsigned(response_mode="form_post", state="s-inside", redirect_uri="https://evil.example/")
    reply = city.refuse_request(get(request=wanted, state=None))
    assert (reply.status, reply.location) == (200, None)
    for told in (f'action="{CALLBACK}"', 'value="request_not_supported"', 'value="s-inside"'):
        assert told in reply.body.decode()


@pytest.mark.parametrize("state", ["s\r\nSet-Cookie: a=b", "\ud800", "s" * 2049, 7, None, {"a": "b"}])
def test_what_no_parameter_could_say_is_not_echoed(city, state):
    """A state that only JSON can hold is dropped; a state parameter overrides the object's state."""
    assert "state" not in redirect_parameters(city.refuse_request(get(request=unsigned(state=state), state=None)))
    assert redirect_parameters(city.refuse_request(get(request=unsigned(state="inside"))))["state"] == "s-1"


@pytest.mark.parametrize("name", ERRORS)
def test_errors_never_reach_a_stranger(city, name):
    """Each error with an unregistered URI or an unknown client is a page without Location."""
    changes, _ = ERRORS[name]
    for wrong in ({"redirect_uri": "https://evil.example/"}, {"client_id": "nobody"}, {"redirect_uri": None}):
        with pytest.raises(RefusedToPerson):
            authorization.read_request(city.provider, get(**changes, **wrong), city.clock())


def test_disabled_client_gets_a_page(city):
    """A disabled client's request gets an error page, not a redirect."""
    with city.database.transaction() as c:
        registry.change_status(c, "fund", "disabled", now=city.clock())
    city.provider.clients._fresh_until = 0
    with pytest.raises(RefusedToPerson) as refused:
        city.read_request()
    assert refused.value.code == "client_disabled"


@pytest.mark.parametrize("name", ["scope", "state", "nonce", "x"])
def test_repeated_parameter_is_told(city, name):
    """A repeated parameter is invalid_request at the client, as long as client and URI are certain."""
    query = urlencode(parameters(x="1")) + f"&{name}=again"
    answer = redirect_parameters(city.refuse_request(Request("GET", "/authorize", query)))
    assert answer["error"] == "invalid_request"
    assert answer.get("state") == (None if name == "state" else "s-1")


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "client%5fid"])
def test_repeated_address_is_refused(city, name):
    """With two client ids or two URIs in one request there is no redirect."""
    query = urlencode(parameters()) + f"&{name}={quote('https://evil.example/')}"
    with pytest.raises(RefusedToPerson):
        authorization.read_request(city.provider, Request("GET", "/authorize", query), city.clock())


def test_control_characters_and_broken_utf8(city):
    """Control characters and broken UTF-8 are invalid_request, and none of them is echoed."""
    for bad in ("nonce=%0d%0aSet-Cookie:x", "nonce=%ff", "nonce=%00"):
        query = urlencode(parameters(nonce=None)) + "&" + bad
        answer = redirect_parameters(city.refuse_request(Request("GET", "/authorize", query)))
        assert answer["error"] == "invalid_request"


def test_post_needs_a_form(city):
    """A POST that is not a form gets a page: nothing in it can be trusted."""
    with pytest.raises(RefusedToPerson):
        authorization.read_request(city.provider, Request("POST", "/authorize", "", {}, b"{}"), city.clock())


def test_long_state_is_not_echoed(city):
    """A state too long to store is refused, and not sent back."""
    answer = redirect_parameters(city.refuse_request(get(state="s" * 3000)))
    assert (answer["error"], answer.get("state")) == ("invalid_request", None)


def test_whole_request_is_kept(city):
    """The database returns the request of a client as it was read."""
    asked = city.read_request(
        scope="openid profile phone unknown",
        prompt="login consent",
        max_age="600",
        acr_values="gold urn:yitong:ial2:aal1",
        ui_locales="en zh-CN nonsense!",
        claims='{"userinfo": {"name": null, "email": {"essential": true}}}',
        display="popup",
        claims_locales="en",
        login_hint="xiaoman",
        x_unknown="1",
    )
    assert asked.scopes == ("openid", "profile", "phone")
    assert asked.acr_values == ("urn:yitong:ial2:aal1",)
    assert asked.ui_locales == ("en", "zh-CN")
    assert asked.max_age == 600
    with city.database.transaction() as c:
        authorization.open_request(c, city.provider, asked, city.clock(), binding=b"b" * 32)
        stored = request_store.find(c, city.provider.people.vault, asked.id)
    assert stored is not None
    assert stored.browser_binding == b"b" * 32
    assert (stored.claims, stored.prompt, stored.code_challenge) == (asked.claims, asked.prompt, CHALLENGE)
    assert (stored.client_state, stored.nonce) == (asked.client_state, asked.nonce) == ("s-1", "n-1")


def test_client_without_pkce(city):
    """Only a client registered without PKCE may leave it out, and a challenge it sends must still be S256."""
    city.register_client("old", require_pkce=False)
    assert city.read_request(client_id="old", code_challenge=None, code_challenge_method=None).code_challenge is None
    assert city.read_request(client_id="old").code_challenge == CHALLENGE
    reply = city.refuse_request(get(client_id="old", code_challenge_method="plain"))
    assert redirect_parameters(reply)["error"] == "invalid_request"


def test_client_not_registered_for_code(city):
    """A client that only has client_credentials gets an error."""
    city.register_client("robot", grant_types=("client_credentials",))
    assert redirect_parameters(city.refuse_request(get(client_id="robot")))["error"] == "unauthorized_client"


def test_offline_access_needs_the_grant(city):
    """offline_access has no effect for a client without the refresh_token grant."""
    city.register_client("brief", grant_types=("authorization_code",))
    assert city.read_request(client_id="brief", scope="openid offline_access").scopes == ("openid",)
    assert city.read_request(scope="openid offline_access").scopes == ("openid", "offline_access")


def test_hint_names_the_subject(city):
    """Our ID token, expired or not, names the person; one for another client or person is refused."""

    def hint(client_id: str) -> str:
        holder = TokenSubject("sub-1", ("openid",))
        return city.provider.tokens.id_token(
            client_id, holder, city.clock(), alg="ES256", nonce=None, access_token=None, released={}
        )

    mine, other = hint("fund"), hint("another")
    city.clock.advance(days=1)
    assert city.read_request(id_token_hint=mine).requested_subject == "sub-1"
    assert redirect_parameters(city.refuse_request(get(id_token_hint=other)))["error"] == "invalid_request"
    clash = get(id_token_hint=mine, claims='{"id_token": {"sub": {"value": "sub-2"}}}')
    assert redirect_parameters(city.refuse_request(clash))["error"] == "login_required"


@pytest.mark.parametrize(
    ("asked", "kept"), [("2147483647", 2**31 - 1), ("2147483648", 2**31 - 1), ("9" * 10, 2**31 - 1)]
)
def test_an_age_of_more_than_a_lifetime_is_stored_as_one(city, asked, kept):
    """A max_age of ten digits is accepted, in either database."""
    citizen, request = city.person, city.read_request(max_age=asked)
    assert request.max_age == kept
    assert "code" in redirect_parameters(citizen.approve(request))


def test_essential_acr_is_kept(city):
    """An essential acr is stored as a condition, a voluntary one only as a wish."""
    level = "urn:yitong:ial3:aal2"
    wish = {"id_token": {"acr": {"essential": True, "values": [level]}}}
    assert city.read_request(claims=json.dumps(wish)).essential_acr == (level,)
    assert city.read_request(acr_values=level).essential_acr == ()
    assert city.read_request(acr_values=level).requested_acr == (level,)


def test_code_comes_back(city):
    """An approval redirects with 303 and code, state and issuer; it is not stored and sends no referrer."""
    reply = city.person.approve(city.read_request())
    answer = redirect_parameters(reply)
    assert answer["code"].startswith("yt_ac_")
    assert (answer["state"], answer["iss"]) == ("s-1", ISSUER)
    assert header(reply, "Cache-Control") == "no-store"
    assert header(reply, "Referrer-Policy") == "no-referrer"


def test_query_of_the_redirect_uri_survives(city):
    """A registered URI with a query keeps it, and our parameters are added."""
    uri = "https://fund.example/cb?tenant=lz"
    city.register_client("tenant", redirect_uris=(uri,))
    reply = city.person.approve(city.read_request(client_id="tenant", redirect_uri=uri))
    assert reply.location is not None
    assert reply.location.startswith(uri + "&code=")


def test_code_is_stored_as_digest_only(city):
    """The code itself is nowhere in the database."""
    reply = city.person.approve(city.read_request())
    code = redirect_parameters(reply)["code"]
    rows = city.database.connection().rows(request_store._FIND, request_id=city.read_request().id)
    assert code not in repr(rows)


def test_answer_by_form(city):
    """form_post responses and errors are a page that submits itself, with a button for browsers without script."""
    reply = city.person.approve(city.read_request(response_mode="form_post", state='"><script>alert(1)</script>'))
    page = reply.body.decode()
    assert (reply.status, reply.location) == (200, None)
    assert 'name="code"' in page
    assert 'name="iss"' in page
    assert "<button" in page
    assert "<script>alert" not in page
    policy = header(reply, "Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert policy.split("'nonce-")[1].split("'")[0] in page
    error = city.refuse_request(get(response_mode="form_post", scope=None))
    assert 'value="invalid_scope"' in error.body.decode()


def test_states_are_a_table():
    """Each pair of state and event is either in the table or refused."""
    for state, event in itertools.product(RequestState, RequestEvent):
        if (state, event) in TRANSITIONS:
            assert next_state(state, event) is TRANSITIONS[state, event]
        else:
            with pytest.raises(WrongState):
                next_state(state, event)


def test_checks_have_one_name_each():
    """Each row of the table of checks is named after its function, once."""
    names = [check.name for check in CHECKS]
    assert names == [check.run.__name__ for check in CHECKS]
    assert len(set(names)) == len(names)


def test_noise_is_never_a_traceback(city):
    """A thousand malformed requests are each read as a request or refused with one of our errors."""
    noise = random.Random(20260302)
    alphabet = "abc=&%;+#?\\\"'{}[]:/@.,1\u00e9\u4e2d"
    outcomes = Counter()
    for _ in range(1000):
        usual = list(parameters().items())
        noise.shuffle(usual)
        name, _value = usual[0]
        junk = "".join(noise.choices(alphabet, k=noise.randrange(30)))
        query = urlencode([*usual[1:], (noise.choice([name, "claims", "prompt", "max_age", "id_token_hint"]), junk)])
        for request in (
            Request("GET", "/authorize", query),
            Request("POST", "/authorize", "", {"content-type": FORM}, query.encode()),
        ):
            outcomes[_outcome(city, request)] += 1
    assert outcomes.total() == 2000
    assert set(outcomes) == {AuthorizationRequest, AuthorizationError, RefusedToPerson}


def _outcome(city, request):
    try:
        return type(authorization.read_request(city.provider, request, city.clock()))
    except (AuthorizationError, RefusedToPerson) as refusal:
        return type(refusal)
