"""Proving more in the middle of a service's request, and an identity level that falls with its evidence."""

import json
from datetime import timedelta

import pytest

from accounts import audit, evidence, phones
from accounts.credentials import password as passwords
from accounts.evidence import EvidenceKind
from accounts.identifiers import Mobile, parse
from accounts.people import NewPerson
from idp.login import person_status
from tests.conftest import Clock
from tests.fixtures.registrations import BY_NAME, DAMING, SANDBOX, XIAODONG
from tests.fixtures.relying_party import Browser, Page, RelyingParty, id_token_claims
from tests.fixtures.site import PASSWORD, Citizen, Site

WENBO = BY_NAME["周文博"]


@pytest.fixture
def site(database_url: str, clock: Clock):
    made = Site(database_url, clock, settings=SANDBOX)
    yield made
    made.database.close()


def registered(site: Site, who=WENBO, *kinds: EvidenceKind, numbered: bool = True) -> Citizen:
    """A person with a password and these checks, made now."""
    services, now = site.services, site.clock()
    identifiers = (parse(who.kind, who.number),) if numbered else ()
    with site.database.transaction() as c:
        person = services.people.register(c, NewPerson(who.name, identifiers), now=now)
        for kind in kinds:
            evidence.record(c, person.id, kind, source="test", at=now)
        passwords.store(c, services.vault, person.id, services.hasher.hash(PASSWORD), now=now)
    return Citizen(person.id, who.number)


def essential(*levels: str, **more) -> str:
    wish = {"essential": True, "values": [f"urn:yitong:{level}" for level in levels], **more}
    return json.dumps({"id_token": {"acr": wish}})


def prove(browser: Browser, by: str = "face_match") -> Page:
    """Chooses the check, comes back from it, and goes on."""
    press(browser, by)
    return press(browser, "done")


def press(browser: Browser, answer: str) -> Page:
    for form in browser.page.forms:
        if form.action.startswith("/proofing/") and (
            ("answer", answer) in form.buttons or form.fields.get("answer") == answer
        ):
            return browser.submit(form, answer=answer)
    raise AssertionError(browser.page.text[:2000])


def evidence_kinds(site: Site, person: Citizen) -> set[EvidenceKind]:
    return {each.kind for each in evidence.of(site.database.connection(), person.id)}


@pytest.mark.parametrize("by", ["face_match", "network_identity"])
def test_a_person_proves_what_the_service_asks(site: Site, browser: Browser, housing: RelyingParty, by: str):
    """IAL1 becomes IAL3 by a check on the way, under a new handle; the request goes on and the evidence stays."""
    person = registered(site, WENBO, EvidenceKind.PHONE)
    browser.get(housing.start(claims=essential("ial3:aal1")))
    shown = browser.log_in(person)
    assert shown.visited[-1].startswith("/proofing/")
    before = browser.cookie("yitong")
    assert prove(browser, by).visited[-1].startswith("/consent/")
    assert browser.cookie("yitong") != before
    told = id_token_claims(housing.redeem(browser.agree()))
    assert told["acr"] == "urn:yitong:ial3:aal1"
    assert evidence_kinds(site, person) >= {EvidenceKind.TWO_ELEMENTS, EvidenceKind(by)}
    recorded = [each.event.name for each in audit.recent(site.database.connection(), person.id, 20)]
    assert recorded.count("person:evidence:record") == 1
    assert "person:session:step_up" in recorded
    assert "code" in browser.get(housing.start(claims=essential("ial3:aal1"))).answer


@pytest.mark.parametrize("level", ["ial4:aal1", "ial3:aal3"])
def test_a_level_that_the_web_cannot_reach_stays_an_error(
    site: Site, browser: Browser, housing: RelyingParty, level: str
):
    """IAL4 needs a counter, and a face is no hardware key: the service is told at once, without a page."""
    person = registered(site, WENBO, EvidenceKind.PHONE)
    browser.get(housing.start(claims=essential(level)))
    assert browser.log_in(person).answer["error"] == "unmet_authentication_requirements"


