"""What the OpenID Foundation's provider plans expect, one test a module, in plain words.

Basic, Config, Form Post, RP-Initiated Logout and Back-Channel Logout. The client is registered as those plans do it:
through the registration endpoint, without PKCE, with RS256 ID tokens.
"""

import base64
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from idp.interaction import Asked, Row, Standing, Step, next_row
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.endpoints import authorization
from idp.oidc.endpoints.end_session import signed_out_reply
from idp.oidc.errors import RefusedToPerson
from idp.oidc.logout import LogoutRequest, must_confirm, read_logout
from idp.oidc.messages import Reply, Request
from tests.protocol.city import CHALLENGE, GOODBYE, REDIRECT, SCOPES, VERIFIER, Citizen, City, answer_of, build, post
from tests.protocol.city import get as usual_get
from tests.protocol.test_discovery_and_registration import document, invitation, register

NO_PKCE: dict[str, Any] = {"code_challenge": None, "code_challenge_method": None}


class Plan:
    """One conformance plan's client and person."""

    def __init__(self, city: City, mode: str) -> None:
        self.city, self.mode = city, mode
        token = invitation(city, uses=9, require_pkce=False, scopes=list(SCOPES))
        self.client_id, self.secret = self._registered(token, "client_secret_basic")
        self.post_id, self.post_secret = self._registered(token, "client_secret_post")
        self.citizen: Citizen = city.citizen()

    def _registered(self, token: str, method: str) -> tuple[str, str]:
        metadata = {
            "redirect_uris": [REDIRECT],
            "post_logout_redirect_uris": [GOODBYE],
            "backchannel_logout_uri": "https://fund.example/backchannel",
            "backchannel_logout_session_required": True,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
        }
        status, told = register(self.city, token, metadata)
        assert status == 201, told
        self.city.secrets[told["client_id"]] = told["client_secret"]
        return told["client_id"], told["client_secret"]

    def wanted(self, **changes: Any) -> dict[str, Any]:
        return {"client_id": self.client_id, "response_mode": self.mode, **NO_PKCE} | changes

    def asks(self, **changes: Any) -> AuthorizationRequest:
        return self.city.asks(**self.wanted(**changes))

    def refused(self, **changes: Any) -> dict[str, str]:
        return self.answer(self.city.refusal(usual_get(**self.wanted(**changes))))

    def answer(self, reply: Reply) -> dict[str, str]:
        """What arrives at the client, by query or by form."""
        if self.mode == "query":
            return answer_of(reply)
        names = reply.body.decode().split('type="hidden" name="')[1:]
        return {part.split('"')[0]: part.split('value="')[1].split('"')[0] for part in names}

    def code(self, **changes: Any) -> str:
        return self.answer(self.citizen.approves(self.asks(**changes)))["code"]

    def tokens(self, **changes: Any) -> dict[str, Any]:
        status, tokens = self.redeem(self.code(**changes))
        assert status == 200, tokens
        return tokens

    def redeem(self, code: str, **changes: str) -> tuple[int, dict[str, Any]]:
        return self.city.token(code, self.client_id, code_verifier="", **changes)

    def userinfo(self, **changes: Any) -> dict[str, Any]:
        bearer = "Bearer " + self.tokens(**changes)["access_token"]
        status, facts = self.city.answer(Request("GET", "/userinfo", "", {"authorization": bearer}))
        assert status == 200
        return facts

    def id_token(self, tokens: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.city.provider.tokens.read_id_token(tokens["id_token"], self.city.now())
        return found


@pytest.fixture(params=["query", "form_post"])
def plan(request, database, vault, clock) -> Plan:
    return Plan(build(database, vault, clock), request.param)


STEPS = (Step.LOGIN, Step.CONSENT)


def due(asked: AuthorizationRequest, auth_time: datetime | None, sub: str | None = None) -> Row | None:
    """What the policy table still asks of somebody who logged in then and has agreed."""
    wants = Asked(
        created_at=asked.created_at,
        prompt=asked.prompt,
        max_age=None if asked.max_age is None else timedelta(seconds=asked.max_age),
        subject=asked.asked_subject,
    )
    standing = Standing(auth_time=auth_time, acr="urn:yitong:ial2:aal1", sub=sub, consent_needed=False)
    return next_row(wants, standing, STEPS)


# Basic and Form Post ------------------------------------------------------------------------------------------------


def test_server(plan):
    """The plain login works; the ID token is signed RS256 with a kid and names issuer, audience, nonce and time."""
    tokens = plan.tokens()
    head = json.loads(base64.urlsafe_b64decode(tokens["id_token"].split(".")[0] + "=="))
    told = plan.id_token(tokens)
    assert (head["alg"], bool(head["kid"])) == ("RS256", True)
    assert (told["aud"], told["nonce"], tokens["token_type"]) == (plan.client_id, "n-1", "Bearer")
    assert told["iat"] <= told["exp"]
    assert {"sub", "auth_time", "acr", "amr", "sid"} <= set(told)


def test_response_type_missing(plan):
    """Without response_type the client is told invalid_request."""
    assert plan.refused(response_type=None)["error"] == "invalid_request"


@pytest.mark.parametrize("way", ["get", "post_header", "post_body"])
def test_userinfo_three_ways(plan, way):
    """UserInfo answers GET, POST with header and POST with body, with the ID token's sub."""
    tokens = plan.tokens()
    bearer = {"authorization": "Bearer " + tokens["access_token"]}
    if way == "get":
        status, facts = plan.city.answer(Request("GET", "/userinfo", "", bearer))
    elif way == "post_header":
        status, facts = plan.city.answer(Request("POST", "/userinfo", "", bearer))
    else:
        status, facts = plan.city.posts("/userinfo", {"access_token": tokens["access_token"]})
    assert (status, facts["sub"]) == (200, plan.id_token(tokens)["sub"])


def test_request_without_nonce(plan):
    """The code flow needs no nonce, and the ID token then has none."""
    assert "nonce" not in plan.id_token(plan.tokens(nonce=None))


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("openid profile", {"name", "birthdate", "gender", "zoneinfo", "locale", "updated_at"}),
        ("openid email", {"email", "email_verified"}),
        ("openid address", {"address"}),
        ("openid phone", {"phone_number", "phone_number_verified"}),
        ("openid profile email address phone", {"name", "email", "address", "phone_number"}),
        ("email openid", {"email"}),
    ],
)
def test_scopes(plan, scope, names):
    """Each scope, all of them, and another order: UserInfo answers with their claims in their types."""
    facts = plan.userinfo(scope=scope)
    assert names <= set(facts)
    assert isinstance(facts.get("address", {}), dict)
    assert isinstance(facts.get("email_verified", False), bool)
    assert isinstance(facts.get("updated_at", 0), int)


