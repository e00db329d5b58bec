"""The OpenID Foundation's Config plan, and whether the operator's instructions are right."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from babel.messages.pofile import read_po

from idp.oidc.consent.claims import scopes_supported
from tests.conformance.suite import HOW_TO, ISSUER, configuration

HERE = Path(__file__).parent
PLANS = ("test_basic.py", "test_config.py", "test_logout.py")
# The members of our metadata that the suite's schema knows.
KNOWN = {
    "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "introspection_endpoint",
    "revocation_endpoint", "registration_endpoint", "end_session_endpoint", "scopes_supported", "claims_supported",
    "claim_types_supported", "claims_parameter_supported", "response_types_supported", "response_modes_supported",
    "grant_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported",
    "acr_values_supported", "prompt_values_supported", "display_values_supported", "code_challenge_methods_supported",
    "authorization_response_iss_parameter_supported", "request_parameter_supported",
    "request_uri_parameter_supported", "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported", "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported", "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported", "backchannel_logout_supported",
    "backchannel_logout_session_supported", "ui_locales_supported",
}  # fmt: skip


@pytest.mark.parametrize("leaving", [("static-client", False)], indirect=True)
def test_oidcc_discovery_endpoint_verification(leaving):
    """The metadata is public JSON under its own issuer, complete, without unknown members, and the keys are public."""
    reply = leaving.http.get("/.well-known/openid-configuration")
    found = reply.get_json()
    assert (reply.status_code, reply.mimetype, found["issuer"]) == (200, "application/json", ISSUER)
    assert set(found) <= KNOWN
    assert not [name for name, value in found.items() if value in ([], "", None)]
    addresses = [found[name] for name in found if name.endswith(("_endpoint", "_uri"))]
    assert all(url.startswith("https://") and "#" not in url for url in addresses)
    assert "code" in found["response_types_supported"]
    assert set(found["subject_types_supported"]) <= {"public", "pairwise"}
    assert "RS256" in found["id_token_signing_alg_values_supported"]
    assert "openid" in found["scopes_supported"]
    assert {"client_secret_basic", "client_secret_post"} <= set(found["token_endpoint_auth_methods_supported"])
    assert isinstance(found["code_challenge_methods_supported"], list)
    keys = leaving.http.get(urlsplit(found["jwks_uri"]).path).get_json()["keys"]
    assert {key["kty"] for key in keys} == {"RSA", "EC"}
    assert all(key["kid"] and not {"d", "k", "p", "q"} & set(key) for key in keys)
    assert len({key["kid"] for key in keys}) == len(keys)


def test_every_module_is_in_the_how_to():
    """The table of expected results names exactly the modules that are tested here."""
    tests = "".join((HERE / name).read_text(encoding="utf-8") for name in PLANS)
    tested = {name.replace("_", "-") for name in re.findall(r"def test_(oidcc_\w+)", tests)}
    listed = re.findall(r"^\| `(oidcc-[\w-]+)` \|", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name in listed if not name.endswith("-test-plan")} == tested
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("name", ["static-client", "dynamic-client"])
def test_configurations_leave_nothing_open(told, name):
    """A documented command prints the value of every placeholder, and none of them is in the repository."""
    filled = json.dumps(configuration(name, told))
    assert not re.search(r"[A-Z]{4,}_[A-Z_0-9]{4,}", filled)
    raw = (HERE / f"{name}.json").read_text(encoding="utf-8")
    assert not re.search(r"yt_|\d{11}", raw)


def test_the_commands_name_every_scope_of_the_plans():
    """A scope that a command leaves out would cause an unexpected warning in the plans."""
    wanted = {"openid", "profile", "email", "address", "phone", "offline_access"}
    assert wanted <= set(scopes_supported())
    for scope in wanted:
        assert HOW_TO.read_text(encoding="utf-8").count(f"--scope {scope}") == 5


def test_the_automation_reads_both_languages():
    """Each text that the automation waits for is on our pages in Chinese, and in English for the suite's browser."""
    po = HERE.parents[1] / "idp/i18n/translations/en/LC_MESSAGES/messages.po"
    with po.open("rb") as file:
        catalogue = read_po(file)
    texts = [(str(message.id), str(message.string)) for message in catalogue if message.id]
    waited = re.findall(r'"id", "main", 10, "([^"]*\|[^"]*)"', (HERE / "static-client.json").read_text("utf-8"))
    for chinese, english in {tuple(pattern.split("|")) for pattern in waited}:
        assert [text for text in texts if chinese in text[0] and english in text[1]], (chinese, english)
    assert len(set(waited)) == 4
