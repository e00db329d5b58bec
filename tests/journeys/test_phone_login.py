"""Logging in with a code to a phone: who gets in, who does not, and what nobody is told."""

import re
from datetime import timedelta

import pytest

from accounts import evidence, phones
from accounts.evidence import EvidenceKind
from accounts.identifiers import Mobile
from idp.adapters.systems.sandbox import SandboxSms, newest
from idp.delivery.fetcher import Fetcher
from idp.delivery.worker import DeliveryChannels, Worker
from idp.login import sessions
from tests.fixtures.relying_party import Browser, RelyingParty, id_token_claims
from tests.fixtures.restrictions import restrict
from tests.fixtures.site import Citizen, Site

PHONE, OTHER = "13900000001", "13900000002"
CODE = re.compile(r"\d{6}")
UNLIKE = re.compile(r"139\*+\d{4}|value=\"[^\"]{43,}\"|nonce=\"[^\"]+\"")  # what differs between two pages anyway


@pytest.fixture
def site(database_url, clock):
    made = Site(database_url, clock, settings={"sandbox": True, "sms_codes": True, "sms_voice": True})
    yield made
    made.database.close()


def verified(site: Site, person: Citizen, phone: str = PHONE) -> None:
    site.clock.advance(seconds=1)
    with site.database.transaction() as c:
        number = Mobile.parse(phone)
        phones.verify(c, site.services.people, person.id, number, source="counter", now=site.clock(), actor=None)


def delivered(site: Site) -> list:
    """Every message that the sandbox has after the worker has run, newest first."""
    services = site.services
    gateway = SandboxSms(services.database, services.vault, site.clock, environment="test")
    outlets = DeliveryChannels(Fetcher(), services.vault, gateway, lambda *_: "")
    worker = Worker(services.database, outlets)
    worker.run_once(site.clock())
    worker.close()
    return newest(services.database.connection(), services.vault)


def code_of(site: Site) -> str:
    return CODE.search(delivered(site)[0].text)[0]


def ask(browser: Browser, phone: str, end: str, start: str = "/phone-login", answer: str = "text"):
    browser.get(start)
    return browser.submit(browser.page.form_with("phone"), phone=phone, number_end=end, answer=answer)


def enter(browser: Browser, code: str, answer: str = "code"):
    return browser.submit(browser.page.form_with("code"), code=code, answer=answer)


def test_a_verified_phone_and_the_end_of_a_number_log_in(site: Site, browser: Browser):
    """The person sees their account; the code works once."""
    person = site.register_person()
    verified(site, person)
    page = ask(browser, "139 0000 0001", person.number[-4:].lower())
    assert "139****0001" in page.text
    code = code_of(site)
    assert enter(browser, f"{code[:3]} {code[3:]}").url.endswith("/account")
    other = Browser(site)
    ask(other, PHONE, person.number[-4:])
    assert enter(other, code).url.endswith("/phone-login/code")
    assert other.cookie("yitong") is None


def test_a_browser_that_is_new_is_told_to_the_person(site: Site, browser: Browser):
    """A login with a code from an unknown browser is asked about in a browser that the person used before."""
    person = site.register_person()
    verified(site, person)
    browser.get("/login")
    browser.log_in(person)
    site.clock.advance(days=2)
    other = Browser(site, source="198.51.100.7")
    ask(other, PHONE, person.number[-4:])
    enter(other, code_of(site))
    browser.get("/login")
    browser.log_in(person)
    assert "有新的设备登录过您的账号" in browser.get("/account").text


def test_a_restricted_person_reaches_their_own_account(site: Site, browser: Browser):
    """A code opens the page that says why, as a password does."""
    person = site.register_person()
    verified(site, person)
    restrict(site, person)
    ask(browser, PHONE, person.number[-4:])
    assert enter(browser, code_of(site)).url.endswith("/account")
    assert "泸公限字" in browser.get("/account/restriction").text


def test_in_the_middle_of_a_request_the_service_learns_how(site: Site, browser: Browser, housing: RelyingParty):
    """The text names the service and the person; `amr` has sms, and the level is IAL1 and AAL1 whatever is known."""
    person = site.register_person()
    verified(site, person)
    login = browser.get(housing.start())
    page = browser.get(re.search(r'href="(/phone-login/[^"]*)"', login.text)[1])
    browser.submit(page.form_with("phone"), phone=PHONE, number_end=person.number[-4:], answer="text")
    (message,) = delivered(site)
    assert "housing 服务" in message.text
    assert "欧**娜" in message.text
    assert "不要把它读给任何人" in message.text
    page = enter(browser, CODE.search(message.text)[0])
    page = browser.submit(page.form_with("mark"), answer="agree")
    claims = id_token_claims(housing.redeem(page))
    assert (claims["amr"], claims["acr"]) == (["sms"], "urn:yitong:ial1:aal1")


def test_a_service_that_asks_for_more_than_a_code_gives_gets_a_password(
    site: Site, browser: Browser, housing: RelyingParty
):
    """The person is told why, and the password reaches the level; without asking, the service gets the error."""
    person = site.register_person()
    verified(site, person)
    ask(browser, PHONE, person.number[-4:])
    enter(browser, code_of(site))
    wanted = '{"id_token": {"acr": {"essential": true, "values": ["urn:yitong:ial2:aal1"]}}}'
    silent = browser.get(housing.start(claims=wanted, prompt="none"))
    assert silent.answer["error"] == "unmet_authentication_requirements"
    page = browser.get(housing.start(claims=wanted))
    assert "不能只用手机验证码登录" in page.text
    browser.log_in(person)
    page = browser.submit(browser.page.form_with("mark"), answer="agree")
    assert id_token_claims(housing.redeem(page))["acr"] == "urn:yitong:ial3:aal1"