@pytest.mark.parametrize(
    "changes",
    [
        {"display": "page"},
        {"display": "popup"},
        {"extra": "foobar"},
        {"ui_locales": "se"},
        {"claims_locales": "se"},
        {"login_hint": "bob@example.com"},
        {"acr_values": "1 2"},
        {"state": "s" * 384},
        {"nonce": "n" * 384},
    ],
)
def test_harmless_parameters(plan, changes):
    """display, unknown parameters, locales, hints and strange acr values do not stand in the way."""
    assert plan.tokens(**changes)["id_token"]


def test_prompt_login(plan):
    """prompt=login asks again whoever is signed in."""
    asked = plan.asks(prompt="login")
    row = due(asked, asked.created_at - (asked.expires_at - asked.created_at))
    assert row is not None
    assert row.step is Step.LOGIN


def test_prompt_none_not_logged_in(plan):
    """prompt=none with nobody signed in is login_required, at the client."""
    asked = plan.asks(prompt="none")
    row = due(asked, None)
    assert row is not None
    reply = authorization.refusal_reply(plan.city.provider, asked, row.error(row.says))
    assert plan.answer(reply)["error"] == "login_required"


def test_prompt_none_logged_in(plan):
    """prompt=none with somebody signed in answers at once, with the same sub and auth_time."""
    first = plan.id_token(plan.tokens())
    asked = plan.asks(prompt="none")
    assert due(asked, asked.created_at) is None
    second = plan.id_token(plan.tokens(prompt="none"))
    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])


