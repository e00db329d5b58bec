"""A parent helped by a daughter, in a real browser: asked, accepted, acted for, ended in the middle of a session."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from werkzeug.serving import make_server
from werkzeug.test import Client as Http

from tests.fixtures.hygiene import saw
from tests.fixtures.messages import payload
from tests.fixtures.processes import free_ports
from tests.fixtures.relying_party import Page as Arrived
from tests.fixtures.relying_party import RelyingParty
from tests.fixtures.site import Citizen, Site

pytestmark = pytest.mark.browser
NAME = "欧阳娜娜"  # of everybody whom `Site.register_person` makes
NARROW_AND_TALL = {"width": 320, "height": 720}


@pytest.fixture
def site(sqlite_template, tmp_path) -> Iterator[Site]:
    """The application on a port of its own, with the time of today: a browser's cookies expire by its own clock."""
    path = tmp_path / "yitong.db"
    path.write_bytes(sqlite_template.read_bytes())
    (port,) = free_ports(1)
    made = Site(f"sqlite:///{path}", lambda: datetime.now(UTC), issuer=f"http://127.0.0.1:{port}")
    server = make_server("127.0.0.1", port, made.wsgi, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()
    made.database.close()


@pytest.fixture
def clinic(site: Site) -> RelyingParty:
    """A service that allows helpers. Its address is one of ours, so that the browser finds a server there."""
    uris = {"redirect_uris": (f"{site.issuer}/callback",), "post_logout_redirect_uris": ()}
    return RelyingParty(site, site.register_client("clinic", metadata={"helpers": True}, **uris))


@pytest.fixture(params=[True, False], ids=["javascript", "no-javascript"])
def windows(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[tuple[Page, Page]]:
    """The mother's narrow page and the daughter's, each in a browser context of its own."""
    contexts: list[BrowserContext] = [
        chromium.new_context(java_script_enabled=request.param, locale="zh-CN", viewport=size)
        for size in (NARROW_AND_TALL, {"width": 1100, "height": 800})
    ]
    for context in contexts:
        context.set_default_timeout(10_000)
    pages = [context.new_page() for context in contexts]
    for page in pages:
        page.on("request", lambda sent: saw(sent.url, where="family"))
    yield pages[0], pages[1]
    for context in contexts:
        context.close()


def log_in(page: Page, person: Citizen) -> None:
    page.fill("[name=identifier]", person.number)
    page.fill("[name=password]", person.password)
    page.click("button[value=login]")


def refreshed(party: RelyingParty, token: str) -> dict[str, object]:
    login = (party.system.client.client_id, party.system.secret or "")
    form = {"grant_type": "refresh_token", "refresh_token": token}
    answer: dict[str, object] = Http(party.site.wsgi).post("/token", data=form, auth=login).get_json()
    return answer


def test_a_parent_is_helped_by_a_daughter(site: Site, clinic: RelyingParty, windows: tuple[Page, Page]):
    """The mother asks and the daughter acts; when the mother ends it, the daughter's next refresh is refused."""
    mother, daughter = site.register_person(1), site.register_person(2)
    hers, theirs = windows

    hers.goto(f"{site.issuer}/account/family")
    log_in(hers, mother)
    hers.click("text=添加代办")
    hers.check("input[name=who][value=help_me]")
    hers.fill("[name=name]", NAME)
    hers.fill("[name=number]", daughter.number)
    hers.check("input[name=relation][value=child]")
    hers.check("input[name=matters][value=health]")
    hers.click("text=发给对方")
    expect(hers.locator(".notice-done")).to_contain_text("已经发出")

    theirs.goto(f"{site.issuer}/account/family")
    log_in(theirs, daughter)
    theirs.click("button:has-text('同意')")
    expect(theirs.locator(".notice-done")).to_contain_text("已经同意")

    theirs.goto(clinic.start(scope="openid offline_access profile"))
    theirs.click(f"label:has-text('为{NAME}（父母）')")
    theirs.click("button[value=choose]")
    theirs.click("button[value=agree]")
    theirs.wait_for_url("**/callback?*")
    tokens = clinic.redeem(Arrived(200, theirs.url, "", {}))
    told = payload(tokens["access_token"])
    assert (told["helper_relation"], told["helper_matters"]) == ("child", ["health"])
    assert told["helped_sub"] != told["sub"]
    assert "access_token" in refreshed(clinic, tokens["refresh_token"])

    hers.goto(f"{site.issuer}/account/family")
    hers.click(f"h3 a:has-text('{NAME}')")
    expect(hers.locator("main")).to_contain_text("亲友代您登录了一个服务")
    assert hers.evaluate("document.documentElement.scrollWidth") <= NARROW_AND_TALL["width"]
    hers.click("button:has-text('结束代办')")
    expect(hers.locator(".notice-done")).to_contain_text("代办已经结束")
    assert refreshed(clinic, tokens["refresh_token"])["error"] == "invalid_grant"
    assert clinic.introspect(tokens["access_token"])["active"] is False
    theirs.goto(f"{site.issuer}/account/family")
    expect(theirs.locator("main")).to_contain_text("您现在没有替别人办事")
