import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from idp import settings
from idp.settings import Settings, reference

KEY = "k1:" + base64.b64encode(bytes(32)).decode()
SAFE = {"environment": "production", "issuer": "https://id.example", "vault_keys": KEY}
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


@pytest.mark.parametrize(
    ("change", "cure"),
    [
        ({"issuer": "http://id.example"}, "must be https"),
        ({"vault_keys": ""}, "make a key with"),
        ({"sandbox": True}, "configure a gateway"),
        ({"allow_private_destinations": True}, "unset"),
        ({"argon2_memory_kib": 1024}, "yitong calibrate"),
        (
            {"ldap_url": "ldapi://x", "ldap_base": "dc=x", "ldap_bind_dn": "cn=x", "ldap_bind_password": "x"},
            "use ldaps",
        ),
    ],
)
def test_production_refuses_what_is_insecure_and_names_the_cure(change, cure):
    """In production http, shared keys, a sandbox and cheap hashes are refused with a cure."""
    with pytest.raises(ValidationError, match=cure):
        Settings(**(SAFE | change))
    assert Settings(**(SAFE | change | {"environment": "demo"})).environment == "demo"


def test_codes_need_a_gateway_that_sends_them():
    """Production sends codes only through a real gateway, and starts without one where no codes are sent."""
    with pytest.raises(ValidationError, match="YITONG_SMS_GATEWAY"):
        Settings(**(SAFE | {"sms_codes": True}))
    assert Settings(**(SAFE | {"sms_codes": True, "sms_gateway": "sms.toml"})).sms_codes
    assert Settings(**(SAFE | {"environment": "demo", "sandbox": True, "sms_codes": True})).sms_codes


def test_a_safe_production_starts():
    """With https and its own keys a production provider starts."""
    assert Settings(**SAFE).is_secure


@pytest.mark.parametrize("issuer", ["https://id.example/", "https://id.example/a", "id.example", "ftp://id.example"])
def test_the_issuer_is_an_origin(issuer):
    """An issuer with a path or a slash would differ from the `iss` that clients compare."""
    with pytest.raises(ValidationError, match="YITONG_ISSUER"):
        Settings(**(SAFE | {"issuer": issuer}))


@pytest.mark.parametrize("keys", ["k1", "k1:AAAA", "k1:***", f":{KEY[3:]}"])
def test_a_malformed_key_is_refused_without_repeating_it(keys):
    """The error says how to make a key and does not contain the broken one."""
    with pytest.raises(ValidationError, match="YITONG_VAULT_KEYS") as caught:
        Settings(**(SAFE | {"vault_keys": keys}))
    assert "AAAA" not in str(caught.value)


def test_secrets_are_masked():
    """The printed settings contain no key and no database password."""
    shown = repr(Settings(**(SAFE | {"database_url": "postgresql://yitong:hush@db/yitong"})))
    assert "hush" not in shown
    assert KEY[3:] not in shown


def test_the_reference_is_fresh():
    """docs/reference/settings.md says what the code says; run scripts/docs-settings."""
    assert PAGE.read_text("utf-8") == reference()


def test_a_settings_file_that_is_missing_is_named(monkeypatch, tmp_path):
    """A mistyped path must not look like a deployment without https."""
    monkeypatch.setenv("YITONG_ENV_FILE", str(tmp_path / "missing.env"))
    with pytest.raises(settings.SettingsFileMissing) as refused:
        settings.load()
    assert "YITONG_ENV_FILE" in refused.value.cure