def test_max_age(plan):
    """max_age=1 asks again after a while, max_age=10000 does not, and auth_time is told."""
    assert due(plan.asks(max_age="1"), plan.city.now() - timedelta(seconds=5)) is not None
    assert due(plan.asks(max_age="10000"), plan.city.now() - timedelta(seconds=5)) is None
    assert plan.id_token(plan.tokens(max_age="10000"))["auth_time"] <= plan.city.now().timestamp()


def test_id_token_hint(plan):
    """prompt=none with the hint of who is signed in answers; with somebody else's it is login_required."""
    tokens = plan.tokens()
    asked = plan.asks(prompt="none", id_token_hint=tokens["id_token"])
    assert due(asked, asked.created_at, sub=plan.id_token(tokens)["sub"]) is None
    row = due(asked, asked.created_at, sub="another")
    assert row is not None
    assert row.error.error == "login_required"


@pytest.mark.parametrize("seconds", [0, 30])
def test_code_reuse(plan, seconds):
    """A code that comes again, at once or after 30 seconds, is invalid_grant and ends what it bought."""
    code = plan.code()
    _, tokens = plan.redeem(code)
    plan.city.now.advance(seconds=seconds)
    status, again = plan.redeem(code)
    assert (status, again["error"]) == (400, "invalid_grant")
    bearer = {"authorization": "Bearer " + tokens["access_token"]}
    assert plan.city.answer(Request("GET", "/userinfo", "", bearer))[0] == 401


def test_registered_redirect_uri(plan):
    """An unregistered redirect URI is a page."""
    with pytest.raises(RefusedToPerson):
        plan.asks(redirect_uri=REDIRECT + "/other")


def test_post_request(plan):
    """The authorization request may come by POST."""
    asked = authorization.read_request(plan.city.provider, post(**plan.wanted()), plan.city.now())
    assert plan.answer(plan.citizen.approves(asked))["code"]


def test_client_secret_post(plan):
    """A client registered for client_secret_post authenticates in the body."""
    form = {
        "grant_type": "authorization_code",
        "code": plan.code(client_id=plan.post_id),
        "redirect_uri": REDIRECT,
        "client_id": plan.post_id,
        "client_secret": plan.post_secret,
    }
    assert plan.city.posts("/token", form)[0] == 200


@pytest.mark.parametrize("redirect", [REDIRECT, None])
def test_unsigned_request_object(plan, redirect):
    """A request object is refused as not supported; without a redirect URI beside it, by a page."""
    if redirect is None:
        with pytest.raises(RefusedToPerson):
            plan.asks(request="eyJhbGciOiJub25lIn0.e30.", redirect_uri=None)
    else:
        assert plan.refused(request="eyJhbGciOiJub25lIn0.e30.")["error"] == "request_not_supported"


def test_claims_essential(plan):
    """An essential claim asked for by name comes from UserInfo."""
    assert "name" in plan.userinfo(scope="openid", claims='{"userinfo": {"name": {"essential": true}}}')


def test_refresh_token(plan):
    """A refresh token buys again, the new ID token names the same person and client; another client's is refused."""
    tokens = plan.tokens(scope="openid offline_access", prompt="consent")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    status, again = plan.city.posts("/token", form, authorization=plan.city.basic(plan.client_id))
    assert status == 200, again
    assert plan.id_token(again)["sub"] == plan.id_token(tokens)["sub"]
    stranger = form | {"client_id": plan.post_id, "client_secret": plan.post_secret}
    assert plan.city.posts("/token", stranger)[1]["error"] == "invalid_grant"


def test_valid_pkce(plan):
    """PKCE works for a client that need not use it, and is then binding."""
    bound = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    code = plan.code(**bound)
    assert plan.city.token(code, plan.client_id, code_verifier=VERIFIER)[0] == 200
    code = plan.code(**bound)
    assert plan.redeem(code)[1]["error"] == "invalid_grant"


