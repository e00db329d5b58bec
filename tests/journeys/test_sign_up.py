"""Registration: who gets which account, who does not, and where the person arrives."""

import pytest

from accounts import audit, evidence
from accounts.evidence import EvidenceKind
from accounts.identifiers import IdentifierKind, Mobile, parse
from tests.conftest import Clock
from tests.fixtures.registrations import (
    BY_NAME,
    DAMING,
    SANDBOX,
    SIYUAN,
    XIAODONG,
    XIAOYU,
    YULAN,
    Registrant,
    last_code,
)
from tests.fixtures.relying_party import Browser, RelyingParty, id_token_claims
from tests.fixtures.site import PASSWORD, Citizen, Site

OWN_PHONE = XIAOYU.phone


@pytest.fixture
def site(database_url: str, clock: Clock):
    made = Site(database_url, clock, settings=SANDBOX)
    yield made
    made.database.close()


@pytest.fixture
def person(browser: Browser) -> Registrant:
    return Registrant(browser)


def holder(site: Site, who) -> str | None:
    return site.services.people.find(site.database.connection(), parse(who.kind, who.number))


def kinds(site: Site, person_id: str) -> set[EvidenceKind]:
    return {each.kind for each in evidence.of(site.database.connection(), person_id)}


def level(site: Site, person_id: str) -> int:
    return evidence.identity_assurance(evidence.of(site.database.connection(), person_id), site.clock())


def test_a_citizen_opens_an_account(site: Site, person: Registrant):
    """Document, number and name, face, no phone, password: the person is signed in, at IAL3, with dated evidence."""
    person.up_to_password()
    shown = person.password()
    assert shown.visited[-1] == "/account"
    made = holder(site, XIAOYU)
    assert made is not None
    assert kinds(site, made) == {EvidenceKind.TWO_ELEMENTS, EvidenceKind.FACE_MATCH}
    assert level(site, made) == 3
    assert all(each.expires_at > site.clock() for each in evidence.of(site.database.connection(), made))
    assert {each.source for each in evidence.of(site.database.connection(), made)} == {
        "registry:sandbox",
        "upstream:face_match",
    }
    recorded = {each.event.name for each in audit.recent(site.database.connection(), made, 9)}
    assert recorded >= {"person:account:open", "person:session:open"}
    browser = Browser(site)
    browser.get("/login")
    assert browser.log_in(Citizen(made, XIAOYU.number)).visited[-1] == "/account"


def test_a_phone_of_ones_own_proves_the_person(site: Site, person: Registrant):
    """A code to the phone that the operator has under the person's name opens an account at IAL2."""
    person.start()
    person.name(XIAOYU)
    person.send("/sign-up/proof", answer="phone")
    person.phone(OWN_PHONE)
    assert person.code().visited[-1] == "/sign-up/password"
    person.password()
    made = holder(site, XIAOYU)
    assert kinds(site, made) == {EvidenceKind.TWO_ELEMENTS, EvidenceKind.THREE_ELEMENTS, EvidenceKind.PHONE}
    assert level(site, made) == 2
    assert site.services.people.find_by_phone(site.database.connection(), Mobile.parse(OWN_PHONE)) == (made,)


def test_somebody_elses_phone_proves_nothing(site: Site, person: Registrant):
    """A stranger who knows number and name and has a phone of their own gets no account."""
    person.start()
    person.name(XIAOYU)
    person.send("/sign-up/proof", answer="phone")
    person.phone("+8613900000077")
    shown = person.code()
    assert person.stage == "phone"
    assert "不能证明是您本人" in shown.text
    assert not [
        form for form in shown.forms if ("answer", "skip") in form.buttons or form.fields.get("answer") == "skip"
    ]
    person.browser.post("/sign-up/phone", {"answer": "skip", "csrf_token": shown.forms[-1].fields["csrf_token"]})
    assert person.stage == "phone"
    assert holder(site, XIAOYU) is None


def test_another_persons_face_proves_nothing(site: Site, person: Registrant):
    """When the face is another person's, the journey is back at the choice and no account exists."""
    person.start()
    person.name(DAMING)
    shown = person.prove()
    assert (person.stage, holder(site, DAMING)) == ("proof", None)
    assert "没有核验成功" in shown.text