def test_a_person_without_a_number_cannot_prove_more(site: Site, browser: Browser, housing: RelyingParty):
    """An account without a document has nothing to compare a face with, so the service gets the error."""
    person = registered(site, WENBO, EvidenceKind.PHONE, numbered=False)
    phone = Mobile.parse("+8613900000079")
    with site.database.transaction() as c:
        phones.verify(c, site.services.people, person.id, phone, source="test", now=site.clock(), actor=None)
    browser.get(housing.start(claims=essential("ial3:aal1")))
    arrived = browser.log_in(Citizen(person.id, "13900000079"))
    assert arrived.answer["error"] == "unmet_authentication_requirements"


def test_a_silent_request_is_refused(site: Site, browser: Browser, housing: RelyingParty):
    """With prompt=none the service gets the error instead of a page."""
    person = registered(site, WENBO, EvidenceKind.PHONE)
    browser.get(housing.start())
    browser.log_in(person)
    browser.agree()
    arrived = browser.get(housing.start(claims=essential("ial3:aal1"), prompt="none"))
    assert arrived.answer["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize("who", [DAMING, XIAODONG], ids=["another-face", "registry-down"])
def test_a_failed_check_changes_nothing(site: Site, browser: Browser, housing: RelyingParty, who):
    """Another person's face, or a registry that does not answer: no evidence, the same level, the page says why."""
    person = registered(site, who, EvidenceKind.PHONE)
    browser.get(housing.start(claims=essential("ial3:aal1")))
    browser.log_in(person)
    shown = press(browser, "face_match")
    if who is DAMING:
        shown = press(browser, "done")
    assert shown.visited[-1].startswith("/proofing/")
    assert "请先看这里" in shown.text
    assert evidence_kinds(site, person) == {EvidenceKind.PHONE}


def test_a_person_may_choose_another_way_or_decline(site: Site, browser: Browser, housing: RelyingParty):
    """Leaving a check leads back to the choice; declining tells the service access_denied."""
    person = registered(site, WENBO, EvidenceKind.PHONE)
    browser.get(housing.start(claims=essential("ial3:aal1")))
    browser.log_in(person)
    press(browser, "face_match")
    press(browser, "other")
    assert "face_match" in browser.page.text
    assert press(browser, "cancel").answer["error"] == "access_denied"


def test_an_answer_that_is_empty_or_early_proves_nothing(site: Site, browser: Browser, housing: RelyingParty):
    """An empty form, `done` before any check, and an unknown check leave the step pending."""
    person = registered(site, WENBO, EvidenceKind.PHONE)
    browser.get(housing.start(claims=essential("ial3:aal1")))
    shown = browser.log_in(person)
    form = shown.form_with("answer=face_match")
    for answer in ("", "done", "other", "counter_comparison", "certificate"):
        shown = browser.submit(form, answer=answer)
        assert shown.visited[-1].startswith("/proofing/")
    assert evidence_kinds(site, person) == {EvidenceKind.PHONE}


def test_a_check_counts_once(site: Site, browser: Browser, housing: RelyingParty):
    """The form that ends a check, sent again, records nothing more and leads on."""
    person = registered(site, WENBO, EvidenceKind.PHONE)
    browser.get(housing.start(claims=essential("ial3:aal1")))
    browser.log_in(person)
    press(browser, "face_match")
    form = next(form for form in browser.page.forms if form.fields.get("answer") == "done")
    browser.submit(form)
    again = browser.submit(form)
    assert again.visited[-1].startswith("/consent/")
    assert len(evidence.of(site.database.connection(), person.id)) == 3


def test_another_browser_cannot_prove_for_the_person(site: Site, browser: Browser, housing: RelyingParty):
    """The step is open in the browser that began the request and nowhere else."""
    person = registered(site, WENBO, EvidenceKind.PHONE)
    browser.get(housing.start(claims=essential("ial3:aal1")))
    at = browser.log_in(person).visited[-1]
    press(browser, "face_match")
    assert Browser(site).get(at).status == 403


@pytest.mark.parametrize(("age", "step"), [(29, "proofing"), (31, "consent")])
def test_a_service_may_ask_for_a_recent_check(site: Site, browser: Browser, housing: RelyingParty, age: int, step: str):
    """`max_age` of an essential acr counts only checks that are young enough; a new check satisfies it."""
    person = registered(site, WENBO, EvidenceKind.FACE_MATCH)
    site.clock.advance(days=30)
    browser.get(housing.start(claims=essential("ial3:aal1", max_age=age * 86400)))
    shown = browser.log_in(person)
    assert shown.visited[-1].startswith(f"/{step}/")
    if step == "proofing":
        assert prove(browser).visited[-1].startswith("/consent/")


def test_an_age_of_nothing_asks_once(site: Site, browser: Browser, housing: RelyingParty):
    """`max_age: 0` asks each request for one new check, and not for ever."""
    person = registered(site, WENBO, EvidenceKind.FACE_MATCH)
    site.clock.advance(seconds=1)
    browser.get(housing.start(claims=essential("ial3:aal1", max_age=0)))
    browser.log_in(person)
    prove(browser)
    assert "code" in browser.agree().answer
    site.clock.advance(seconds=1)
    assert browser.get(housing.start(claims=essential("ial3:aal1", max_age=0))).visited[-1].startswith("/proofing/")


@pytest.mark.parametrize("age", [-1, 1.5, "60", True])
def test_an_age_that_is_no_number_of_seconds_is_refused(site: Site, browser: Browser, housing: RelyingParty, age):
    """A malformed age is an error for the service: a misread one could be met by anybody."""
    arrived = browser.get(housing.start(claims=essential("ial3:aal1", max_age=age)))
    assert arrived.answer["error"] == "invalid_request"


def test_an_age_without_essential_is_refused(browser: Browser, housing: RelyingParty):
    """An age limits an essential level; alone it would promise what nobody checks."""
    wish = json.dumps({"id_token": {"acr": {"values": ["urn:yitong:ial3:aal1"], "max_age": 60}}})
    assert browser.get(housing.start(claims=wish)).answer["error"] == "invalid_request"


@pytest.mark.parametrize("ends", ["expires", "withdrawn"])
def test_the_level_of_a_running_session_falls_with_its_evidence(
    site: Site, browser: Browser, housing: RelyingParty, ends: str
):
    """When the check behind a level expires or is withdrawn, the next silent login says the lower level."""
    person = registered(site, WENBO, EvidenceKind.PHONE)
    with site.database.transaction() as c:
        until = site.clock() + timedelta(minutes=5) if ends == "expires" else None
        made = evidence.record(c, person.id, EvidenceKind.FACE_MATCH, source="test", at=site.clock(), expires_at=until)
    browser.get(housing.start())
    browser.log_in(person)
    assert id_token_claims(housing.redeem(browser.agree()))["acr"] == "urn:yitong:ial3:aal1"
    site.clock.advance(minutes=6)
    if ends == "withdrawn":
        assert evidence.withdraw(site.database.connection(), made.id, now=site.clock())
    again = browser.get(housing.start())
    assert id_token_claims(housing.redeem(again))["acr"] == "urn:yitong:ial1:aal1"
    asked = browser.get(housing.start(claims=essential("ial3:aal1")))
    assert asked.visited[-1].startswith("/proofing/")


def test_new_evidence_raises_no_running_session(site: Site, browser: Browser, housing: RelyingParty):
    """A level rises only by a step-up, which changes the handle: a check at a counter counts from the next login."""
    person = registered(site, WENBO, EvidenceKind.PHONE)
    browser.get(housing.start())
    browser.log_in(person)
    browser.agree()
    with site.database.transaction() as c:
        evidence.record(c, person.id, EvidenceKind.COUNTER_COMPARISON, source="test", at=site.clock())
    site.clock.advance(seconds=1)
    assert id_token_claims(housing.redeem(browser.get(housing.start())))["acr"] == "urn:yitong:ial1:aal1"


def test_a_disabled_person_proves_nothing(site: Site, browser: Browser, housing: RelyingParty):
    """Who is disabled in the middle of a check is signed out, and the check is not recorded."""
    person = registered(site, WENBO, EvidenceKind.PHONE)
    browser.get(housing.start(claims=essential("ial3:aal1")))
    browser.log_in(person)
    press(browser, "face_match")
    with site.database.transaction() as c:
        person_status.change(c, site.services.people, person.id, "disabled", actor="test", now=site.clock())
    assert press(browser, "done").visited[-1].startswith("/login/")
    assert evidence_kinds(site, person) == {EvidenceKind.PHONE}
