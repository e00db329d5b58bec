"""WeChat and Alipay on the pages: bound in a full session, logged in with, removed; and what is refused."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import sqlalchemy as sa

from accounts.credentials.external.federated_identity_store import federated_identifiers, federated_identities
from accounts.credentials.password import password_credentials
from accounts.database import Statement
from accounts.evidence import evidence as evidence_table
from accounts.people import natural_persons
from accounts.registration.call_limits import call_counters
from idp.adapters.systems.identity_providers.sandbox_platforms import SandboxPlatforms
from idp.login import person_status
from tests.conftest import Clock
from tests.fixtures.authenticator_app import shown
from tests.fixtures.platforms import allow, configuration, sandbox
from tests.fixtures.relying_party import Browser, Page, RelyingParty, id_token_claims
from tests.fixtures.site import Citizen, Site
from tests.journeys.test_restrictions import restrict
from tests.journeys.test_security import set_up

BOUND = "/account/security/platforms"
REMOVE = "/account/security/platforms/remove"
CALLBACK, OTHER_CALLBACK = "/login/wechat/callback", "/login/alipay/callback"
AAL2 = '{"id_token": {"acr": {"essential": true, "values": ["urn:yitong:ial3:aal2"]}}}'
OLD, UNBOUND = "这一步用的时间太长", "还没有绑定账号"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("platforms")


@pytest.fixture
def platforms(directory: Path, clock: Clock) -> Iterator[SandboxPlatforms]:
    with sandbox(directory) as server:
        server.platforms.clock = clock
        yield server


@pytest.fixture
def site(database_url: str, clock: Clock, platforms: SandboxPlatforms, directory: Path) -> Iterator[Site]:
    made = Site(database_url, clock, settings={"identity_providers": str(configuration(directory))})
    yield made
    made.database.close()


@pytest.fixture(params=["wechat", "alipay"])
def platform(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def person(site: Site) -> Citizen:
    return site.register_person()


def log_in(site: Site, person: Citizen) -> Browser:
    browser = Browser(site)
    browser.get("/login")
    browser.log_in(person)
    return browser


def bind(browser: Browser, platform: str = "wechat", account: int | None = 0) -> Page:
    """Presses the button on the page of the account, agrees at the platform, and comes back."""
    form = browser.get(BOUND).form_with(f"provider={platform}")
    return browser.get(allow(browser.submit(form).url, account))


def use(browser: Browser, platform: str = "wechat", account: int | None = 0, path: str | None = None) -> Page:
    """Follows the link of the login page that is open, or the one at `path`, and comes back."""
    if path is None:
        (path,) = re.findall(rf'href="([^"]*/{platform}(?:\?[^"]*)?)"', browser.page.text)
    return browser.get(allow(browser.get(html.unescape(path)).url, account))


@pytest.fixture
def bound(site: Site, person: Citizen, platform: str) -> Citizen:
    """The person after binding the first account of the platform, in another browser."""
    assert "已经绑定" in bind(log_in(site, person), platform).text
    return person


def rows(site: Site, table) -> list:
    return site.database.connection().rows(Statement(sa.select(table)))


def said(page: Page) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page.text))


def test_a_bound_account_logs_in_to_a_service(
    site: Site, bound: Citizen, platform: str, browser: Browser, housing: RelyingParty
):
    """No name is typed. The service reads one factor, the identity level that the person has, and no platform."""
    browser.get(housing.start())
    use(browser, platform)
    told = id_token_claims(housing.redeem(browser.agree()))
    assert (told["amr"], told["acr"]) == (["fed"], "urn:yitong:ial3:aal1")
    assert len(rows(site, evidence_table)) == 1


def test_the_login_page_of_our_own_leads_where_the_person_wanted(bound: Citizen, platform: str, browser: Browser):
    """`next` is followed within this site, and nowhere else."""
    browser.get("/login?next=/account/facts")
    assert use(browser, platform).visited[-1] == "/account/facts"
    browser.http.delete_cookie("yitong")
    browser.get("/login")
    assert use(browser, platform, path=f"/login/{platform}?next=//evil.example/").visited[-1] == "/account"


def test_an_account_that_nobody_bound_opens_nothing(site: Site, person: Citizen, platform: str, browser: Browser):
    """The page says to log in first and bind it. No person, no account and no session comes of it."""
    browser.get("/login")
    assert UNBOUND in use(browser, platform).text
    assert browser.get("/account").visited[-1] == "/login"
    assert [len(rows(site, table)) for table in (natural_persons, federated_identities)] == [1, 0]


@pytest.mark.parametrize("status", ["disabled", "deceased"])
def test_a_person_who_may_not_log_in_gets_the_answer_of_nobody(
    site: Site, bound: Citizen, platform: str, browser: Browser, status: str
):
    """A stranger with the telephone does not learn that the account exists."""
    with site.database.transaction() as c:
        person_status.change(c, site.services.people, bound.id, status, actor="operator:x", now=site.clock())
    browser.get("/login")
    assert UNBOUND in use(browser, platform).text


def test_a_restricted_person_sees_their_own_account(site: Site, bound: Citizen, platform: str, browser: Browser):
    """As after a password: the restriction is read there."""
    restrict(site, bound)
    browser.get("/login?next=/account")
    assert use(browser, platform).visited[-1] == "/account"


def test_whoever_refuses_at_the_platform_can_go_on(bound: Citizen, platform: str, browser: Browser):
    """The login page says so, and the password still works."""
    browser.get("/login")
    assert "您没有同意" in use(browser, platform, account=None).text
    assert browser.log_in(bound).visited[-1] == "/account"


def test_a_callback_counts_once(site: Site, bound: Citizen, platform: str, browser: Browser):
    """The address of a callback that was used, or is called twice, signs nobody in."""
    address = allow(browser.get(f"/login/{platform}").url)
    cookie = browser.cookie("yt_federated")
    assert browser.get(address).visited[-1] == "/account"
    browser.http.delete_cookie("yitong")
    assert OLD in browser.get(address).text
    fresh = allow(browser.get(f"/login/{platform}").url)
    state = parse_qs(urlsplit(address).query)["state"][0]
    browser.http.set_cookie("yt_federated", cookie)
    again = re.sub(r"state=[0-9a-f]{64}", f"state={state}", fresh)
    assert OLD in browser.get(again).text  # a new code of the platform does not help: the challenge is spent
    assert browser.get("/account").visited[-1] == "/login"


def test_a_callback_belongs_to_the_browser_that_left(site: Site, bound: Citizen, platform: str, browser: Browser):
    """Login CSRF: whoever is sent to somebody else's callback is not signed in to their account."""
    address = allow(browser.get(f"/login/{platform}").url)
    victim = Browser(site, source="198.51.100.7")
    victim.get("/login")
    assert OLD in victim.get(address).text
    victim.get(f"/login/{platform}")  # has left for the platform itself, with another state
    assert OLD in victim.get(address).text
    assert victim.get("/account").visited[-1] == "/login"


