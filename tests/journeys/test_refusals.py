"""A refusal is remembered: nobody is asked again and again, and nobody is locked out."""

import pytest

from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import Site


@pytest.fixture
def person(site: Site, browser: Browser):
    found = site.register_person()
    browser.get("/login")
    browser.log_in(found)
    return found


def refuse(browser: Browser, address: str):
    page = browser.get(address)
    assert page.visited[-1].startswith("/consent/")
    return browser.submit(page.form_with("answer=refuse"), answer="refuse")


def test_a_slip_is_asked_once_more_and_a_second_refusal_is_kept(browser: Browser, housing: RelyingParty, person):
    """After one refusal the person is asked again at their next login there; after two they are not."""
    assert refuse(browser, housing.start()).answer["error"] == "access_denied"
    assert refuse(browser, housing.start()).answer["error"] == "access_denied"
    kept = browser.get(housing.start())
    assert kept.answer["error"] == "access_denied"
    assert "prompt=consent" in kept.answer["error_description"]


def test_silent_requests_are_refused_at_once(browser: Browser, housing: RelyingParty, person):
    """Already after one refusal prompt=none gets access_denied instead of consent_required."""
    assert browser.get(housing.start(prompt="none")).answer["error"] == "consent_required"
    refuse(browser, housing.start())
    assert browser.get(housing.start(prompt="none")).answer["error"] == "access_denied"


def test_who_wants_it_is_asked(browser: Browser, housing: RelyingParty, person):
    """With prompt=consent the page is shown after any number of refusals, and a yes ends the memory."""
    for _ in range(3):
        refuse(browser, housing.start(prompt="consent"))
    assert browser.get(housing.start()).answer["error"] == "access_denied"
    browser.get(housing.start(prompt="consent"))
    assert "code" in browser.agree().answer
    assert "code" in browser.get(housing.start()).answer


def test_the_account_page_lets_a_service_ask_again(browser: Browser, housing: RelyingParty, person):
    """The page lists what was refused; one button lets the service ask, and only one's own refusals are there."""
    for _ in range(2):
        refuse(browser, housing.start())
    page = browser.get("/account/services")
    form = page.form_with("client=housing")
    assert form.action == "/account/services/ask-again"
    assert "housing 服务" in page.text
    assert "housing 服务" not in browser.submit(form).text
    assert browser.get(housing.start()).visited[-1].startswith("/consent/")
    assert browser.submit(form).status == 404


def test_the_memory_ends(site: Site, browser: Browser, housing: RelyingParty, person):
    """After thirty days the refusals count no more."""
    for _ in range(2):
        refuse(browser, housing.start())
    site.clock.advance(days=30, seconds=1)
    browser.get("/login")
    browser.log_in(person)
    assert browser.get(housing.start()).visited[-1].startswith("/consent/")


def test_a_notice_is_not_refused_for_later(site: Site, browser: Browser, person):
    """Who leaves the notice of a statutory duty is told again: the duty stays, and the service may be needed."""
    tax = RelyingParty(site, site.register_client("tax", legal_basis="statutory_duty"))
    for _ in range(3):
        page = browser.get(tax.start())
        browser.submit(page.form_with("answer=acknowledge"), answer="cancel")
    assert browser.get(tax.start()).visited[-1].startswith("/consent/")


def test_somebody_elses_refusal_is_theirs(site: Site, housing: RelyingParty, browser: Browser, person):
    """One person's refusals do not keep a service from another person."""
    for _ in range(2):
        refuse(browser, housing.start())
    other = Browser(site)
    other.get(housing.start())
    assert other.log_in(site.register_person(2)).visited[-1].startswith("/consent/")