def test_face_is_never_the_only_way(person: Registrant):
    """The page with the face match also offers the network identity, the phone, and the counter."""
    person.start()
    shown = person.name(XIAOYU)
    offered = {value for form in shown.forms for _, value in form.buttons}
    assert offered >= {"face_match", "network_identity", "phone"}
    assert "/sign-up/counter" in shown.text


@pytest.mark.parametrize("name", ["黄志强", "林佳蓉", "BROWN EMILY"])
def test_holders_of_permits_and_cards_register_alike(site: Site, person: Registrant, name: str):
    """Residents of Hong Kong, Macao and Taiwan and foreigners with a card reach IAL3 by the same pages."""
    who = BY_NAME[name]
    person.start(who.kind.value)
    person.name(who)
    person.prove("network_identity")
    person.send("/sign-up/phone", answer="skip")
    person.password()
    assert level(site, holder(site, who)) == 3


@pytest.mark.parametrize("document", ["passport", "hkmo_travel_permit", "tw_travel_permit"])
def test_a_document_that_no_registry_knows_gives_ial1(site: Site, person: Registrant, document: str):
    """The page says so before it asks anything; the account has a phone, no number, and IAL1."""
    shown = person.start(document)
    assert "这种证件在网上不能核对" in shown.text
    assert "number" not in {field for form in shown.forms for field in form.fields}
    person.send("/sign-up/person", name="MULLER ANNA", of_age="yes")
    person.phone("+8613900000078")
    person.code()
    assert person.password().visited[-1] == "/account"
    (made,) = site.services.people.find_by_phone(site.database.connection(), Mobile.parse("+8613900000078"))
    assert (level(site, made), site.services.people.identifiers(site.database.connection(), made)) == (1, ())
    browser = Browser(site)
    browser.get("/login")
    assert browser.log_in(Citizen(made, "13900000078")).visited[-1] == "/account"


def test_registration_comes_back_to_the_service(site: Site, browser: Browser, housing: RelyingParty):
    """A person who registers in the middle of a service's request arrives at that service, signed in at IAL3."""
    login = browser.get(housing.start())
    assert "/sign-up?request=" in login.text
    person = Registrant(browser)
    person.start(at="/sign-up?request=" + login.visited[-1].removeprefix("/login/"))
    person.name(XIAOYU)
    person.prove()
    person.send("/sign-up/phone", answer="skip")
    assert person.password().visited[-1].startswith("/consent/")
    told = id_token_claims(housing.redeem(browser.agree()))
    assert told["acr"] == "urn:yitong:ial3:aal1"


def test_another_browsers_request_is_not_joined(site: Site, browser: Browser, housing: RelyingParty):
    """A link with a request that another browser began leads to an account and to no service."""
    asked = browser.get(housing.start()).visited[-1].removeprefix("/login/")
    other = Registrant(Browser(site))
    other.start(at=f"/sign-up?request={asked}")
    other.name(XIAOYU)
    other.prove()
    other.send("/sign-up/phone", answer="skip")
    assert other.password().visited[-1] == "/account"


def test_who_has_an_account_is_told_after_the_proof(site: Site, browser: Browser, housing: RelyingParty):
    """The holder of a number learns at the last page that they have an account, and goes on to log in there."""
    first = Registrant(Browser(site))
    first.up_to_password()
    first.password()
    login = browser.get(housing.start())
    again = Registrant(browser)
    again.start(at="/sign-up?request=" + login.visited[-1].removeprefix("/login/"))
    again.name(XIAOYU)
    again.prove()
    again.send("/sign-up/phone", answer="skip")
    told = again.password("another-lantern-river-3")
    assert again.stage == "known"
    assert "您已经有账号" in told.text
    assert login.visited[-1].replace("/login/", "/continue/") in told.text
    browser.get(login.visited[-1].replace("/login/", "/continue/"))
    assert browser.log_in(Citizen("", XIAOYU.number)).visited[-1].startswith("/consent/")


def test_a_phone_that_has_an_account_is_told_after_the_code(site: Site, browser: Browser):
    """A person without a number who proves a phone with an account is led to the login, not to a second account."""
    for _ in range(2):
        site.clock.advance(seconds=1)
        person = Registrant(Browser(site))
        person.start("passport")
        person.send("/sign-up/person", name="MULLER ANNA", of_age="yes")
        person.phone("+8613900000078")
        shown = person.code()
        if person.stage == "password":
            person.password()
    assert person.stage == "known"
    assert "您已经有账号" in shown.text


