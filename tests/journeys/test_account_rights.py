"""A person's rights on their own pages: facts, corrections, the export, closing, older accounts, the ledger."""

import json
import re

import pytest

from accounts.errors import NotProven
from accounts.merging.linking import legacy_sub
from idp import app
from idp.rights import corrections, disputes
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import PASSWORD, Site
from tests.fixtures.whole_person import link, whole_person
from tests.journeys.test_safe_methods import everything


@pytest.fixture
def person(site: Site, browser: Browser):
    """A person who is signed in."""
    found = site.register_person()
    browser.get("/login")
    browser.log_in(found)
    return found


def post(browser: Browser, path: str, **fields: str):
    token = browser.get("/preferences").form_with("csrf_token").fields["csrf_token"]
    return browser.post(path, {"csrf_token": token, **fields})


def test_the_overview_leads_to_every_page_and_to_none_that_is_missing(browser: Browser, person):
    """Each way of the overview opens, and no page of the account is without a way."""
    ways = re.findall(r'<a class="way" href="(/account/[^"]+)"', browser.get("/account").text)
    assert {"/account/facts", "/account/devices", "/account/services", "/account/export"} <= set(ways)
    assert [way for way in ways if browser.get(way).status != 200] == []


def test_facts_are_masked_and_name_their_checks(browser: Browser, person):
    """The page shows who checked the identity, and of name and number only a part."""
    shown = browser.get("/account/facts").text
    assert "工作人员当面核对" in shown
    assert "已经核对是本人和本人的证件" in shown
    assert person.number not in shown
    assert f"{person.number[:3]}***********{person.number[-4:]}" in shown
    assert "欧阳娜娜" not in shown


def test_contact_is_free_and_proven_facts_are_not(site: Site, browser: Browser, person):
    """E-mail and address change at once and on record; a form with a name changes no name."""
    page = browser.get("/account/contact")
    form = next(form for form in page.forms if form.action == "/account/contact")
    shown = browser.submit(form, email="nana@example.cn", address="江阳区某街3号", name="别人", birth_date="1980-01-01")
    assert "已经保存" in shown.text
    people = site.services.people
    known = people.attributes(people.by_id(site.database.connection(), person.id).attributes)
    assert (known.name, known.email, known.address) == ("欧阳娜娜", "nana@example.cn", "江阳区某街3号")
    assert known.birth_date is None
    assert "修改了个人资料" in browser.get("/account/activity").text
    assert "邮箱地址不完整" in browser.submit(form, email="not an address").text
    assert "地址太长" in browser.submit(form, address="长" * 201).text


def test_a_correction_is_a_request_for_the_counter(site: Site, browser: Browser, person):
    """It is recorded and shown, nothing changes, and a refusal shows its reasons."""
    page = browser.get("/account/corrections")
    form = next(form for form in page.forms if form.action == "/account/corrections")
    assert "请选择哪一项" in browser.submit(form, text="名字错了").text
    assert "请写出哪里不对" in browser.submit(form, kind="name").text
    shown = browser.submit(form, kind="name", text="应该是欧阳娜那")
    assert "已经收到您的申请" in shown.text
    assert "正在核实" in shown.text
    with site.database.transaction() as c:
        (waiting,) = corrections.undecided(c)
        vault, now = site.services.vault, site.clock()
        assert corrections.decide(c, vault, waiting.id, refused_because="与证件一致", actor="operator:x", now=now)
        assert not corrections.decide(c, vault, waiting.id, refused_because=None, actor="operator:x", now=now)
    shown = browser.get("/account/corrections").text
    assert "没有更正" in shown
    assert "与证件一致" in shown
    for _ in range(corrections.MOST_OPEN):
        browser.submit(form, kind="other", text="还有")
    assert "请等答复后再申请" in browser.submit(form, kind="other", text="再来").text


def test_the_export_is_one_file_that_nothing_keeps(browser: Browser, person):
    """A recent login downloads the file as an attachment, uncached and on record."""
    page = browser.get("/account/export")
    reply = browser.submit(next(form for form in page.forms if form.action == "/account/export"))
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Content-Disposition"].startswith("attachment")
    assert json.loads(reply.text)["data"]["natural_persons"][0]["id"] == person.id
    assert "下载了自己的全部资料" in browser.get("/account/activity").text


@pytest.mark.parametrize(
    ("path", "fields"),
    [("/account/export", {}), ("/account/closing", {"understood": "yes"})],
    ids=["export", "closing"],
)
def test_an_old_login_is_renewed_first(site: Site, browser: Browser, person, path, fields):
    """After twenty minutes the person proves themselves again, and comes back to the page."""
    for _ in range(2):
        site.clock.advance(minutes=10)
        post(browser, "/session/extend")
    refused = post(browser, path, **fields)
    assert refused.visited[-1] == "/login"
    assert "请再登录一次" in refused.text
    assert browser.log_in(person).visited[-1] == path
    assert browser.get(path).status == 200


def test_closing_is_explained_confirmed_and_taken_back(browser: Browser, person):
    """Without the tick nothing happens; with it the overview says when, and one button keeps the account."""
    page = browser.get("/account/closing")
    assert "至少六个月" in page.text
    form = next(form for form in page.forms if form.action == "/account/closing")
    unticked = {name: value for name, value in form.fields.items() if name != "understood"}
    assert "请先勾选" in browser.post("/account/closing", unticked).text
    shown = browser.post("/account/closing", unticked | {"understood": "yes"})
    assert "保留我的账号" in shown.text
    assert "注销</h2>" in browser.get("/account").text
    kept = post(browser, "/account/closing/cancel")
    assert "账号保留下来了" in kept.text
    assert "申请注销" in browser.get("/account/closing").text


