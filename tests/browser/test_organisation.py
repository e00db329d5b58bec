"""An enterprise in a real browser: from its representative to a handler who is removed in the middle of a session."""

import base64
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from werkzeug.serving import make_server
from werkzeug.test import Client as Http

from accounts.identifiers import CitizenId
from accounts.organisations.kinds import OrganisationKind
from idp.adapters.systems.sandbox_enterprises import InventedEnterprise, invented_uscc
from tests.fixtures.hygiene import saw
from tests.fixtures.processes import free_ports
from tests.fixtures.relying_party import Page as Arrived
from tests.fixtures.relying_party import RelyingParty
from tests.fixtures.site import Citizen, Site

pytestmark = pytest.mark.browser
NAME, COMPANY = "欧阳娜娜", "泸州浏览器示例公司"
USCC = invented_uscc("91", 801)


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
def tax(site: Site) -> RelyingParty:
    """A service for persons and organisations. Its address is one of ours, so that the browser finds a server there."""
    scopes = ("openid", "profile", "offline_access", "organization")
    ceiling = ("name", "organization_name")
    metadata = {"serves": "persons_or_organisations"}
    uris = {"redirect_uris": (f"{site.issuer}/callback",), "post_logout_redirect_uris": ()}
    client = site.register_client("tax", scopes=scopes, claims_ceiling=ceiling, metadata=metadata, **uris)
    return RelyingParty(site, client)


@pytest.fixture(params=[True, False], ids=["javascript", "no-javascript"])
def windows(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[tuple[Page, Page]]:
    """A page of the representative and one of the handler, each in a browser context of its own."""
    contexts: list[BrowserContext] = [
        chromium.new_context(java_script_enabled=request.param, locale="zh-CN") for _ in range(2)
    ]
    for context in contexts:
        context.set_default_timeout(10_000)
    pages = [context.new_page() for context in contexts]
    for page in pages:
        page.on("request", lambda sent: saw(sent.url, where="organisation"))
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
    return json.loads(Http(party.site.wsgi).post("/token", data=form, auth=login).get_data())


def claims_of(token: str) -> dict[str, object]:
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def arrived(page: Page) -> Arrived:
    """Where a browser arrived outside, as RelyingParty reads it."""
    return Arrived(200, page.url, "", {})


def test_a_handler_is_appointed_acts_and_is_removed(site: Site, tax: RelyingParty, windows: tuple[Page, Page]):
    """The representative claims the company and invites; the handler accepts and acts; removed, the refresh fails."""
    head, handler = site.register_person(1), site.register_person(2)
    number = CitizenId.parse(head.number)
    site.services.systems.enterprises.add(InventedEnterprise(USCC, COMPANY, NAME, number, OrganisationKind.COMPANY))
    theirs, hers = windows

    theirs.goto(f"{site.issuer}/organisations")
    log_in(theirs, head)
    theirs.fill("[name=uscc]", USCC.canonical)
    theirs.click("form[action='/organisations/claim'] button")
    expect(theirs.locator("h1")).to_have_text(COMPANY)
    theirs.click("text=邀请管理员或经办人")
    theirs.check("input[name=role][value=handler]")
    theirs.fill("[name=name]", NAME)
    theirs.fill("[name=number]", handler.number)
    theirs.check("input[name=matters][value=tax]")
    theirs.click("text=发出邀请")
    expect(theirs.locator(".notice-done")).to_contain_text("邀请已经发出")

    hers.goto(f"{site.issuer}/organisations")
    log_in(hers, handler)
    hers.click("button:has-text('接受')")
    expect(hers.locator(".notice-done")).to_contain_text("已经接受")

    hers.goto(tax.start(scope="openid offline_access organization"))
    hers.click(f"label:has-text('为{COMPANY}')")
    hers.click("button[value=choose]")
    hers.click("button[value=agree]")
    hers.wait_for_url("**/callback?*")
    tokens = tax.redeem(arrived(hers))
    told = claims_of(tokens["access_token"])
    assert (told["org_role"], told["org_matters"], told["oal"]) == ("handler", ["tax"], 1)
    assert tax.userinfo(tokens)["organization_name"] == COMPANY
    assert "access_token" in refreshed(tax, tokens["refresh_token"])

    theirs.reload()
    theirs.click("button:has-text('移除')")
    expect(theirs.locator(".notice-done")).to_contain_text("已经移除")
    assert refreshed(tax, tokens["refresh_token"])["error"] == "invalid_grant"
    assert tax.introspect(tokens["access_token"])["active"] is False
    hers.goto(f"{site.issuer}/organisations")
    expect(hers.locator("main")).to_contain_text("您现在没有代表任何单位")