@pytest.mark.parametrize("who", [YULAN, XIAOYU], ids=["deceased", "another-name"])
def test_what_the_registry_does_not_confirm_is_one_answer(person: Registrant, who):
    """A deceased person's number and a wrong name get the same words."""
    person.start()
    shown = person.name(who, name="赵无名" if who is XIAOYU else who.name)
    assert person.stage == "person"
    assert "号码和姓名没有核对上" in shown.text


def test_a_registry_that_does_not_answer_is_not_the_persons_fault(person: Registrant):
    """The page says that the person may try again, and the journey waits at the same page."""
    person.start()
    shown = person.name(XIAODONG)
    assert person.stage == "person"
    assert "暂时没有回应" in shown.text


def test_children_come_with_their_guardian(site: Site, person: Registrant):
    """Under 14 nobody opens an account alone; from the fourteenth birthday in China on they can, as supervised."""
    site.clock.now = site.clock.now.replace(year=2025, month=9, day=8, hour=15, minute=59)  # 23:59 in China
    person.start()
    shown = person.name(SIYUAN)
    assert person.stage == "guardian"
    assert "监护人" in shown.text
    site.clock.advance(minutes=1)
    person.up_to_password(SIYUAN)
    assert person.password().visited[-1] == "/account"
    (opened,) = [
        each
        for each in audit.recent(site.database.connection(), holder(site, SIYUAN), 9)
        if each.event.name == "person:account:open"
    ]
    assert opened.detail == {"supervised": True}


@pytest.mark.parametrize("said", ["no", "", "maybe"])
def test_an_age_that_no_number_shows_is_asked(person: Registrant, said: str):
    """Without a birth date in the number the person says whether they are 14; no answer is no yes."""
    person.start("passport")
    person.send("/sign-up/person", name="MULLER ANNA", of_age=said)
    assert person.stage == ("guardian" if said == "no" else "person")


@pytest.mark.parametrize("chosen", ["short", "1234567890", "zhengxiaoyu95", "", "   "])
def test_a_weak_password_is_refused_with_its_reason(site: Site, person: Registrant, chosen: str):
    """The page says why; the journey waits, and no account exists."""
    person.up_to_password()
    shown = person.password(chosen)
    assert person.stage == "password"
    assert "密码" in shown.form_with("password").action or "请先看这里" in shown.text
    assert holder(site, XIAOYU) is None
    assert person.password().visited[-1] == "/account"


def test_a_code_is_guessed_five_times(person: Registrant):
    """After five wrong guesses the code is dead, also for the right digits."""
    person.start("passport")
    person.send("/sign-up/person", name="MULLER ANNA", of_age="yes")
    person.phone("+8613900000078")
    right = last_code(person.browser.site)
    wrong = f"{(int(right) + 1) % 10**6:06}"
    for _ in range(5):
        form = person.page.form_with("code")
        person.browser.submit(form, code=wrong, answer="check")
    assert person.stage == "phone"
    person.browser.submit(form, code=right, answer="check")
    assert person.stage == "phone"


def test_a_code_lives_five_minutes_and_is_sent_again_after_one(site: Site, person: Registrant):
    """An old code is refused; a new one can be asked for after a minute and replaces it."""
    person.start("passport")
    person.send("/sign-up/person", name="MULLER ANNA", of_age="yes")
    person.phone("+8613900000078")
    assert "请过一分钟" in person.send("/sign-up/code", answer="again").text
    first = last_code(site)
    site.clock.advance(minutes=5)
    person.code(first)
    assert person.stage == "code"
    person.send("/sign-up/code", answer="again")
    assert person.code().visited[-1] == "/sign-up/password"


def test_a_journey_ends_with_its_time_and_in_its_browser(site: Site, person: Registrant):
    """After 45 minutes, and in any other browser, a form of the journey leads to its beginning."""
    person.up_to_password()
    other = Browser(site)
    other.get("/sign-up")
    csrf = next(form for form in other.page.forms if form.action == "/sign-up").fields["csrf_token"]
    assert other.post("/sign-up/password", {"password": PASSWORD, "csrf_token": csrf}).visited[-1] == "/sign-up"
    site.clock.advance(minutes=45)
    assert person.password().visited[-1] == "/sign-up"
    assert "重新开始" in person.page.text
    assert holder(site, XIAOYU) is None