def test_not_mine_shuts_the_link_at_once(site: Site, browser: Browser, person):
    """A disputed account opens nothing; a clerk's "kept" opens it again, a clerk's "separated" ends it for ever."""
    c, vault = site.database.connection(), site.services.vault
    link(c, vault, person.id, site.clock())
    assert legacy_sub(c, person.id, "library") == "u-7"
    page = browser.get("/account/older-accounts")
    assert "u-7" not in page.text
    form = next(form for form in page.forms if form.action.endswith("/not-mine"))
    assert "打不开任何东西" in browser.submit(form).text
    assert legacy_sub(c, person.id, "library") is None
    assert browser.submit(form).status == 200
    for separated in (False, True):
        with site.database.transaction() as work:
            (waiting,) = disputes.undecided(work)
            decided = {"on_persons_changed": lambda *_: None, "actor": "operator:x", "now": site.clock()}
            assert disputes.decide(work, waiting.id, separated=separated, **decided)
            assert not disputes.decide(work, waiting.id, separated=separated, **decided)
        if not separated:
            assert legacy_sub(c, person.id, "library") == "u-7"
            browser.submit(form)
    assert legacy_sub(c, person.id, "library") is None
    assert browser.submit(form).status == 404
    with pytest.raises(NotProven):
        site.services.passwords.authenticate(
            site.database, "nana", PASSWORD, source="192.0.2.9", channel="web", now=site.clock()
        )


def test_the_ledger_says_who_received_what_and_when(site: Site, browser: Browser, person, housing: RelyingParty):
    """Each release is listed, also after the consent was withdrawn; older ones are on further pages, each once."""
    browser.get(housing.start())
    housing.redeem(browser.agree())
    for _ in range(24):
        site.clock.advance(minutes=1)
        housing.redeem(browser.get(housing.start()))
    shown = browser.get("/account/releases")
    assert shown.text.count("housing 服务") == 20
    (older,) = re.findall(r'href="(/account/releases\?before=[^"]+)"', shown.text)
    assert browser.get(older).text.count("housing 服务") == 5
    (service,) = re.findall(r'href="(/account/services/[0-9a-f]{32})"', browser.get("/account/services").text)
    assert browser.get(service).text.count("<li><strong>") == 20
    post(browser, f"{service}/withdraw")
    assert "housing 服务" in browser.get("/account/releases").text
    assert "收回" in browser.get(service).text


@pytest.mark.parametrize("place", ["", "x", "1", "1-2", f"{'9' * 30}-{'0' * 32}", f"1-{'0' * 31}", f"-1-{'0' * 32}"])
def test_a_place_that_is_none_is_no_page(browser: Browser, person, place):
    """Any other text than a place of the list is an unknown address, not an error of the server."""
    for path in ("/account/activity", "/account/releases"):
        assert browser.get(f"{path}?before={place}").status == 404


def test_activity_goes_back_to_the_first_entry(site: Site, browser: Browser, person):
    """Every record is on exactly one page, also those of one moment."""
    for _ in range(40):
        post(browser, "/account/contact", email="", address="某街")
    seen, address = 0, "/account/activity"
    while address:
        text = browser.get(address).text
        seen += text.count("修改了个人资料")
        address = next(iter(re.findall(r'href="(/account/activity\?before=[^"]+)"', text)), "")
    assert seen == 40


def test_what_is_somebody_elses_is_not_there(site: Site, browser: Browser, person):
    """Every address of the account with a key answers 404 for the keys of a stranger's things and for invented ones."""
    stranger = whole_person_beside(site)
    rules = [rule for rule in site_rules(site) if rule.rule.startswith("/account") and rule.arguments]
    assert len(rules) >= 4
    for rule in rules:
        for key in {*stranger, "0" * 32}:
            path = rule.build(dict.fromkeys(rule.arguments, key))[1]
            for method in rule.methods & {"GET", "POST"}:
                page = browser.get(path) if method == "GET" else post(browser, path)
                assert page.status == 404, (method, rule.rule)


def whole_person_beside(site: Site):
    """Every key in the database that is not the signed-in person's."""
    before = keys(site)
    site.register_person(7)
    other = whole_person(site, serial=8)
    mine = {row.key for row in disputes.older_accounts(site.database.connection(), site.services.vault, other.id)}
    return sorted((keys(site) - before) | mine)


def keys(site: Site):
    return {
        key for rows in everything(site.database).values() for key in re.findall(r"\b[0-9a-f]{32}\b", "".join(rows))
    }


def site_rules(site: Site):
    return list(app.flask_app(site.services).url_map.iter_rules())


PAGES = ("", "/facts", "/devices", "/services", "/releases", "/activity", "/older-accounts", "/corrections", "/closing")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_reads_as_often_for_much_as_for_little(site: Site, path):
    """The number of statements of each page is small and does not depend on how much there is.

    Six at most: the session, whether it lacks a second factor, and four tables of the person.
    """
    counts = []
    for make in (lambda: site.register_person(5), lambda: whole_person(site)):
        person, browser = make(), Browser(site)
        browser.get("/login")
        browser.log_in(person)
        seen: list[int] = []
        site.database.count = lambda seen=seen: seen.append(1)
        assert browser.get(f"/account{path}").status == 200
        site.database.count = lambda: None
        counts.append(len(seen))
    assert counts[0] == counts[1]
    assert counts[0] <= 6
