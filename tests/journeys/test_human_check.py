"""The human check on the login page, as people meet it."""

import base64
import re

import altcha
import orjson
import pytest

from tests.fixtures.relying_party import Browser
from tests.fixtures.site import Citizen, Site


@pytest.fixture
def site(database_url, clock):
    made = Site(database_url, clock, settings={"human_check": True})
    yield made
    made.database.close()


@pytest.fixture
def person(site: Site) -> Citizen:
    return site.register_person()


def guess(browser: Browser, person: Citizen, password: str = "guess", **fields: str):
    """The page after one more try with the form that is shown."""
    assert browser.page is not None
    form = browser.page.form_with("identifier", "password")
    return browser.submit(form, identifier=person.number, password=password, answer="login", **fields)


def suspect(browser: Browser, person: Citizen):
    """The login page with its check, after the guesses that are free."""
    browser.get("/login")
    for _ in range(3):
        assert "human_check" not in guess(browser, person).text
    return guess(browser, person)


def test_after_some_guesses_the_form_has_a_check(site: Site, browser: Browser, person: Citizen):
    """The page says that it takes longer, until when to wait, and repeats nothing that was typed."""
    shown = suspect(browser, person)
    assert "要多等一会儿" in shown.text
    assert "/static/human-check.js" in shown.text
    assert re.search(r"请等到 \d\d:\d\d:\d\d 再按", shown.text)
    assert person.number not in shown.text


def test_who_waits_logs_in_without_a_script(site: Site, browser: Browser, person: Citizen):
    """Too early is asked again; after the time on the page the right password logs in."""
    suspect(browser, person)
    assert "要多等一会儿" in guess(browser, person, person.password).text
    site.clock.advance(seconds=31)
    assert guess(browser, person, person.password).visited[-1] == "/account"


def test_who_works_logs_in_at_once(site: Site, browser: Browser, person: Citizen):
    """The solution that the script finds logs in without waiting."""
    form = suspect(browser, person).form_with("human_check")
    challenge = altcha.Challenge.from_dict(orjson.loads(base64.b64decode(form.fields["human_check"])))
    found = altcha.solve_challenge(challenge)
    solution = f"{found.counter}:{found.derived_key}"
    assert guess(browser, person, person.password, human_check_solution=solution).visited[-1] == "/account"


def test_a_wrong_password_after_a_check_brings_the_next_check(site: Site, browser: Browser, person: Citizen):
    """The person is told that the password was wrong, and need not fill in the form once more for nothing."""
    suspect(browser, person)
    site.clock.advance(seconds=31)
    shown = guess(browser, person)
    assert "号码或密码不对" in shown.text
    assert "human_check" in shown.form_with("identifier").fields


def test_a_known_browser_is_never_asked(site: Site, browser: Browser, person: Citizen):
    """Whatever strangers do, the person logs in at home without a check."""
    browser.get("/account")
    browser.log_in(person)
    browser.submit(browser.get("/sign-out").form_with("answer=sign_out"), answer="sign_out")
    suspect(Browser(site, source="198.51.100.9"), person)
    browser.get("/login")
    for _ in range(4):
        assert "human_check" not in guess(browser, person).text
    assert guess(browser, person, person.password).visited[-1] == "/account"


def test_nobody_learns_from_the_check_who_exists(site: Site, browser: Browser, person: Citizen):
    """The check comes after as many guesses at a number that nobody has."""
    unknown = Citizen("", "nobody.of.this.name")
    elsewhere = Browser(site, source="198.51.100.9")
    assert "human_check" in suspect(browser, person).text
    assert "human_check" in suspect(elsewhere, unknown).text
