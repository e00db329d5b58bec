"""Chromium with its virtual authenticator: a person adds a passkey, logs in to a service without a name, removes it."""

import os
import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect

from accounts.database import Database
from idp import migrations
from idp.services import utc_now
from tests.fixtures.hygiene import Hygiene, saw
from tests.fixtures.processes import free_ports, running
from tests.fixtures.relying_party import Page as Arrived
from tests.fixtures.relying_party import RelyingParty, id_token_claims
from tests.fixtures.site import Citizen, Site

pytestmark = pytest.mark.browser
DEVICE = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
SYNCED = {"defaultBackupEligibility": True, "defaultBackupState": True}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, hygiene: Hygiene) -> Iterator[Site]:
    """The provider as its own process at a host name: browsers make no passkeys for an address of numbers."""
    directory, (port,) = tmp_path_factory.mktemp("passkeys"), free_ports(1)
    url, key = f"sqlite:///{directory / 'city.db'}", f"k1:{b64encode(os.urandom(32)).decode()}"
    made = Site(url, utc_now, issuer=f"http://localhost:{port}", settings={"vault_keys": key})
    migrations.upgrade(Database(url))
    chosen = {"environment": "test", "issuer": made.issuer, "database_url": url, "vault_keys": key}
    chosen |= {"argon2_memory_kib": "8", "argon2_passes": "1"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YITONG_")}
    environment |= {f"YITONG_{name.upper()}": value for name, value in chosen.items()}
    command = [sys.executable, "-m", "idp.cli", "serve", "--port", str(port)]
    with closing(made.services.database), running(command, directory / "log", f"{made.issuer}/jwks", environment):
        yield made
        hygiene.look_at_files("log", [directory / "log"])


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    opened = chromium.new_context(locale="zh-CN")
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def plug_in(page: Page, **more: Any) -> tuple[CDPSession, str]:
    """A virtual authenticator for this page (WebAuthn §11)."""
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    made = tools.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE | more})
    return tools, made["authenticatorId"]


def log_in(page: Page, person: Citizen) -> None:
    page.fill("[name=identifier]", person.number)
    page.fill("[name=password]", person.password)
    page.click("button[value=login]")


def arrive(page: Page, url: str) -> Arrived:
    """The address at which the browser leaves for the service, after the person agreed where asked."""
    with page.expect_request("https://housing.example/callback**") as left:
        page.click(url)
    expect(page).not_to_have_url(re.compile("^http://localhost"))  # another navigation would interrupt this one
    return Arrived(303, left.value.url, "", {})


@pytest.fixture(scope="module")
def housing(site: Site) -> RelyingParty:
    return RelyingParty(site, site.register_client("housing"))


@pytest.fixture(autouse=True)
def _nobody_leaves(context: BrowserContext) -> None:
    context.route("https://housing.example/**", lambda route: route.fulfill(body="ok"))


def test_register_log_in_and_remove(site: Site, page: Page, housing: RelyingParty):
    """The whole life of a passkey, by pressing buttons: no name is typed, and the service gets AAL2."""
    person, problems = site.register_person(11), []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    tools, device = plug_in(page, **SYNCED)
    page.goto(f"{site.issuer}/account")
    log_in(page, person)
    page.click("text=登录方式")
    page.click("text=查看和添加通行密钥")
    page.click("a.button:has-text('添加通行密钥')")
    page.click("button:has-text('添加通行密钥')")
    expect(page.locator(".notice")).to_contain_text("通行密钥已经添加")
    (held,) = tools.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
    assert (held["isResidentCredential"], held["rpId"], held["userDisplayName"]) == (True, "localhost", "欧**娜")

    page.context.clear_cookies()
    tools.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": device, "enabled": False})
    page.goto(housing.start())
    expect(page.locator("#identifier")).to_have_value("")
    tools.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": device, "enabled": True})
    page.click("text=用通行密钥登录")
    arrived = arrive(page, "button[value=agree]")
    told = id_token_claims(housing.redeem(arrived))
    assert (told["amr"], told["acr"]) == (["swk", "mfa"], "urn:yitong:ial3:aal2")
    assert {*parse_qs(urlsplit(arrived.url).query)} == {"code", "state", "iss"}

    page.goto(f"{site.issuer}/account/passkeys")
    saw(page.url, page.content(), where="passkeys")
    page.click("button:has-text('移除')")
    expect(page.locator(".notice")).to_contain_text("通行密钥已经移除")
    page.context.clear_cookies()
    page.goto(f"{site.issuer}/login")  # the device answers by itself, once
    expect(page.locator(".summary")).to_contain_text("通行密钥没有用成")
    page.wait_for_timeout(500)
    assert sent.count(f"{site.issuer}/login/passkey") == 1
    assert problems == []


