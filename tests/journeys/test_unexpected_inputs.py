"""Whatever is sent, to any path, parameter and header, never causes a server error.

Paths and methods come from the registries (ENDPOINTS, PATHS, the pages' rules), names of parameters and headers from
the code that reads them, so new ones are tested without a change here. In CI the examples are the same in every run.
"""

import json
import os
import re
from base64 import urlsafe_b64encode
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app

from accounts.database import new_id
from idp import app
from idp.oidc.consent.claims import claims_supported
from idp.oidc.endpoints import ENDPOINTS
from idp.oidc.endpoints.paths import PATHS
from idp.oidc.grants import GRANTS
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import Site

ROOT = Path(__file__).parents[2]
FOLDERS = ("oidc/requests", "oidc/clients", "oidc/endpoints", "oidc/grants", "web/pages")
SOURCES = [
    ROOT / "idp/web/routes.py",
    ROOT / "idp/web/request_security.py",
]
SOURCES += [source for folder in FOLDERS for source in sorted((ROOT / "idp" / folder).rglob("*.py"))]
LOOKED_UP = r"(?:\.get\(|metadata, |name=|form\[|parameters\[|metadata\[|arguments\[|\()"
BOUNDED = settings(
    max_examples=120,
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    phases=(Phase.explicit, Phase.generate),  # a failure is reported as found: shrinking it takes too long
    suppress_health_check=list(HealthCheck),
    database=None,
)


def names_that_are_read() -> list[str]:
    """Every quoted text that the code looks up: parameters, members of documents, headers."""
    found: set[str] = set()
    for source in SOURCES:
        found |= set(re.findall(rf"{LOOKED_UP}['\"]([a-z_#]{{2,40}})['\"]", source.read_text(encoding="utf-8")))
    return sorted(found)