def test_the_last_form_sent_twice_makes_one_person(site: Site, person: Registrant):
    """A person who presses twice has one account, and the second press leads on as the first."""
    person.up_to_password()
    form = person.page.form_with("password")
    person.browser.submit(form, password=PASSWORD)
    assert person.browser.submit(form, password=PASSWORD).visited[-1] == "/account"


def test_without_a_registry_there_is_no_registration(database_url: str, clock: Clock):
    """A city that is connected to no registry sends people to the counter, and its login page has no link."""
    site = Site(database_url, clock)
    browser = Browser(site)
    assert "/sign-up" not in browser.get("/login").text
    shown = browser.get("/sign-up")
    assert shown.visited[-1] == "/sign-up/counter"
    csrf = shown.forms[0].fields["csrf_token"]
    assert browser.post("/sign-up", {"document": "passport", "csrf_token": csrf}).visited[-1] == "/sign-up/counter"
    site.database.close()


def test_an_unknown_page_does_not_exist(person: Registrant):
    """Only the pages of the journey exist below /sign-up."""
    assert person.browser.get("/sign-up/anything").status == 404


def test_an_address_is_not_enough(person: Registrant):
    """Opening a later page by its address leads to the page that is due."""
    assert person.browser.get("/sign-up/password").visited[-1] == "/sign-up"
    person.start()
    for stage in ("proof", "check", "phone", "code", "password", "known"):
        assert person.browser.get(f"/sign-up/{stage}").visited[-1] == "/sign-up/person"


def test_kinds_that_nobody_registers_with_are_refused(person: Registrant):
    """A kind that is no person's document, or none at all, begins nothing."""
    person.browser.get("/sign-up")
    for chosen in ("uscc", IdentifierKind.MOBILE.value, "", "../person"):
        assert person.send("/sign-up", document=chosen).visited[-1] == "/sign-up"
        assert person.browser.cookie("yt_sign_up") is None


def test_a_whole_registration_costs_so_many_statements(site: Site, person: Registrant):
    """From the first form to the account page, with a phone: a further statement needs a decision."""
    Registrant(Browser(site)).up_to_password(SIYUAN)  # the caches are full from here on
    counted: list[int] = []
    site.database.count = lambda: counted.append(1)
    person.start()
    person.name(XIAOYU)
    person.prove()
    person.phone(OWN_PHONE)
    site.database.count = lambda: None
    code = last_code(site)
    site.database.count = lambda: counted.append(1)
    person.code(code)
    assert person.password().visited[-1] == "/account"
    assert len(counted) <= (78 if site.database.dialect == "postgresql" else 62)  # BEGIN and COMMIT are counted, too


def test_calls_are_limited_on_the_pages(site: Site, person: Registrant):
    """After five wrong names for a number, a stranger's network waits; the page says until when."""
    person.start()
    for _ in range(5):
        assert person.name(XIAOYU, name="赵无名").status == 200
    refused = person.name(XIAOYU)
    assert refused.status == 429
    assert "Retry-After" in refused.headers
    elsewhere = Registrant(Browser(site, source="198.51.100.9"))
    elsewhere.start()
    elsewhere.name(XIAOYU)
    assert elsewhere.stage == "proof"


def test_a_check_elsewhere_is_begun_five_times(person: Registrant):
    """Each check costs the upstream something, so nobody can begin them without end."""
    person.start()
    person.name(XIAOYU)
    for _ in range(5):
        person.send("/sign-up/proof", answer="face_match")
        person.send("/sign-up/check", answer="other")
    assert person.send("/sign-up/proof", answer="face_match").status == 429


@pytest.mark.parametrize("request_id", ["%00", "..%2F", "a" * 32, "x" * 5000, "%E4%BD%A0", "\u202e"])
def test_a_request_that_is_no_request_is_left_out(person: Registrant, request_id: str):
    """Whatever the address names, the registration begins, and ends at the account."""
    assert person.start(at=f"/sign-up?request={request_id}").visited[-1] == "/sign-up/person"
