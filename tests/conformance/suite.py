"""Common parts of the conformance suite's modules: how a client is made, what is sent, what is always checked.

Of our code it uses only HTTP, the documented commands and the clock.
"""

import json
import re
import shlex
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.test import Client as Http

from idp.cli import main
from tests.conformance.automation import Arrival, Automation
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import Site, citizen_number

ISSUER = "https://id.example.gov.cn"
ALIAS = "https://www.certification.openid.net/test/a/yitong"
CALLBACK, GOODBYE, NOTICES = f"{ALIAS}/callback", f"{ALIAS}/post_logout_redirect", f"{ALIAS}/backchannel_logout"
HOW_TO = Path(__file__).parents[2] / "docs/how-to/run-the-conformance-suite.md"
PASSWORD = "lantern-river-orange-47"
_TYPED = ("王秀英", citizen_number(), "13900000001", "xiuying@example.cn", "江阳区某街1号", PASSWORD, PASSWORD)
_ALLOWED_IN_ERRORS = {"error", "error_description", "error_uri", "state", "iss"}


@lru_cache(maxsize=1)
def suite_key() -> dict[str, Any]:
    """The public key that the suite sends with every registration."""
    made = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "of-the-suite"})
    return made.as_dict(private=False)


def documented() -> list[list[str]]:
    """The `yitong` commands of the how-to, as a shell would split them."""
    text = HOW_TO.read_text(encoding="utf-8").replace("\\\n", " ").replace("$A", ALIAS)
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("yitong ")]


def prepared() -> dict[str, str]:
    """Runs the commands. Returns the value of each placeholder in the configurations."""
    told = {"PERSON_NUMBER": _TYPED[1], "PERSON_PASSWORD": PASSWORD}
    for command in documented():
        answer = CliRunner().invoke(main, command, input="".join(f"{line}\n" for line in _TYPED))
        assert answer.exit_code == 0, answer.output
        if command[:2] == ["clients", "add"]:
            secret = re.search(r"yt_cs_\S+", answer.output)
            assert secret is not None
            told[f"SECRET_OF_{command[2].upper().replace('-', '_')}"] = secret[0]
        elif command[:2] == ["clients", "invite"]:
            told["INITIAL_ACCESS_TOKEN"] = answer.output.strip()
    return told


