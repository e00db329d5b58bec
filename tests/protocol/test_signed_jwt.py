"""All places that read a signed JWT use one reader, which supports no extension (RFC 7515 §4.1.11)."""

import ast
import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from idp.oidc.messages import FORM, Request
from idp.oidc.requests import logout
from idp.oidc.requests.validation import AuthorizationError
from idp.oidc.tokens.keys import concatenated
from tests.fixtures.city import City
from tests.fixtures.messages import ISSUER, get

ROOT = Path(__file__).resolve().parents[2]
EXTENDED = (
    {"crit": []},
    {"crit": ["exp"]},
    {"crit": ["alg"]},
    {"crit": ["https://evil.example/x"], "https://evil.example/x": 1},
    {"crit": ["https://evil.example/absent"]},
    {"crit": "b64"},
    {"crit": None},
    {"crit": {}},
    {"crit": ["b64"], "b64": False},
    {"b64": False},
    {"b64": True},
)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def signed(private: ec.EllipticCurvePrivateKey, header: dict, claims: dict) -> str:
    """A token that no library would sign: any header, with a right signature."""
    data = f"{part(header)}.{part(claims)}"
    signature = concatenated(private.sign(data.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{data}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.fixture
def city(database, vault, clock) -> City:
    made = City(database, vault, clock)
    made.register_client(id_token_signed_response_alg="ES256")
    return made


def hint(city: City, header: dict) -> str:
    key = city.provider.keys.current("ES256", city.clock())
    claims = {"iss": city.provider.issuer, "aud": "fund", "sub": "s-1", "exp": int(city.clock().timestamp()) + 60}
    return signed(key.private, {"alg": "ES256", "typ": "JWT", "kid": key.kid, **header}, claims)


def hint_at_authorize(city: City, header: dict) -> bool:
    try:
        return city.read_request(id_token_hint=hint(city, header)) is not None
    except AuthorizationError:
        return False


def hint_at_end_session(city: City, header: dict) -> bool:
    query = get(id_token_hint=hint(city, header), client_id=None, redirect_uri=None).query
    return logout.read_logout(city.provider, Request("GET", "/end_session", query), city.clock()).is_proven


@pytest.mark.parametrize("reader", [hint_at_authorize, hint_at_end_session])
def test_a_hint_with_an_extension_is_refused(city, reader):
    """A hint with an unknown extension is refused, even when we signed it."""
    assert reader(city, {})
    assert [header for header in EXTENDED if reader(city, header)] == []


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_an_assertion_with_an_extension_is_refused(city, clock, path):
    """An assertion with an extension proves nothing, although the client signed it rightly."""
    keyed = city.register_client("keyed", "private_key_jwt")

    def status(header: dict) -> int:
        claims = {"iss": "keyed", "sub": "keyed", "aud": ISSUER, "exp": int(clock().timestamp()) + 60}
        protected = {"alg": "ES256", "kid": "keyed-key", **header}
        assertion = signed(keyed.key.private_key, protected, claims | {"jti": part(header)})
        form = city.client_proof(keyed).form | {
            "client_assertion": assertion,
            "token": "x",
            "grant_type": "client_credentials",
        }
        return city.post(path, form, content_type=FORM).status

    assert status({}) == 200
    assert {status(header) for header in EXTENDED} == {401}


@pytest.mark.parametrize("folder", ["accounts", "idp", "migration_tools"])
def test_nothing_else_reads_a_jwt(folder):
    """Code that reads another kind of token uses the one reader or is listed in this test."""
    readers = {
        path.name
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import)
        if {"jws", "jwt"} & {alias.name for alias in node.names} or "joserfc.jw" in (getattr(node, "module", "") or "")
    }
    assert readers <= {"signed_jwt.py"}