@pytest.mark.parametrize("state", ["", "0" * 64, "é", "x y"])
def test_a_strange_state_is_refused(site: Site, browser: Browser, state: str):
    """Whatever stands in the address, nothing happens and nothing is asked."""
    browser.get("/login/wechat")
    assert OLD in browser.get(f"{CALLBACK}?{urlencode({'code': 'x', 'state': state})}").text


def test_a_journey_ends_after_ten_minutes(site: Site, bound: Citizen, platform: str, browser: Browser, clock: Clock):
    """Somebody who finds the browser later cannot finish it."""
    address = browser.get(f"/login/{platform}").url
    clock.advance(minutes=11)
    assert OLD in browser.get(allow(address)).text


def test_a_code_of_the_platform_counts_once(site: Site, bound: Citizen, platform: str, browser: Browser):
    """A code that somebody spent elsewhere, or invented, is refused by the platform with status 200."""
    address = browser.get(f"/login/{platform}").url
    state, name = parse_qs(urlsplit(address).query)["state"][0], "auth_code" if platform == "alipay" else "code"
    used = f"/login/{platform}/callback?{urlencode({name: 'invented', 'state': state})}"
    assert "没有登录成功" in browser.get(used).text


def test_other_parameters_are_no_code(site: Site, bound: Citizen, browser: Browser):
    """Alipay's code is `auth_code`; a `code` beside it says nothing."""
    address = allow(browser.get("/login/alipay").url)
    assert "您没有同意" in browser.get(address.replace("auth_code=", "code=")).text