NAMES = names_that_are_read()
HEADERS = (
    *("authorization", "content-type", "cookie", "accept", "accept-language", "origin", "sec-fetch-site", "host"),
    *("if-none-match", "if-modified-since", "range", "user-agent", "x-forwarded-for", "forwarded", "referer", "dpop"),
    *("content-encoding", "expect", "upgrade", "x-forwarded-proto", "access-control-request-headers"),
)
METHODS = ("GET", "POST", "POST", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH", "TRACE", "QUERY")
TYPES = ("application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", "text/plain", "")
DEEP = b'{"userinfo":{"name":{"value":' + b"[" * 251 + b"]" * 251 + b"}}}"
ODD = (
    *(
        b"\0",
        b"%00",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"\r\nSet-Cookie: a=b",
        b"%",
        b"%zz",
        b"%u0000",
        b"\x7f",
    ),
    *("é".encode(), "一通".encode("gb18030"), "🙂".encode(), b"{", b"[" * 300 + b"]" * 300, DEEP, b"9" * 400, b"-1"),
    *(b"1e999", b"NaN", b"9223372036854775808", b"../../etc/passwd", b"x" * 9000, b"'", b"None", b"null", b"true"),
    *(b"yt_ac_", b"yt_rt_" + b"x" * 43, b"yt_ac_AQEE", b"e30.e30.x", b"a.b.c.d.e"),
)


def json_values() -> st.SearchStrategy:
    """JSON of any shape, with members that the code knows, and texts that no database can store."""
    scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
    names = st.sampled_from([*NAMES, *claims_supported(), "userinfo", "id_token", "keys", "essential", "values"])
    return st.recursive(
        scalars | st.sampled_from(["\0", "\ud800", "x" * 3000, [], {}]),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=12,
    )


def written(value: object) -> bytes:
    return json.dumps(value).encode()


def a_token(parts: tuple[object, object]) -> bytes:
    """A text in the form of a JWS."""
    encoded = (urlsafe_b64encode(part if isinstance(part, bytes) else written(part)).rstrip(b"=") for part in parts)
    return b".".join([*encoded, b"c2ln"])


class Known:
    """Values that are right in their place, so that odd values also reach the code behind the first checks."""

    def __init__(self, site: Site) -> None:
        self.site, self.browser = site, Browser(site)
        self.party = RelyingParty(site, site.register_client("housing"))
        self.browser.get(self.party.start())
        self.browser.log_in(site.register_person())
        self.tokens = self.party.redeem(self.browser.agree())
        waiting = RelyingParty(site, site.register_client("social")).start()
        self.waiting = self.browser.get(waiting).visited[-1].rpartition("/")[2]
        self.asked = dict(pair.split("=", 1) for pair in self.party.start().partition("?")[2].split("&"))
        self.cookies = "; ".join(f"{c.key}={c.value}" for c in self.browser.http._cookies.values())
        self.form = self.browser.get("/preferences").form_with("csrf_token").fields["csrf_token"]
        rules = [*app.flask_app(site.services).url_map.iter_rules()]
        self.rules = sorted({rule.rule for rule in rules})
        self.paths = sorted({*self.rules, *(p.path for p in PATHS), *(e.at.path for e in ENDPOINTS), "/nowhere"})
        self.texts = [
            value.encode()
            for value in (
                *(str(value) for value in self.tokens.values() if isinstance(value, str)),
                *self.asked.values(), "openid", "housing", self.party.system.secret or "", self.waiting, new_id(),
                *(grant.grant_type for grant in GRANTS), "https://housing.example/callback", "login", "agree", "cancel",
            )
        ]  # fmt: skip

    def values(self) -> st.SearchStrategy[bytes]:
        """One value as bytes on the wire: right, odd, JSON, a token, or anything at all."""
        documents = json_values().map(written)
        tokens = st.tuples(json_values() | st.binary(max_size=30), json_values() | st.binary(max_size=30)).map(a_token)
        return st.sampled_from(self.texts) | st.sampled_from(ODD) | documents | tokens | st.binary(max_size=60)

    def pairs(self) -> st.SearchStrategy[dict[str, bytes]]:
        return st.dictionaries(st.sampled_from(NAMES), self.values(), max_size=5)

    def paths_asked(self) -> st.SearchStrategy[bytes]:
        """One of our paths, with right or arbitrary ids."""
        parts = st.sampled_from(
            [self.waiting.encode(), new_id().encode(), b"\0", b"%00", b"seal.svg", b"x" * 300, b".."]
        )
        filled = st.tuples(st.sampled_from(self.paths), parts | self.values()).map(
            lambda pair: re.sub(rb"<[^>]*>", lambda _: pair[1], pair[0].encode())
        )
        return filled | st.binary(max_size=40).map(b"/".__add__)

    def requests(self) -> st.SearchStrategy[dict]:
        return st.fixed_dictionaries(
            {
                "method": st.sampled_from(METHODS),
                "path": self.paths_asked(),
                "query": self.pairs() | self.pairs().map(self.as_asked) | st.binary(max_size=60),
                "body": self.pairs().map(self.with_form) | json_values() | st.binary(max_size=60) | self.values(),
                "kind": st.sampled_from(TYPES) | st.text(max_size=20),
                "headers": st.dictionaries(st.sampled_from(HEADERS), self.values(), max_size=3),
                "proves": st.booleans(),
            }
        )

    def as_asked(self, pairs: dict[str, bytes]) -> dict[str, bytes]:
        return {name: value.encode() for name, value in self.asked.items()} | pairs

    def with_form(self, pairs: dict[str, bytes]) -> dict[str, bytes]:
        return pairs | {"csrf_token": self.form.encode(), "client_id": b"housing"}

    def proof(self) -> dict[str, bytes]:
        """Cookies of a signed-in person, and a valid bearer token."""
        return {"cookie": self.cookies.encode(), "authorization": f"Bearer {self.tokens['access_token']}".encode()}

    def sends(self, asked: dict) -> int:
        """The status of the response."""
        query, body = on_the_wire(asked["query"]), on_the_wire(asked["body"])
        environ = EnvironBuilder("/", method=asked["method"]).get_environ() | {
            "PATH_INFO": asked["path"].decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "CONTENT_TYPE": asked["kind"],
            "CONTENT_LENGTH": str(len(body)),
        }
        environ["wsgi.input"].write(body)
        environ["wsgi.input"].seek(0)
        headers = (self.proof() if asked["proves"] else {}) | asked["headers"]
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value.decode("latin-1")
        chunks, status, _ = run_wsgi_app(self.site.wsgi, environ, buffered=True)
        b"".join(chunks)
        return int(status[:3])


def on_the_wire(sent: object) -> bytes:
    if isinstance(sent, bytes):
        return sent
    if isinstance(sent, dict) and all(isinstance(value, bytes) for value in sent.values()):
        return b"&".join(f"{name}={quote_from_bytes(value)}".encode() for name, value in sent.items())
    return written(sent)


@pytest.fixture
def known(site: Site) -> Known:
    return Known(site)


def test_the_registries_are_enumerated(known: Known):
    """The tested inputs include every endpoint, every page and the parameters that the code reads."""
    assert {endpoint.at.path for endpoint in ENDPOINTS} | {path.path for path in PATHS} <= set(known.paths)
    assert {"claims", "id_token_hint", "code", "grant_type", "jwks", "identifier", "client_assertion"} <= set(NAMES)
    assert len(NAMES) > 40


def test_nothing_makes_us_fail(known: Known, caplog):
    """Every status is below 500, and nothing is logged as a failure that the response hid."""
    once = {"method": "GET", "query": b"", "body": b"", "kind": "", "headers": {}, "proves": True}

    @BOUNDED
    @given(known.requests())
    @example(once | {"path": b"/login/\0"})
    @example(once | {"path": b"/preferences", "query": b"next=\xae"})
    @example(
        once | {"path": b"/authorize", "query": known.as_asked({"claims": b'{"userinfo":{"name":{"value":' + ODD[13]})}
    )
    def holds(asked: dict) -> None:
        caplog.clear()
        assert known.sends(asked) < 500, asked
        assert not [line for line in caplog.messages if "server_error" in line], asked

    holds()


@pytest.mark.parametrize("path", sorted({path.path for path in PATHS}))
def test_every_parameter_of_the_protocol_takes_anything(known: Known, path: str):
    """Each parameter by itself, in query and body, with each odd value; all other parameters are right."""
    odd = st.sampled_from(ODD) | json_values().map(written)

    @settings(BOUNDED, max_examples=20)
    @given(st.sampled_from(NAMES), odd, st.booleans())
    def holds(name: str, value: bytes, proves: bool) -> None:  # noqa: FBT001 - hypothesis gives it
        pairs = known.as_asked({name: value})
        for method in ("GET", "POST"):
            asked = {"method": method, "path": path.encode(), "query": pairs if method == "GET" else b"", "headers": {}}
            asked |= {"body": known.with_form(pairs) if method == "POST" else b"", "kind": TYPES[0], "proves": proves}
            assert known.sends(asked) < 500, (path, name, value)

    holds()