# Config -------------------------------------------------------------------------------------------------------------


def test_discovery_and_keys(plan):
    """The metadata is public JSON over its own issuer, and the keys are public, each with a kid, RS256 among them."""
    found = document(plan.city)
    reply = plan.city.machine.handle(Request("GET", "/.well-known/openid-configuration"))
    assert reply is not None
    assert ("Content-Type", "application/json") in reply.headers
    assert all(url.startswith("https://") for key, url in found.items() if key.endswith(("_endpoint", "_uri")))
    keys = plan.city.answer(Request("GET", "/jwks"))[1]["keys"]
    assert all(key["kid"] and not {"d", "k", "p", "q"} & set(key) for key in keys)
    assert len({key["kid"] for key in keys}) == len(keys)
    assert "RSA" in {key["kty"] for key in keys}


# RP-Initiated Logout and Back-Channel Logout ------------------------------------------------------------------------


def leave(plan: Plan, **parameters: str) -> LogoutRequest:
    return read_logout(plan.city.provider, Request("GET", "/end_session", urlencode(parameters)), plan.city.now())


def asked_first(asked: LogoutRequest) -> bool:
    return must_confirm(asked, session_id="session-1", sub=None)


def test_logout_is_announced(plan):
    """The metadata names the end-session endpoint and both marks of back-channel logout."""
    found = document(plan.city)
    assert found["end_session_endpoint"].startswith("https://")
    assert found["backchannel_logout_supported"]
    assert found["backchannel_logout_session_supported"]


@pytest.mark.parametrize("state", ["s-9", None])
def test_logout_with_hint(plan, state):
    """Logout with hint and registered URI goes there, with the state if there was one."""
    given = {"state": state} if state else {}
    asked = leave(plan, id_token_hint=plan.tokens()["id_token"], post_logout_redirect_uri=GOODBYE, **given)
    reply = signed_out_reply(asked)
    assert not asked_first(asked)
    assert reply is not None
    assert reply.location == (f"{GOODBYE}?state={state}" if state else GOODBYE)


@pytest.mark.parametrize("given", [{}, {"state": "s"}, {"post_logout_redirect_uri": GOODBYE, "state": "s"}])
def test_logout_without_hint(plan, given):
    """No parameters, only state, or a URI without hint: the person is asked, and sent nowhere."""
    asked = leave(plan, **given)
    assert asked_first(asked)
    assert signed_out_reply(asked) is None


def test_logout_without_uri(plan):
    """With a hint but no URI the signed-out page is shown."""
    asked = leave(plan, id_token_hint=plan.tokens()["id_token"])
    assert not asked_first(asked)
    assert signed_out_reply(asked) is None


@pytest.mark.parametrize("uri", ["https://fund.example/goodbye/other", GOODBYE + "?foo=bar", "https://evil.example/"])
def test_logout_to_unregistered_uri(plan, uri):
    """An unregistered URI, also the registered one with a query added, is a page."""
    with pytest.raises(RefusedToPerson):
        leave(plan, id_token_hint=plan.tokens()["id_token"], post_logout_redirect_uri=uri)


def test_logout_with_changed_hint(plan):
    """A hint that was changed, or is no token at all, proves nothing: the person is asked, and sent nowhere."""
    head, payload, signature = plan.tokens()["id_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) | {"sub": "another"}
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    for bad in (f"{head}.{changed}.{signature}", f"{head}.{payload}.", "bad"):
        asked = leave(plan, id_token_hint=bad, post_logout_redirect_uri=GOODBYE)
        assert asked_first(asked)
        assert signed_out_reply(asked) is None


def test_backchannel_registration_is_kept(plan):
    """The back-channel URI and the demand for a sid are registered, and the ID token carries the sid to match."""
    client = plan.city.client(plan.client_id)
    assert client.backchannel_logout_uri == "https://fund.example/backchannel"
    assert client.backchannel_logout_session_required
    assert plan.id_token(plan.tokens())["sid"] == "session-1"