def test_the_browser_fills_a_passkey_in(site: Site, page: Page):
    """Where the browser offers passkeys for the number (conditional mediation), no button of ours is pressed."""
    person = site.register_person(12)
    plug_in(page, **SYNCED)
    page.goto(f"{site.issuer}/login?next=/account/passkeys/add")
    log_in(page, person)
    page.click("button:has-text('添加通行密钥')")
    expect(page.locator(".notice")).to_be_visible()
    page.context.clear_cookies()
    page.goto(f"{site.issuer}/login")
    page.wait_for_url(f"{site.issuer}/account")
    page.goto(f"{site.issuer}/account/activity")
    expect(page.locator(".log li").first).to_contain_text("使用通行密钥登录")


def test_a_device_that_does_not_know_its_person_is_not_enough(site: Site, page: Page):
    """Without PIN, fingerprint or face nothing is registered, and the page says that it can be tried again."""
    person = site.register_person(13)
    tools, device = plug_in(page)
    tools.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    page.goto(f"{site.issuer}/login?next=/account/passkeys/add")
    log_in(page, person)
    page.click("button:has-text('添加通行密钥')")
    expect(page.locator("#passkey-add [role=alert]")).to_be_visible()
    assert tools.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"] == []


def test_a_second_passkey_in_one_device_is_not_made(site: Site, page: Page):
    """The device knows that it has one, so the person is not left with two that look alike."""
    person = site.register_person(14)
    tools, device = plug_in(page)
    page.goto(f"{site.issuer}/login?next=/account/passkeys/add")
    log_in(page, person)
    page.click("button:has-text('添加通行密钥')")
    expect(page.locator(".notice")).to_be_visible()
    page.context.clear_cookies()
    page.goto(f"{site.issuer}/login?next=/account/passkeys/add")  # the device logs in by itself
    page.wait_for_url(f"{site.issuer}/account/passkeys/add")
    page.click("button:has-text('添加通行密钥')")
    expect(page.locator("#passkey-add [role=alert]")).to_be_visible()
    assert len(tools.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]) == 1


def test_without_scripts_there_is_no_button(site: Site, chromium: Browser):
    """The login page shows the password alone, and the page to add one says what is missing."""
    context = chromium.new_context(java_script_enabled=False, locale="zh-CN")
    page = context.new_page()
    page.goto(f"{site.issuer}/login?next=/account/passkeys/add")
    assert not page.locator("text=用通行密钥登录").is_visible()
    log_in(page, site.register_person(15))
    assert not page.locator("button:has-text('添加通行密钥')").is_visible()
    expect(page.locator("text=这个浏览器不能添加通行密钥")).to_be_visible()
    context.close()


def test_a_person_who_changes_their_mind_is_told_what_else_works(site: Site, page: Page):
    """When the device gives no answer, the form says so and the password still works."""
    plug_in(page)  # holds no passkey, so the browser has nothing to offer
    page.goto(f"{site.issuer}/login")
    page.click("text=用通行密钥登录")
    expect(page.locator("#passkey-login [role=alert]")).to_be_visible()
    log_in(page, site.register_person(16))
    page.wait_for_url(f"{site.issuer}/account")
