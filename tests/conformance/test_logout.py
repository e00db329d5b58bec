"""The OpenID Foundation's RP-Initiated and Back-Channel Logout plans, one test for each module, in plan order."""

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey

from idp.cli.worker import delivery_channels
from idp.delivery.fetcher import Fetched, Fetcher
from idp.delivery.outbox import undelivered
from idp.delivery.worker import Worker
from tests.conformance.automation import Arrival
from tests.conformance.suite import GOODBYE, ISSUER, NOTICES, Module

EVENT = "http://schemas.openid.net/event/backchannel-logout"
STATE = secrets.token_hex(64)


class Suite(Fetcher):
    """The suite's back-channel address: it records what it gets and responds as every relying system should."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, dict[str, str]]] = []

    def post_form(self, url, form):
        self.heard.append((url, dict(form)))
        return Fetched(200, b"", {})


@pytest.fixture
def announced(leaving: Module) -> dict:
    """The metadata from discovery."""
    found: dict = leaving.http.get("/.well-known/openid-configuration").get_json()
    return found


@pytest.fixture
def going(leaving: Module) -> Iterator[Module]:
    """A module whose client registered a post-logout URI; no notice may be left undelivered."""
    leaving.use(post_logout_redirect_uris=[GOODBYE])
    yield leaving
    assert undelivered(leaving.site.database.connection()) == []


def leave(module: Module, **asked: str) -> Arrival:
    """Opens the end-session endpoint in the browser."""
    return module.browser.visit(module.end_session(**asked))


def logged_in(module: Module) -> dict:
    """The first half of every module: a person signs in."""
    return module.flow(state=STATE)


def is_over(module: Module) -> bool:
    """The second half: prompt=none finds no session, and a long state is returned unchanged."""
    return module.error(prompt="none", state=STATE) == "login_required"


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(announced):
    """Discovery names the end-session endpoint, and every endpoint is https."""
    assert announced["end_session_endpoint"].startswith(ISSUER)
    assert all(url.startswith("https://") for name, url in announced.items() if name.endswith("_endpoint"))


def test_oidcc_rp_initiated_logout(going):
    """With hint and registered URI the browser goes there at once with the state and nothing else."""
    tokens = logged_in(going)
    arrival = leave(going, id_token_hint=tokens["id_token"], post_logout_redirect_uri=GOODBYE, state=STATE)
    assert (arrival.url.partition("?")[0], arrival.parameters) == (GOODBYE, {"state": STATE})
    assert is_over(going)


def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(going):
    """An unregistered URI gets an error page. REVIEW: a screenshot is looked at, as in the tests below."""
    tokens = logged_in(going)
    wrong = f"{GOODBYE}{secrets.token_hex(5)}"
    arrival = leave(going, id_token_hint=tokens["id_token"], post_logout_redirect_uri=wrong, state=STATE)
    assert (arrival.url.startswith(ISSUER), len(going.browser.screenshots)) == (True, 1)


def test_oidcc_rp_initiated_logout_modified_id_token_hint(going):
    """A hint changed to alg=none proves nothing: the person is asked and there is no redirect."""
    _, payload, _ = logged_in(going)["id_token"].split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    arrival = leave(going, id_token_hint=f"{head}.{payload}.", post_logout_redirect_uri=GOODBYE, state=STATE)
    assert (arrival.url.startswith(ISSUER), len(going.browser.screenshots)) == (True, 1)


def test_oidcc_rp_initiated_logout_no_id_token_hint(going):
    """Without a hint the person is asked and there is no redirect."""
    logged_in(going)
    arrival = leave(going, post_logout_redirect_uri=GOODBYE, state=STATE)
    assert (arrival.url.startswith(ISSUER), len(going.browser.screenshots)) == (True, 1)


def test_oidcc_rp_initiated_logout_no_params(going):
    """Without parameters the person confirms and sees the signed-out page."""
    logged_in(going)
    arrival = leave(going)
    assert (arrival.url, len(going.browser.screenshots)) == (f"{ISSUER}/signed-out", 1)
    assert is_over(going)


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(going):
    """With a hint but no URI the person is signed out at once, on our page."""
    tokens = logged_in(going)
    arrival = leave(going, id_token_hint=tokens["id_token"], state=STATE)
    assert (arrival.url, len(going.browser.screenshots)) == (f"{ISSUER}/signed-out", 1)
    assert is_over(going)


def test_oidcc_rp_initiated_logout_no_state(going):
    """Without a state the browser arrives without one."""
    tokens = logged_in(going)
    arrival = leave(going, id_token_hint=tokens["id_token"], post_logout_redirect_uri=GOODBYE)
    assert arrival.url == GOODBYE
    assert is_over(going)


def test_oidcc_rp_initiated_logout_only_state(going):
    """A state alone changes nothing: the person confirms and sees the signed-out page."""
    logged_in(going)
    arrival = leave(going, state=STATE)
    assert (arrival.url, len(going.browser.screenshots)) == (f"{ISSUER}/signed-out", 1)
    assert is_over(going)


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(going):
    """The registered URI with an added query is unregistered and gets an error page."""
    tokens = logged_in(going)
    wrong = f"{GOODBYE}?foo=bar"
    arrival = leave(going, id_token_hint=tokens["id_token"], post_logout_redirect_uri=wrong, state=STATE)
    assert (arrival.url.startswith(ISSUER), len(going.browser.screenshots)) == (True, 1)


def test_oidcc_rp_initiated_logout_bad_id_token_hint(going):
    """A hint signed by the suite proves nothing: the person is asked and there is no redirect."""
    claims = logged_in(going)["claims"]
    forged = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secrets.token_bytes(32)))
    arrival = leave(going, id_token_hint=forged, post_logout_redirect_uri=GOODBYE, state=STATE)
    assert (arrival.url.startswith(ISSUER), len(going.browser.screenshots)) == (True, 1)


def test_oidcc_backchannel_logout_discovery_endpoint_verification(announced):
    """Discovery announces back-channel logout with session ids."""
    assert announced["backchannel_logout_supported"] is True
    assert announced["backchannel_logout_session_supported"] is True
    assert announced["end_session_endpoint"].startswith(ISSUER)


def test_oidcc_backchannel_rp_initiated_logout(leaving):
    """The notice is a signed logout token about this session only, and the browser is redirected as usual."""
    leaving.use(
        post_logout_redirect_uris=[GOODBYE], backchannel_logout_uri=NOTICES, backchannel_logout_session_required=True
    )
    tokens = logged_in(leaving)
    arrival = leave(leaving, id_token_hint=tokens["id_token"], post_logout_redirect_uri=GOODBYE, state=STATE)
    assert arrival.parameters == {"state": STATE}
    ((url, form),) = delivered(leaving)
    assert (url, set(form)) == (NOTICES, {"logout_token"})
    keys = KeySet.import_key_set(leaving.http.get("/jwks").get_json())
    notice = jwt.decode(form["logout_token"], keys, algorithms=["RS256", "ES256"])
    assert notice.header["typ"] == "logout+jwt"
    assert notice.claims.keys() == {"iss", "aud", "iat", "exp", "jti", "events", "sub", "sid"}
    assert notice.claims["events"] == {EVENT: {}}
    assert (notice.claims["iss"], notice.claims["aud"]) == (ISSUER, leaving.client.client_id)
    assert [notice.claims[name] for name in ("sub", "sid")] == [tokens["claims"][name] for name in ("sub", "sid")]
    assert is_over(leaving)


def delivered(module: Module) -> list[tuple[str, dict[str, str]]]:
    """What the worker sends."""
    suite = Suite()
    worker = Worker(module.site.database, replace(delivery_channels(module.site.services), fetcher=suite))
    worker.run_once(module.site.clock())
    worker.close()
    return suite.heard
