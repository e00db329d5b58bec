"""Chromium with WeChat and Alipay of the sandbox: a person binds an account, logs in with it, and removes it."""

import itertools
import os
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from accounts.database import Database
from idp import migrations
from idp.services import utc_now
from tests.fixtures.hygiene import Hygiene, saw
from tests.fixtures.platforms import configuration, sandbox
from tests.fixtures.processes import free_ports, running
from tests.fixtures.relying_party import Page as Arrived
from tests.fixtures.relying_party import RelyingParty, id_token_claims
from tests.fixtures.site import Citizen, Site

pytestmark = pytest.mark.browser
SERIALS = itertools.count(21)
NAMES = {"wechat": "微信", "alipay": "支付宝"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, hygiene: Hygiene) -> Iterator[Site]:
    """The provider as its own process, with both platforms beside it."""
    directory, (port,) = tmp_path_factory.mktemp("platforms"), free_ports(1)
    with sandbox(directory, f"http://localhost:{port}"):
        yield from serving(directory, port, hygiene)


def serving(directory: Path, port: int, hygiene: Hygiene) -> Iterator[Site]:
    url, key = f"sqlite:///{directory / 'city.db'}", f"k1:{b64encode(os.urandom(32)).decode()}"
    made = Site(url, utc_now, issuer=f"http://localhost:{port}", settings={"vault_keys": key})
    migrations.upgrade(Database(url))
    chosen = {"environment": "test", "issuer": made.issuer, "database_url": url, "vault_keys": key}
    chosen |= {"argon2_memory_kib": "8", "argon2_passes": "1", "identity_providers": str(configuration(directory))}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YITONG_")}
    environment |= {f"YITONG_{name.upper()}": value for name, value in chosen.items()}
    command = [sys.executable, "-m", "idp.cli", "serve", "--port", str(port)]
    with closing(made.services.database), running(command, directory / "log", f"{made.issuer}/jwks", environment):
        yield made
        hygiene.look_at_files("log", [directory / "log"])


@pytest.fixture(scope="module")
def housing(site: Site) -> RelyingParty:
    return RelyingParty(site, site.register_client("housing"))


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    context: BrowserContext = chromium.new_context(locale="zh-CN", java_script_enabled=request.param)
    context.set_default_timeout(15_000)
    context.route("https://housing.example/**", lambda route: route.fulfill(body="ok"))
    yield context.new_page()
    context.close()


def log_in(page: Page, person: Citizen) -> None:
    page.fill("[name=identifier]", person.number)
    page.fill("[name=password]", person.password)
    page.click("button[value=login]")


@pytest.mark.parametrize("platform", ["wechat", "alipay"])
def test_bind_log_in_and_remove(site: Site, page: Page, housing: RelyingParty, platform: str):
    """The whole life of a binding, by following links: the form leaves for the platform, and nothing is typed."""
    person, name, problems = site.register_person(next(SERIALS)), NAMES[platform], []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)

    page.goto(f"{site.issuer}/login")  # nobody has bound this account yet
    page.click(f"text=用{name}登录")
    page.click("text=秀英")
    expect(page.locator(".summary")).to_contain_text("还没有绑定账号")

    log_in(page, person)
    page.goto(f"{site.issuer}/account/security")
    page.click("text=微信和支付宝")
    page.click(f"button:has-text('绑定{name}')")
    page.click("text=秀英")
    expect(page.locator(".notice")).to_contain_text(f"{name}已经绑定")
    saw(page.url, page.content(), where="platforms")

    page.context.clear_cookies()
    page.goto(housing.start())
    page.click(f"text=用{name}登录")
    page.click("text=拒绝")
    expect(page.locator(".summary")).to_contain_text("您没有同意")
    page.click(f"text=用{name}登录")
    page.click("text=秀英")
    with page.expect_request("https://housing.example/callback**") as left:
        page.click("button[value=agree]")
    told = id_token_claims(housing.redeem(Arrived(303, left.value.url, "", {})))
    assert (told["amr"], told["acr"]) == (["fed"], "urn:yitong:ial3:aal1")

    page = page.context.new_page()  # the first one is still on its way to a service that is not there
    page.goto(f"{site.issuer}/account/security/platforms")
    page.click("button:has-text('解除绑定')")  # a platform's word does not change the ways to sign in
    log_in(page, person)
    page.goto(f"{site.issuer}/account/security/platforms")
    page.click("button:has-text('解除绑定')")
    expect(page.locator(".notice")).to_contain_text("已经解除绑定")
    assert problems == []