def test_a_silent_platform_is_said(
    site: Site, bound: Citizen, platform: str, browser: Browser, platforms: SandboxPlatforms
):
    """The page says to try later or another way, which works."""
    address = allow(browser.get(f"/login/{platform}").url)
    platforms.shutdown()
    platforms.server_close()
    assert "对方暂时没有回应" in browser.get(address).text
    assert browser.log_in(bound).visited[-1] == "/account"


def test_the_second_factor_is_asked_all_the_same(site: Site, person: Citizen, platform: str, browser: Browser):
    """Whoever set up an authenticator app is asked for its code, before their own pages and at services."""
    other = log_in(site, person)
    bind(other, platform)
    secret = set_up(other)
    site.clock.advance(seconds=60)
    browser.get("/login?next=/account")
    page = use(browser, platform)
    assert page.visited[-1] == "/second_factor"
    browser.submit(page.form_with("code"), code=shown(secret, site.clock()))
    assert browser.page.visited[-1] == "/account"


def test_a_service_that_needs_two_factors_asks_for_the_password(
    bound: Citizen, platform: str, browser: Browser, housing: RelyingParty
):
    """A platform's word is no factor, so a code beside it would not reach the level either."""
    browser.get(housing.start(claims=AAL2))
    page = use(browser, platform)
    assert "不能只用微信或支付宝登录" in page.text
    assert page.form_with("identifier", "password")


def test_ways_to_sign_in_are_not_changed_with_it(site: Site, bound: Citizen, platform: str, browser: Browser):
    """Whoever holds the telephone can neither bind another account nor remove this one."""
    browser.get("/login?next=/account")
    use(browser, platform)
    form = browser.get(BOUND).form_with("binding")
    assert browser.submit(form).visited[-1] == "/login"
    assert browser.submit(browser.get(BOUND).form_with("provider=wechat")).visited[-1] == "/login"
    assert len(rows(site, federated_identities)) == 1


def test_a_new_browser_is_told(site: Site, bound: Citizen, platform: str, clock: Clock):
    """A login with a platform from a browser that is new to the person is news, as after a password."""
    home = log_in(site, bound)
    clock.advance(days=2)
    home.get("/login")
    home.log_in(bound)
    stranger = Browser(site, source="198.51.100.7")
    stranger.get("/login?next=/account")
    use(stranger, platform)
    assert "有新的设备登录过您的账号" in home.get("/account").text
    clock.advance(minutes=1)
    home.http.delete_cookie("yitong")
    home.get("/login?next=/account")
    use(home, platform)
    assert home.page.visited[-1] == "/account"


def test_the_person_removes_it(site: Site, bound: Citizen, platform: str, browser: Browser):
    """Nothing of the binding stays, and it opens nothing."""
    home = log_in(site, bound)
    assert "已经解除绑定" in home.submit(home.get(BOUND).form_with("binding")).text
    assert [rows(site, table) for table in (federated_identities, federated_identifiers)] == [[], []]
    browser.get("/login")
    assert UNBOUND in use(browser, platform).text