def configuration(name: str, told: dict[str, str]) -> dict[str, Any]:
    """The suite's configuration with every placeholder filled."""
    text = (Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8")
    for place, value in sorted(told.items(), key=lambda item: -len(item[0])):
        text = text.replace(place, value)
    found: dict[str, Any] = json.loads(text)
    return found


@dataclass
class Known:
    """A client as the suite knows it."""

    client_id: str
    client_secret: str
    method: str = "client_secret_basic"
    told: dict[str, Any] = field(default_factory=dict)


@dataclass
class Module:
    """One run of one module: its clients, its browser, its requests."""

    name: str
    site: Site
    config: dict[str, Any]
    form_post: bool

    def __post_init__(self) -> None:
        self._own = self.config | self.config["override"].get(self.name, {})
        self.http = Http(self.site.wsgi)
        self.browser = Automation(Browser(self.site), self._own["browser"])
        self.dynamic = "initial_access_token" in self.config["client"]
        self.asked: dict[str, str] = {}
        self._client: Known | None = None

    # Clients

    @property
    def client(self) -> Known:
        """The module's first client; a self-registering one is made at the first use."""
        if self._client is None:
            self._client = self.register() if self.dynamic else Known(**self._own["client"])
        return self._client

    def other(self, name: str, method: str = "client_secret_basic") -> Known:
        """The other client of that name in the configuration."""
        if self.dynamic:
            return self.register(token_endpoint_auth_method=method, grant_types=["authorization_code", "refresh_token"])
        return Known(**self.config[name], method=method)

    def use(self, **metadata: Any) -> Known:
        """The module's client, with more metadata where it registers itself."""
        if self.dynamic:
            self._client = self.register(**metadata)
        return self.client

    def register(self, **metadata: Any) -> Known:
        """A client that registers itself, after checking the response as the suite does."""
        body = {
            "client_name": f"{self.config['client']['client_name']} {self.name[:20]}",
            "grant_types": ["authorization_code"],
            "jwks": {"keys": [suite_key()]},
            "token_endpoint_auth_method": "client_secret_basic",
            "response_types": ["code"],
            "redirect_uris": [CALLBACK],
            "contacts": ["certification@oidf.org"],
        } | metadata
        bearer = {"Authorization": f"Bearer {self.config['client']['initial_access_token']}"}
        reply = self.http.post("/register", json=body, headers=bearer)
        told = reply.get_json()
        assert (reply.status_code, reply.mimetype) == (201, "application/json"), told
        assert {"client_secret_expires_at", "registration_client_uri", "registration_access_token"} <= set(told)
        assert told["registration_client_uri"].startswith("https://")
        return Known(told["client_id"], told["client_secret"], body["token_endpoint_auth_method"], told)

    def leave(self) -> None:
        """Deletes a client that registered itself, as the suite does at the end of every module."""
        if self._client is not None and self.dynamic:
            told = self._client.told
            path = told["registration_client_uri"].removeprefix(ISSUER)
            bearer = {"Authorization": f"Bearer {told['registration_access_token']}"}
            assert self.http.delete(path, headers=bearer).status_code == 204

    # The authorization endpoint

    def url(self, client: Known | None = None, **changes: Any) -> str:
        """The authorization request; None leaves a parameter out."""
        usual = {
            "client_id": (client or self.client).client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "state": f"state-{time.monotonic_ns()}",
            "nonce": f"nonce-{time.monotonic_ns()}",
            "response_type": "code",
            "response_mode": "form_post" if self.form_post else None,
        } | changes
        self.asked = {name: str(value) for name, value in usual.items() if value is not None}
        return f"{ISSUER}/authorize?{urlencode(self.asked, quote_via=quote, safe=':/')}"

    def end_session(self, **asked: str) -> str:
        """The logout address for this client."""
        query = urlencode(asked, quote_via=quote, safe=":/")
        return f"{ISSUER}/end_session?{query}" if query else f"{ISSUER}/end_session"

    def arrives(self, url: str, method: str = "GET") -> dict[str, str]:
        """The parameters that reach the redirect URI, by the plan's response mode."""
        arrival: Arrival = self.browser.visit(url, method)
        assert arrival.url.partition("?")[0] == CALLBACK, arrival
        assert arrival.method == ("POST" if self.form_post else "GET")
        assert arrival.parameters["iss"] == ISSUER
        return arrival.parameters

    def code(self, client: Known | None = None, method: str = "GET", **changes: Any) -> str:
        """The code, after checking the state."""
        told = self.arrives(self.url(client, **changes), method)
        assert "error" not in told, told
        assert told["state"] == self.asked["state"]
        return told["code"]

    def error(self, **changes: Any) -> str:
        """The error at the redirect URI, after checking its form."""
        told = self.arrives(self.url(**changes))
        assert told["state"] == self.asked["state"]
        assert set(told) <= _ALLOWED_IN_ERRORS
        assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]*", told.get("error_description", ""))
        return told["error"]

    # The token endpoint and UserInfo

    def post(self, form: dict[str, str], client: Known | None = None) -> tuple[int, dict[str, Any]]:
        """The token endpoint's response, which is JSON and not stored."""
        sender = client or self.client
        if sender.method == "client_secret_post":
            form = form | {"client_id": sender.client_id, "client_secret": sender.client_secret}
            reply = self.http.post("/token", data=form)
        else:
            reply = self.http.post("/token", data=form, auth=(sender.client_id, sender.client_secret))
        assert reply.mimetype == "application/json"
        assert reply.headers["Cache-Control"] == "no-store"
        return reply.status_code, reply.get_json()

    def redeem(self, code: str, client: Known | None = None, **more: str) -> tuple[int, dict[str, Any]]:
        return self.post({"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **more}, client)

    def flow(self, client: Known | None = None, **changes: Any) -> dict[str, Any]:
        """The whole happy flow: tokens, the ID token's claims under `claims`, UserInfo under `userinfo`."""
        status, tokens = self.redeem(self.code(client, **changes), client)
        assert status == 200, tokens
        return tokens | self.checked(tokens, client) | {"userinfo": self.userinfo(tokens)}

    def checked(self, tokens: dict[str, Any], client: Known | None = None) -> dict[str, Any]:
        """Performs the standard checks of a response with an ID token. Returns its claims and its header."""
        assert tokens["token_type"].lower() == "bearer"
        assert tokens["expires_in"] > 0
        keys = KeySet.import_key_set(self.http.get("/jwks").get_json())
        read = jwt.decode(tokens["id_token"], keys, algorithms=["RS256", "ES256"])
        claims, now = read.claims, self.site.clock().timestamp()
        assert (claims["iss"], claims["aud"]) == (ISSUER, (client or self.client).client_id)
        assert claims["iat"] <= now + 1 < claims["exp"]
        assert claims.get("nonce") in (self.asked.get("nonce"), None)
        assert 0 < len(claims["sub"]) <= 255
        assert isinstance(claims["acr"], str)
        return {"claims": claims, "header": read.header}

    def userinfo(self, tokens: dict[str, Any], way: str = "get") -> dict[str, Any]:
        """UserInfo by one of the three ways: 200, JSON, with `sub`."""
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        if way == "get":
            reply = self.http.get("/userinfo", headers=bearer)
        elif way == "post header":
            reply = self.http.post("/userinfo", headers=bearer)
        else:
            reply = self.http.post("/userinfo", data={"access_token": tokens["access_token"]})
        assert (reply.status_code, reply.mimetype) == (200, "application/json")
        facts: dict[str, Any] = reply.get_json()
        assert facts["sub"]
        return facts

    def is_alive(self, tokens: dict[str, Any]) -> bool:
        """Whether UserInfo still accepts the access token."""
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        return self.http.get("/userinfo", headers=bearer).status_code == 200
