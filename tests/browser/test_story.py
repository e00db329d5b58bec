"""The story of `make demo` in a real browser, with JavaScript on and off: one city, from the login to the company."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from accounts.database import Database
from idp.migrations import load_tables
from tests.browser.test_passkeys import plug_in
from tests.fixtures.authenticator_app import shown
from tests.fixtures.hygiene import Hygiene, saw
from tests.fixtures.processes import free_ports
from tests.fixtures.site import SPELLINGS

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.browser


class Demo:
    """The running demonstration: its addresses, its people and its logs."""

    def __init__(self, directory: Path, ports: list[int]) -> None:
        self.directory, self.read = directory, 0
        sites = (f"http://127.0.0.1:{port}" for port in ports[1:])
        self.housing, self.social, self.forum, self.enterprises = sites
        self.provider = f"http://localhost:{ports[0]}"  # browsers keep passkeys for a name, never for an address
        self.environment = {
            **os.environ,
            "YITONG_DEMO_DIR": str(directory),
            "YITONG_DEMO_PORTS": ",".join(str(port) for port in ports),
            "YITONG_ENV_FILE": str(directory / "demo.env"),
            "PYTHONPATH": str(ROOT),
        }
        self.environment["YITONG_ISSUER"] = self.provider

    def told(self) -> dict[str, Any]:
        return json.loads((self.directory / "personas.json").read_text())

    def merges(self, *words: str) -> dict[str, Any]:
        """The JSON output of `yitong merge`."""
        command = [sys.executable, "-m", "idp.cli", "merge", *words]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 5), done.stderr  # 5: some rows wait for their owners
        return json.loads(done.stdout)

    def recipe_of(self, uid: str) -> str | None:
        """The recipe of the old hash kept for that old account, or None."""
        with closing(sqlite3.connect(self.directory / "demo.db")) as database:
            row = database.execute("SELECT recipe FROM linked_accounts WHERE uid = ?", (uid,)).fetchone()
        return row and row[0]

    def citizen(self, name: str) -> dict[str, str]:
        return next(c for c in self.told()["citizens"] if c["name"] == name)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    made = Demo(tmp_path_factory.mktemp("demo"), free_ports(5))
    with (made.directory / "run.out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "demo" / "run.py")], env=made.environment, stdout=out, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + 90
    while "Ctrl-C" not in (said := (made.directory / "run.out").read_text()):
        assert process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.2)
    yield made
    process.terminate()
    process.wait(20)


class Seen:
    """Every address that a browser visited, and every page it showed."""

    def __init__(self) -> None:
        self.urls: list[str] = []


@pytest.fixture(params=[True, False], ids=["javascript", "no-javascript"])
def context(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    opened = chromium.new_context(java_script_enabled=request.param, locale="zh-CN")
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


def _log_in(page: Page, identifier: str, password: str) -> None:
    page.fill("[name=identifier]", identifier)
    page.fill("[name=password]", password)
    page.click("button[value=login]")


def _answer(page: Page) -> None:
    """Presses yes on a notice or consent page; does nothing when none is shown."""
    agreed = page.locator("button[value=acknowledge], button[value=agree]")
    if agreed.count():
        agreed.first.click()


def test_the_story(demo: Demo, context: BrowserContext, chromium: Browser):
    """A citizen logs in once, uses two services, looks after her sessions, and is signed out everywhere at once."""
    elder = demo.citizen("王秀英")
    page, urls = context.new_page(), []
    page.on("request", lambda request: urls.append(request.url))
    page.on("load", lambda shown: saw(shown.url, shown.content(), where="story"))

    # 1 housing fund: number and password, the notice, and back with name and assurance level
    page.goto(demo.housing)
    page.click("text=使用一通登录")
    _log_in(page, elder["identifier"], elder["password"])
    _answer(page)
    expect(page.locator("#name")).to_have_text(elder["name"])
    expect(page.locator("#acr")).to_have_text("urn:yitong:ial3:aal1")
    at_housing = page.locator("#sub").get_attribute("title")

    # 2 social security: in without typing
    page.goto(demo.social)
    page.click("text=使用一通登录")
    assert page.locator("[name=password]").count() == 0
    _answer(page)
    expect(page.locator("#name")).to_have_text(elder["name"])
    at_social = page.locator("#sub").get_attribute("title")
    assert at_housing != at_social
    assert elder["identifier"] not in f"{at_housing} {at_social}"

    # 3 her account: another device is signed in, and she ends it there
    other = chromium.new_context(locale="zh-CN")
    elsewhere = other.new_page()
    elsewhere.goto(f"{demo.provider}/account")
    _log_in(elsewhere, elder["identifier"], elder["password"])
    expect(elsewhere.locator("a[href='/account/devices']")).to_be_visible()
    page.goto(f"{demo.provider}/account")
    page.click("a[href='/account/services']")
    expect(page.locator("main")).to_contain_text("泸州市住房公积金")
    expect(page.locator("main")).to_contain_text("泸州市社会保险")
    page.goto(f"{demo.provider}/account/activity")
    assert page.locator(".log li").count() >= 2
    page.goto(f"{demo.provider}/account/devices")
    page.locator("form[action^='/account/devices/'] button").first.click()
    expect(page.locator("form[action^='/account/devices/']")).to_have_count(0)
    elsewhere.goto(f"{demo.provider}/account")
    expect(elsewhere.locator("[name=password]")).to_be_visible()
    other.close()

    # 4 out of one service, out of both
    page.goto(demo.social)
    expect(page.locator("#name")).to_be_visible()
    page.goto(demo.housing)
    page.click("text=退出登录")
    page.wait_for_url(f"{demo.housing}/**")
    expect(page.locator("text=使用一通登录")).to_be_visible()
    _wait_until_signed_out(page, demo.social)
    page.click("text=使用一通登录")
    expect(page.locator("[name=password]")).to_be_visible()

    assert not [url for url in urls if elder["identifier"] in url]


def _wait_until_signed_out(page: Page, service: str) -> None:
    """The other service is notified over the back channel, within five seconds but not at once."""
    deadline = time.monotonic() + 5
    page.goto(service)
    while page.locator("#name").count():
        assert time.monotonic() < deadline, "the other service was not told"
        time.sleep(0.1)
        page.goto(service)


def test_a_husband_logs_in_with_a_code_to_the_phone_that_he_shares(demo: Demo, context: BrowserContext):
    """The phone, the end of his number, the code of the text message: the service gets him, with IAL1."""
    wife = demo.citizen("王秀英")
    him = next(c for c in demo.told()["citizens"] if c["phone"] == wife["phone"] and c["name"] != wife["name"])
    page, inbox = context.new_page(), context.new_page()
    page.on("load", lambda shown: saw(shown.url, shown.content(), where="story"))
    page.goto(demo.housing)
    page.click("text=使用一通登录")
    page.click("text=用手机验证码登录")
    page.fill("[name=phone]", him["phone"])
    page.fill("[name=number_end]", him["identifier"][-4:])
    page.click("button[value=text]")
    field = page.locator("[name=code]")
    assert (field.get_attribute("autocomplete"), field.get_attribute("inputmode")) == ("one-time-code", "numeric")
    text = _newest_message(inbox, demo)
    assert f"{him['name'][0]}*" in text
    assert "泸州市住房公积金" in text
    page.fill("[name=code]", re.search(r"[0-9]{6}", text)[0])
    page.click("button[value=code]")
    _answer(page)
    expect(page.locator("#name")).to_have_text(him["name"])
    expect(page.locator("#acr")).to_have_text("urn:yitong:ial1:aal1")


def _newest_message(inbox: Page, demo: Demo) -> str:
    """The worker delivers within seconds. Each run of a test reads its own message, so the inbox is compared."""
    deadline = time.monotonic() + 10
    while True:
        inbox.goto(f"{demo.provider}/sandbox/messages")
        found = inbox.locator(".log li p:not(.meta)")
        if found.count() > demo.read:
            demo.read = found.count()
            return found.first.inner_text()
        assert time.monotonic() < deadline, "no message was delivered"
        time.sleep(0.2)


def test_people_show_what_they_are_said_to_show(demo: Demo, chromium: Browser):
    """Social security learns that the child is under 18, and that the IAL1 person is not, but no date."""
    for name, facts, adult, level in (
        ("陈小满", {"姓名", "是否年满18周岁"}, "否 No", "urn:yitong:ial2:aal1"),
        ("周文博", {"姓名", "是否年满18周岁"}, "是 Yes", "urn:yitong:ial1:aal1"),
    ):
        opened = chromium.new_context(java_script_enabled=False, locale="zh-CN")
        page, person = opened.new_page(), demo.citizen(name)
        page.goto(demo.social)
        page.click("text=使用一通登录")
        _log_in(page, person["identifier"], person["password"])
        assert {*page.locator(".facts strong").all_inner_texts()} == facts
        _answer(page)
        expect(page.locator("#age_over_18")).to_have_text(adult)
        expect(page.locator("#acr")).to_have_text(level)
        opened.close()


def _press_twice(page: Page, selector: str) -> None:
    """Two presses a moment apart, as by people who double-click everything, wherever the first press led."""
    page.locator(selector).first.dblclick(delay=40, no_wait_after=True)


def test_who_presses_everything_twice_arrives(demo: Demo, context: BrowserContext):
    """The second press sends the form again and cancels the first response; the person is logged in all the same.

    With JavaScript the form is not sent twice. Without, she is logged in, or reads so and continues without typing.
    """
    page, person = context.new_page(), demo.citizen("李建国")
    page.goto(demo.housing)
    page.click("text=使用一通登录")
    page.fill("[name=identifier]", person["identifier"])
    page.fill("[name=password]", person["password"])
    _press_twice(page, "button[value=login]")
    asked = page.locator("button[value=acknowledge], button[value=agree]")
    expect(asked.or_(page.locator("#name, a.button")).first).to_be_visible()
    if asked.count():
        _press_twice(page, "button[value=acknowledge], button[value=agree]")
    expect(page.locator("#name, a.button").first).to_be_visible()
    if page.locator("h1").inner_text() == "登录已经完成":
        page.click("text=返回泸州市住房公积金")
        if page.locator("#name").count() == 0:
            page.click("text=使用一通登录")
    expect(page.locator("#name")).to_have_text(person["name"])


def test_an_old_account_comes_along(demo: Demo, chromium: Browser, tmp_path: Path):
    """After the merge her old name and password open an account and the forum knows her; undo reverts it."""
    older = demo.told()["older_accounts"][0]
    plan = demo.merges("plan", f"demo/legacy/{older['system']}.toml", "--out", str(tmp_path), "--json")
    assert not demo.recipe_of(older["legacy_sub"])
    demo.merges("apply", plan["plan"], "--yes", "--json")
    assert demo.recipe_of(older["legacy_sub"])
    opened = chromium.new_context(java_script_enabled=False, locale="zh-CN")
    page = opened.new_page()
    page.goto(demo.forum)
    page.click("text=使用一通登录")
    _log_in(page, older["login_name"], older["password"])
    _answer(page)
    expect(page.locator("#name")).to_have_text(older["name"])
    expect(page.locator("#legacy_sub")).to_have_text(older["legacy_sub"])
    assert demo.recipe_of(older["legacy_sub"]) is None  # the old hash is gone: an Argon2id hash replaced it

    demo.merges("undo", "--run", plan["run_id"], "--yes", "--json")
    page.goto(f"{demo.provider}/account")
    expect(page.locator("[name=password]")).to_be_visible()
    _log_in(page, older["login_name"], older["password"])
    expect(page.locator("text=号码或密码不对").first).to_be_visible()
    opened.close()


def _at(demo: Demo, chromium: Browser, *, javascript: bool = True) -> Page:
    """A page of a browser that nobody has used."""
    context = chromium.new_context(java_script_enabled=javascript, locale="zh-CN")
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.on("load", lambda shown: saw(shown.url, shown.content(), where="story"))
    return page


def _enter(page: Page, service: str, person: dict[str, str]) -> None:
    """Logs in at a service with number and password."""
    page.goto(service)
    page.click("text=使用一通登录")
    _log_in(page, person["identifier"], person["password"])


def test_somebody_opens_an_account_on_the_way_to_a_service(demo: Demo, chromium: Browser):
    """郑小雨 registers at the housing fund, with a face and a phone whose code is in the sandbox, and arrives there."""
    page, inbox = _at(demo, chromium), _at(demo, chromium)
    page.goto(demo.housing)
    page.click("text=使用一通登录")
    page.click("text=开通账号")
    page.get_by_label("居民身份证", exact=True).check()
    _press(page, "下一步")
    page.fill("[name=name]", "郑小雨")
    page.fill("[name=number]", "519999199506180011")
    _press(page, "下一步")
    _press(page, "刷脸核验")
    _press(page, "继续")
    page.fill("[name=phone]", "13900000041")
    _press(page, "发送验证码")
    page.fill("[name=code]", re.search(r"[0-9]{6}", _newest_message(inbox, demo))[0])
    _press(page, "下一步")
    page.fill("[name=password]", "orchard-lantern-quiet-52")
    page.locator("main form button.button-full").click()
    _answer(page)
    expect(page.locator("#name")).to_have_text("郑小雨")
    expect(page.locator("#acr")).to_have_text("urn:yitong:ial3:aal1")


def _press(page: Page, text: str) -> None:
    page.get_by_role("button", name=text, exact=True).click()


def test_an_authenticator_app_makes_two_factors(demo: Demo, chromium: Browser):
    """She sets up an app; from then on a service is reached with its code only, and learns of both factors."""
    person, page = demo.citizen("SMITH JOHN"), _at(demo, chromium, javascript=False)
    page.goto(f"{demo.provider}/account/security/authenticator")
    _log_in(page, person["identifier"], person["password"])
    page.click("button[value=begin]")
    secret = page.locator("code.secret").inner_text()
    page.fill("[name=code]", shown(secret, datetime.now(UTC)))
    page.click("button[value=confirm]")
    expect(page.locator("h1")).to_have_text("您的备用码")
    fresh = _at(demo, chromium)
    _enter(fresh, demo.social, person)
    fresh.fill("[name=code]", shown(secret, datetime.now(UTC), step=1))  # each step is good once
    fresh.click("button[value=verify]")
    _answer(fresh)
    expect(fresh.locator("#acr")).to_have_text("urn:yitong:ial2:aal2")


def test_a_passkey_needs_no_name_and_no_password(demo: Demo, chromium: Browser):
    """He adds a passkey that stays in his device, and logs in with it alone: two factors in one movement, AAL3."""
    person, page = demo.citizen("周文博"), _at(demo, chromium)
    tools, device = plug_in(page)
    page.goto(f"{demo.provider}/login?next=/account/passkeys/add")
    _log_in(page, person["identifier"], person["password"])
    page.click("button:has-text('添加通行密钥')")
    expect(page.locator(".notice")).to_contain_text("通行密钥已经添加")
    page.context.clear_cookies()
    finger = {"authenticatorId": device, "enabled": False}  # lifted, or the login page fills itself in at once
    tools.send("WebAuthn.setAutomaticPresenceSimulation", finger)
    page.goto(demo.social)
    page.click("text=使用一通登录")
    expect(page.locator("#identifier")).to_have_value("")
    tools.send("WebAuthn.setAutomaticPresenceSimulation", finger | {"enabled": True})
    page.click("text=用通行密钥登录")
    expect(page.locator("#acr").or_(page.locator("button[value=agree]")).first).to_be_visible()
    _answer(page)
    expect(page.locator("#acr")).to_have_text("urn:yitong:ial1:aal3")


def test_a_company_is_represented_and_a_handler_is_removed(demo: Demo, chromium: Browser):
    """Representative and handler act for the brewery, each as far as they may; the removed handler acts no more."""
    brewery = demo.told()["enterprises"][0]
    head, handler = demo.citizen(brewery["representative"]), demo.citizen(brewery["handlers"][0])
    theirs, his = _at(demo, chromium), _at(demo, chromium, javascript=False)
    for page, person, role, matters in (
        (theirs, head, "法定代表人", "全部"),
        (his, handler, "经办人", "social_insurance, tax"),
    ):
        _enter(page, demo.enterprises, person)
        _answer(page)
        expect(page.locator("#organisation")).to_have_text(brewery["name"])
        expect(page.locator("#uscc")).to_have_text(brewery["uscc"])
        expect(page.locator("#role")).to_contain_text(role)
        expect(page.locator("#matters")).to_contain_text(matters)
    theirs.goto(f"{demo.provider}/organisations")
    theirs.click(f"a:has-text('{brewery['name']}')")
    theirs.click("button:has-text('移除')")
    expect(theirs.locator(".notice-done")).to_contain_text("已经移除")
    his.goto(demo.enterprises)
    his.click("text=退出登录")
    _enter(his, demo.enterprises, handler)
    expect(his.locator("main")).to_contain_text("您现在没有代表任何单位")
    assert his.locator("#organisation").count() == 0


def test_somebody_chooses_for_whom_they_act(demo: Demo, chromium: Browser):
    """A representative comes for the first time, appoints a manager who has another company, and that one chooses."""
    brewery, growers = demo.told()["enterprises"]
    head, manager = demo.citizen(growers["representative"]), demo.citizen(brewery["representative"])
    hers, his = _at(demo, chromium, javascript=False), _at(demo, chromium)
    hers.goto(f"{demo.provider}/organisations")
    _log_in(hers, head["identifier"], head["password"])
    hers.fill("[name=uscc]", growers["uscc"])
    hers.click("form[action='/organisations/claim'] button")
    expect(hers.locator("h1")).to_have_text(growers["name"])
    hers.click("text=邀请管理员或经办人")
    hers.check("input[name=role][value=manager]")
    hers.fill("[name=name]", manager["name"])
    hers.fill("[name=number]", manager["identifier"])
    hers.click("text=发出邀请")
    expect(hers.locator(".notice-done")).to_contain_text("邀请已经发出")
    his.goto(f"{demo.provider}/organisations")
    _log_in(his, manager["identifier"], manager["password"])
    his.click("button:has-text('接受')")
    expect(his.locator(".notice-done")).to_contain_text("已经接受")
    his.goto(demo.enterprises)
    his.click("text=使用一通登录")
    his.click(f"label:has-text('为{growers['name']}')")
    his.click("button[value=choose]")
    _answer(his)
    expect(his.locator("#organisation")).to_have_text(growers["name"])
    expect(his.locator("#role")).to_contain_text("管理员")


def test_no_log_holds_a_number(demo: Demo, hygiene: Hygiene):
    """After the story no log and no database row holds an identifier, a phone or a password."""
    load_tables()
    hygiene.look_at_files("log", (demo.directory / "log").glob("*.log"))
    hygiene.look_at_database("story", Database(f"sqlite:///{demo.directory / 'demo.db'}"))
    logs = "".join(path.read_text(errors="replace") for path in (demo.directory / "log").glob("*.log"))
    assert logs
    for citizen in demo.told()["citizens"]:
        for secret in (citizen["identifier"], citizen["password"], citizen["phone"]):
            assert not secret or secret not in logs


def test_a_phone_logs_in_however_it_is_typed(demo: Demo, chromium: Browser):
    """Her verified phone and password log in, in thirteen spellings; her husband shares it and logs in otherwise."""
    elder, husband = demo.citizen("王秀英"), demo.citizen("李建国")
    assert elder["logs_in_by_phone"]
    assert not husband["logs_in_by_phone"]
    for spelling in SPELLINGS:
        context = chromium.new_context(locale="zh-CN")
        page = context.new_page()
        page.goto(f"{demo.provider}/account")
        _log_in(page, spelling, elder["password"])
        expect(page).to_have_url(f"{demo.provider}/account")
        context.close()
    page = chromium.new_page(locale="zh-CN")
    page.goto(f"{demo.provider}/account")
    _log_in(page, husband["phone"], husband["password"])
    expect(page.locator(".summary")).to_be_visible()
    page.close()
