"""JSON from outside is read by one function with limits, wherever it arrives."""

import base64
import json
import re
from pathlib import Path

import orjson
import pytest

from idp.oidc.clients.assertions import unproven_texts
from idp.oidc.untrusted_json import MOST_DEPTH, UnreadableJson, read_compact, read_json
from tests.fixtures.messages import get, redirect_parameters

ROOT = Path(__file__).parents[2]
DEEP = ("[" * 251 + "]" * 251, '{"a":' * 251 + "1" + "}" * 251, "[" * 4000 + "]" * 4000)
READERS = re.compile(r"\b(?:orj|j)son\.loads\(|\bget_json\(")
# orjson reads these: what registries, gateways and browsers send, cut to a length, and kept from every other parser.
BY_ORJSON = {
    "accounts/credentials/human_check.py",
    "accounts/credentials/passkeys/ceremonies.py",
    "idp/adapters/systems/http_calls.py",
}
# These read our own JSON: from an opened seal, from a table of ours, or from a plan whose digest is checked.
OUR_OWN = {
    "accounts/credentials/legacy/__init__.py",
    "accounts/organisations/legal_persons.py",
    "accounts/people/__init__.py",
    "accounts/people/invitee.py",
    "accounts/database/statements.py",
    "idp/adapters/systems/sandbox.py",
    "accounts/registration/journey_store.py",
    "idp/delivery/worker.py",
    "idp/login/phone_codes.py",
    "idp/oidc/requests/code.py",
    "idp/oidc/requests/request_store.py",
    "idp/rights/exported_tables.py",
    "idp/staff/members.py",
    "migration_tools/planning/plan.py",
}


def token(header, payload="{}"):
    parts = (base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode() for text in (header, payload, "x"))
    return ".".join(parts)


@pytest.mark.parametrize(
    "text", [*DEEP, "", "nope", "NaN", "1e999", '"\\ud800"', '{"a":"\\u0000"}', "\ud800", "x" * 70_000]
)
def test_what_cannot_be_written_again_is_not_read(text):
    """Too deep, too long, not JSON, a lone surrogate, a NUL: each raises UnreadableJson."""
    with pytest.raises(UnreadableJson):
        read_json(text)


def test_the_bound_itself_is_inside():
    """JSON with exactly MOST_DEPTH levels is read; one level more is refused."""
    assert read_json("[" * MOST_DEPTH + "1" + "]" * MOST_DEPTH)
    with pytest.raises(UnreadableJson):
        read_json("[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1))


@pytest.mark.parametrize("text", DEEP)
def test_a_token_is_read_before_a_library_sees_it(text):
    """The library reads headers without limits, so read_compact refuses deep JSON before the library sees it."""
    for deep in (token(f'{{"a":{text}}}'), token("{}", f'{{"iss":"fund","a":{text}}}'), token(text)):
        with pytest.raises(UnreadableJson):
            read_compact(deep)
        assert unproven_texts(deep) == {}


@pytest.mark.parametrize("text", DEEP)
def test_deep_json_is_the_senders_fault_everywhere(city, text):
    """At every endpoint deep JSON gets the specification's error, never a server error."""
    city.register_client("fund")
    client = city.register_client("key", "private_key_jwt")
    signed = token(f'{{"alg":"ES256","kid":"key-key","typ":"JWT","a":{text[:5000]}}}')
    for answer in (
        city.introspect(client, signed),
        city.post_as(client, "/revoke", token=signed),
        city.userinfo(signed),
        city.send("POST", "/register", text.encode(), content_type="application/json", authorization="Bearer x"),
        city.post("/token", {"grant_type": "client_credentials", "client_assertion": signed,
                              "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}),
    ):  # fmt: skip
        assert answer.status < 500
    nested = json.dumps({"userinfo": {"name": {"value": 1}}}).replace("1", text[:8000])
    for changes in ({"claims": nested}, {"id_token_hint": signed[:8000]}, {"claims": text[:8000]}):
        assert redirect_parameters(city.refuse_request(get(**changes)))["error"] == "invalid_request"
    assert city.refuse_request(get(request=signed[:8000])).status == 303


def test_nothing_else_reads_json_from_outside():
    """The listed places read our own JSON only. A new place is listed here or uses `read_json`."""
    found = {
        str(file.relative_to(ROOT))
        for folder in ("accounts", "idp", "migration_tools")
        for file in (ROOT / folder).rglob("*.py")
        if READERS.search(file.read_text(encoding="utf-8"))
    }
    assert found - {"idp/oidc/untrusted_json.py"} == OUR_OWN | BY_ORJSON


@pytest.mark.parametrize("text", [DEEP[2], "[" * 100_000, "", "nope", "NaN", "\ud800"])
def test_orjson_refuses_what_would_exhaust_a_parser(text):
    """Deep or broken JSON raises ValueError, which the places of BY_ORJSON answer, and never RecursionError."""
    with pytest.raises(ValueError, match=r"."):
        orjson.loads(text)
