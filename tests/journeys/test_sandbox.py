"""The page of messages that the sandbox keeps instead of sending."""

from accounts.identifiers import Mobile
from accounts.ports import ShortMessage
from idp.adapters.systems.sandbox import SandboxSms
from tests.conftest import Clock
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import Site


def test_a_message_of_the_sandbox_can_be_read(site: Site, browser: Browser):
    """Outside production the page shows the text and hides the middle of the phone."""
    services = site.services
    gateway = SandboxSms(services.database, services.vault, site.clock, environment="test")
    message = ShortMessage("login_code", "zh-CN", (), "验证码 000000")
    gateway.send(Mobile.parse("+86139" + "00000011"), message)
    shown = browser.get("/sandbox/messages")
    assert (shown.status, "验证码 000000" in shown.text, "00000011" in shown.text) == (200, True, False)


def test_production_has_no_page_of_messages(database_url: str, clock: Clock):
    """In production messages are sent, and no page shows them."""
    real = Site(
        database_url,
        clock,
        "https://id.example",
        {"environment": "production", "argon2_memory_kib": 19456, "argon2_passes": 2},
    )
    assert Browser(real).get("/sandbox/messages").status == 404
    real.database.close()
