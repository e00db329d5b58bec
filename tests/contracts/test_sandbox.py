"""The sandbox gateway: what it keeps, what it hides, and where it refuses to be."""

import pytest

from accounts.identifiers import Mobile
from idp.adapters.systems.sandbox import SandboxInProduction, SandboxSms, newest

PHONE = Mobile.parse("+8613900000011")


def test_messages_are_kept_newest_first_with_the_phone_masked(database, vault, clock):
    """Every message can be read on the page; nobody's whole number can."""
    gateway = SandboxSms(database, vault, clock, environment="demo")
    gateway.send(PHONE, "第一条")
    clock.advance(seconds=1)
    gateway.send(PHONE, "第二条")
    kept = newest(database.connection(), vault)
    assert [message.text for message in kept] == ["第二条", "第一条"]
    assert PHONE.canonical not in str(kept)


def test_production_has_no_sandbox(database, vault, clock):
    """In production the sandbox cannot even be built."""
    with pytest.raises(SandboxInProduction):
        SandboxSms(database, vault, clock, environment="production")
