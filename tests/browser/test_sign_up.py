"""A registration in the middle of a service's request, in Chromium, with JavaScript on and off."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from idp.services import utc_now
from tests.fixtures.hygiene import saw
from tests.fixtures.processes import free_ports, running
from tests.fixtures.registrations import SANDBOX, XIAOYU, last_code
from tests.fixtures.relying_party import RelyingParty
from tests.fixtures.site import PASSWORD, Site

pytestmark = pytest.mark.browser


@pytest.fixture
def city(sqlite_template: Path, tmp_path: Path) -> Iterator[tuple[Site, RelyingParty]]:
    """A served provider with the sandbox's registry, and a relying system that never answers."""
    (port,) = free_ports(1)
    path = tmp_path / "city.db"
    path.write_bytes(sqlite_template.read_bytes())
    issuer = f"http://127.0.0.1:{port}"
    site = Site(f"sqlite:///{path}", utc_now, issuer=issuer, settings=SANDBOX)
    housing = RelyingParty(site, site.register_client("housing", redirect_uris=("http://127.0.0.1:9/callback",)))
    chosen = site.services.settings
    environment = {
        **os.environ,
        "YITONG_ENVIRONMENT": "test",
        "YITONG_ENV_FILE": "",
        "YITONG_ISSUER": issuer,
        "YITONG_DATABASE_URL": chosen.database_url.get_secret_value(),
        "YITONG_VAULT_KEYS": chosen.vault_keys.get_secret_value(),
        "YITONG_ARGON2_MEMORY_KIB": "8",
        "YITONG_ARGON2_PASSES": "1",
        "YITONG_SANDBOX": "true",
    }
    command = [sys.executable, "-m", "idp.cli", "serve", "--port", str(port)]
    with running(command, tmp_path / "serve.log", f"{issuer}/livez", environment):
        yield site, housing
    site.database.close()


@pytest.fixture(params=[True, False], ids=["javascript", "no-javascript"])
def context(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    opened = chromium.new_context(java_script_enabled=request.param, locale="zh-CN")
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


def press(page: Page, text: str) -> None:
    page.get_by_role("button", name=text, exact=True).click()


def test_a_person_registers_on_the_way_to_a_service(city, context: BrowserContext):
    """From the login page through every question to the service, by keyboard and mouse, with a code in between."""
    site, housing = city
    page = context.new_page()
    page.on("load", lambda shown: saw(shown.url, shown.content(), where="sign-up"))
    page.goto(housing.start())
    page.click("text=开通账号")
    page.get_by_label("居民身份证", exact=True).check()
    press(page, "下一步")
    page.fill("[name=name]", XIAOYU.name)
    page.fill("[name=number]", XIAOYU.number)
    page.keyboard.press("Enter")
    press(page, "刷脸核验")
    press(page, "继续")
    page.fill("[name=phone]", "13900000041")
    press(page, "发送验证码")
    expect(page.locator("[name=code]")).to_have_attribute("autocomplete", "one-time-code")
    page.fill("[name=code]", last_code(site))
    press(page, "下一步")
    page.fill("[name=password]", PASSWORD)
    page.locator("main form button.button-full").click()
    asked = page.locator("button[value=agree], button[value=acknowledge]")
    expect(asked.first).to_be_visible()
    with page.expect_request("http://127.0.0.1:9/callback*") as arrived:
        asked.first.click()
    assert f"state={housing.state}" in arrived.value.url
    assert "code=" in arrived.value.url
    assert XIAOYU.number not in page.url
