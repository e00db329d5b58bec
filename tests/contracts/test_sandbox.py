"""The sandbox gateway: what it keeps, what it hides, and where it cannot be used."""

from dataclasses import replace

import pytest

from accounts.identifiers import Mobile
from accounts.ports import ShortMessage
from idp.adapters.systems.sandbox import SandboxInProduction, SandboxSms, newest

PHONE = Mobile.parse("+8613900000011")
HELLO = ShortMessage("phone_added", "zh-CN", (), "您好")


def test_messages_are_kept_newest_first_with_the_phone_masked(database, vault, clock):
    """The page shows every message, but no complete phone number."""
    gateway = SandboxSms(database, vault, clock, environment="demo")
    gateway.send(PHONE, replace(HELLO, text="第一条"))
    clock.advance(seconds=1)
    gateway.call(PHONE, replace(HELLO, text="第二条"))
    kept = newest(database.connection(), vault)
    assert [(message.text, message.is_call) for message in kept] == [("第二条", True), ("第一条", False)]
    assert PHONE.canonical not in str(kept)


def test_production_has_no_sandbox(database, vault, clock):
    """In production the sandbox cannot be created."""
    with pytest.raises(SandboxInProduction):
        SandboxSms(database, vault, clock, environment="production")