@pytest.mark.parametrize(
    ("phone", "end"), [(PHONE, "0000"), (OTHER, None), ("13900000009", None)], ids=["end", "unverified", "unknown"]
)
def test_whoever_is_not_known_gets_the_same_page_and_no_message(site: Site, phone: str, end: str | None):
    """A wrong end of a number, an unverified phone and an unknown one look like a right pair; nothing is sent."""
    person = site.register_person()
    verified(site, person)
    with site.database.transaction() as c:
        site.services.people.add_phone(c, person.id, Mobile.parse(OTHER), now=site.clock())
    shown = []
    for typed, last in ((PHONE, person.number[-4:]), (phone, end or person.number[-4:])):
        browser = Browser(site)
        page = ask(browser, typed, last)
        wrong = enter(browser, "000000")
        shown.append([UNLIKE.sub("", each.text) for each in (page, wrong)])
        assert [page.status, wrong.status, wrong.visited] == [200, 200, ("/phone-login/code", "/phone-login/code")]
    assert shown[0] == shown[1]
    assert len(delivered(site)) == 1


def test_three_wrong_guesses_end_a_code(site: Site, browser: Browser):
    """After the third wrong guess the right code opens nothing."""
    person = site.register_person()
    verified(site, person)
    ask(browser, PHONE, person.number[-4:])
    code = code_of(site)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    said = [enter(browser, wrong).text for _ in range(3)]
    assert ["还可以再试 2 次" in said[0], "还可以再试 1 次" in said[1], "不能用了" in said[2]] == [True] * 3
    assert enter(browser, code).url.endswith("/phone-login/code")
    assert browser.cookie("yitong") is None


def test_a_code_ends_after_five_minutes_and_can_be_renewed(site: Site, browser: Browser):
    """An old code opens nothing; the new one does; nothing is sent twice within a minute."""
    person = site.register_person()
    verified(site, person)
    page = ask(browser, PHONE, person.number[-4:])
    assert "请等一分钟" in browser.submit(page.form_with("answer=again"), answer="again").text
    first = code_of(site)
    site.clock.advance(minutes=5)
    assert "不能用了" in enter(browser, first).text
    enter(browser, "", answer="voice")
    call = delivered(site)[0]
    assert call.is_call
    second = call.text.replace("，", "")
    assert enter(browser, CODE.search(second)[0]).url.endswith("/account")


def test_a_code_works_only_in_its_browser_and_for_its_request(site: Site, browser: Browser, housing: RelyingParty):
    """Somebody who is read a code cannot use it, and a code for one login opens no other."""
    person = site.register_person()
    verified(site, person)
    ask(browser, PHONE, person.number[-4:])
    code = code_of(site)
    thief = Browser(site)
    ask(thief, PHONE, "0000")
    assert enter(thief, code).url.endswith("/phone-login/code")
    request = browser.get(housing.start()).url.rpartition("/")[2]
    assert browser.get(f"/phone-login/{request}/code").url.endswith(f"/phone-login/{request}")
    assert browser.cookie("yitong") is None


def test_a_shared_phone_asks_for_whom_without_naming_anybody(site: Site):
    """Each of two persons logs in as themselves with the end of their own number."""
    wife, husband = site.register_person(1), site.register_person(2)
    for person in (wife, husband):
        verified(site, person)
    for person in (wife, husband):
        browser = Browser(site)
        ask(browser, PHONE, person.number[-4:])
        enter(browser, code_of(site))
        assert person_at(site, browser) == person.id


def person_at(site: Site, browser: Browser) -> str:
    found = sessions.read_by_handle(
        site.database.connection(), browser.cookie("yitong"), timedelta(minutes=15), site.clock()
    )
    return found.person_id


def test_a_phone_from_before_the_proof_does_not_open_a_proven_account(site: Site, browser: Browser):
    """Whoever had only an older system's account and added a phone does not get in once the person was proven."""
    person = site.register_person()
    with site.database.transaction() as c:
        evidence.record(c, person.id, EvidenceKind.LEGACY_ACCOUNT, source="legacy:forum", at=site.clock())
        for each in evidence.of(c, person.id):
            if not each.source.startswith("legacy:"):
                evidence.withdraw(c, each.id, now=site.clock())
    verified(site, person)
    ask(browser, PHONE, person.number[-4:])
    assert enter(browser, code_of(site)).url.endswith("/account")
    site.clock.advance(minutes=1)
    with site.database.transaction() as c:
        evidence.record(c, person.id, EvidenceKind.COUNTER_COMPARISON, source="hall", at=site.clock())
    other = Browser(site)
    ask(other, PHONE, person.number[-4:])
    assert "不能用了" in enter(other, code_of(site)).text
    assert other.cookie("yitong") is None


def test_where_codes_are_not_sent_there_is_no_such_page(database_url, clock):
    """Without the setting the login page offers no code and the pages do not exist."""
    plain = Site(database_url, clock)
    browser = Browser(plain)
    assert "phone-login" not in browser.get("/login").text
    assert [browser.get(path).status for path in ("/phone-login", "/phone-login/code", "/account/phones")][:2] == [
        404
    ] * 2
    plain.database.close()