def test_somebody_elses_binding_is_not_found(site: Site, bound: Citizen, platform: str):
    """The form with the id of another person's binding answers 404, and that binding stays."""
    (theirs,) = rows(site, federated_identities)
    other = log_in(site, site.register_person(2))
    token = other.get(BOUND).form_with("provider=wechat").fields["csrf_token"]
    assert other.post(REMOVE, {"csrf_token": token, "binding": theirs.id}).status == 404
    assert len(rows(site, federated_identities)) == 1


def test_one_account_opens_one_person(site: Site, bound: Citizen, platform: str, browser: Browser):
    """A second person cannot bind it, and it goes on opening the first."""
    other = log_in(site, site.register_person(2))
    assert "已经绑定过了" in bind(other, platform).text
    assert "已经绑定过了" in bind(log_in(site, bound), platform).text
    assert {row.person_id for row in rows(site, federated_identities)} == {bound.id}


def test_a_binding_belongs_to_the_session_that_began_it(site: Site, person: Citizen, platform: str):
    """Somebody else who logs in meanwhile in the same browser is not bound to the account."""
    browser = log_in(site, person)
    address = browser.submit(browser.get(BOUND).form_with(f"provider={platform}")).url
    browser.get("/login")
    browser.log_in(site.register_person(2))
    assert "没有绑定" in browser.get(allow(address)).text
    assert rows(site, federated_identities) == []


def test_a_person_who_is_not_proven_binds_nothing(site: Site, person: Citizen, platform: str):
    """An account of an older system, whose evidence is that system's alone, waits for a check of ours."""
    with site.database.transaction() as c:
        c.execute(Statement(sa.update(evidence_table).values(source="legacy:library")))
    browser = log_in(site, person)
    page = browser.submit(browser.get(BOUND).form_with(f"provider={platform}"))
    assert "请先核验身份" in page.text


def test_without_a_password_it_is_not_removed(site: Site, bound: Citizen, platform: str):
    """The last way to sign in stays."""
    home = log_in(site, bound)
    form = home.get(BOUND).form_with("binding")
    with site.database.transaction() as c:
        c.execute(Statement(sa.delete(password_credentials)))
    assert "唯一的登录方式" in home.submit(form).text
    assert len(rows(site, federated_identities)) == 1


def test_five_accounts_are_enough(site: Site, person: Citizen):
    """The sixth is refused before anybody leaves for the platform."""
    browser = log_in(site, person)
    bind(browser)
    (one,) = rows(site, federated_identities)
    with site.database.transaction() as c:
        for at in range(4):
            insert = sa.insert(federated_identities).values(
                id=f"{at:032x}", person_id=person.id, provider="wechat", created_at=one.created_at
            )
            c.execute(Statement(insert))
    assert "最多可以绑定 5 个" in browser.submit(browser.get(BOUND).form_with("provider=alipay")).text


def test_the_calls_from_one_network_are_limited(site: Site, bound: Citizen, platform: str, browser: Browser):
    """A stranger cannot make us call a platform without end: 200 in three quarters of an hour from one network."""
    with site.database.transaction() as c:
        c.execute(Statement(sa.update(call_counters).values(calls=200)))
    browser.get("/login")
    assert use(browser, platform).status == 429
    assert browser.get("/login").status == 200


def test_what_is_stored_names_no_account(site: Site, bound: Citizen, platform: str):
    """Identifiers of the platform are sealed, and no page or record has them."""
    dump = "".join(repr(row) for table in (federated_identities, federated_identifiers) for row in rows(site, table))
    assert "xiuying" not in dump
    assert "2088" not in dump


def test_without_a_configuration_there_is_no_way(database_url: str, clock: Clock):
    """Neither the login page nor the account's pages show a platform, and their addresses do not exist."""
    plain = Site(database_url, clock)
    browser = Browser(plain)
    assert "微信" not in browser.get("/login").text
    assert [browser.get(path).status for path in ("/login/wechat", "/login/alipay", CALLBACK, OTHER_CALLBACK)] == [
        404
    ] * 4
    browser.get("/login")
    browser.log_in(plain.register_person())
    assert BOUND not in browser.get("/account/security").text
    plain.database.close()
