"""The human check in Chromium, with and without scripts, under the policy that our pages have."""

import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import make_server

from tests.fixtures.processes import free_ports
from tests.fixtures.site import Citizen, Site

pytestmark = pytest.mark.browser


@pytest.fixture
def site(tmp_path, sqlite_template, clock) -> Iterator[Site]:
    """The application on a port of this machine, on SQLite, with a clock that only the test moves."""
    (port,) = free_ports(1)
    database = tmp_path / "yitong.db"
    database.write_bytes(sqlite_template.read_bytes())
    made = Site(f"sqlite:///{database}", clock, f"http://127.0.0.1:{port}", {"human_check": True})
    server = make_server("127.0.0.1", port, made.wsgi, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield made
    server.shutdown()
    serving.join()
    server.server_close()
    made.database.close()


@pytest.fixture
def person(site: Site) -> Citizen:
    return site.register_person()


def opened(chromium: Browser, *, scripts: bool) -> Page:
    page = chromium.new_context(java_script_enabled=scripts, locale="zh-CN").new_page()
    page.set_default_timeout(15_000)
    return page


def fill(page: Page, person: Citizen, password: str) -> None:
    page.fill("[name=identifier]", person.number)
    page.fill("[name=password]", password)


def suspect(page: Page, site: Site, person: Citizen) -> None:
    """The form has a check, after the guesses that are free."""
    page.goto(f"{site.issuer}/login")
    for _ in range(4):
        fill(page, person, "guess")
        page.click("button[value=login]")
    expect(page.locator("[name=human_check]")).to_have_count(1)


def test_a_script_does_the_work(site: Site, person: Citizen, chromium: Browser):
    """The person only fills in the form; pressing early waits for the check, and nothing is refused by the policy."""
    page, said = opened(chromium, scripts=True), []
    page.on("console", lambda message: said.append(message.text))
    suspect(page, site, person)
    expect(page.locator("#human-check-wait")).to_be_hidden()
    fill(page, person, person.password)
    page.click("button[value=login]")
    page.wait_for_url("**/account")
    assert said == []


def test_the_page_says_when_the_work_is_done(site: Site, person: Citizen, chromium: Browser):
    """A screen reader hears that the check runs and that it is done."""
    page = opened(chromium, scripts=True)
    suspect(page, site, person)
    expect(page.locator("#human-check-status")).to_have_text("安全检查好了，可以登录。")
    assert page.locator("[name=human_check_solution]").input_value()


def test_patience_is_enough_without_scripts(site: Site, person: Citizen, chromium: Browser):
    """The page names a time; before it the form asks again, after it the person is logged in."""
    page = opened(chromium, scripts=False)
    suspect(page, site, person)
    expect(page.locator("#human-check-wait")).to_contain_text("17:00:30")
    fill(page, person, person.password)
    page.click("button[value=login]")
    expect(page.locator("[name=human_check]")).to_have_count(1)
    site.clock.advance(seconds=31)
    fill(page, person, person.password)
    page.click("button[value=login]")
    page.wait_for_url("**/account")
