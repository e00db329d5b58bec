"""Logging in with a phone: in any usual spelling, once it is verified, and for one person only."""

import pytest

from accounts import phones
from accounts.identifiers import Mobile
from tests.fixtures.relying_party import Browser
from tests.fixtures.site import SPELLINGS, Citizen, Site

PHONE = "13900000001"


def verified(site: Site, person: Citizen, phone: str = PHONE) -> Citizen:
    """The same person, with a verified phone."""
    site.clock.advance(seconds=1)
    with site.database.transaction() as c:
        number = Mobile.parse(phone)
        phones.verify(c, site.services.people, person.id, number, source="counter", now=site.clock(), actor=None)
    return Citizen(person.id, phone, person.password)


def logged_in(site: Site, person: Citizen) -> bool:
    browser = Browser(site)
    browser.get("/login")
    return browser.log_in(person).url.endswith("/account") and browser.cookie("yitong") is not None


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_verified_phone_logs_in_however_it_is_written(site: Site, spelling: str):
    """Thirteen ways in which people write one number all log in with the right password."""
    person = verified(site, site.register_person())
    assert logged_in(site, Citizen(person.id, spelling, person.password))


def test_a_phone_that_is_not_verified_is_answered_as_a_wrong_password(site: Site):
    """Unverified, unknown and wrong phones get the same page with the same words."""
    person, other = site.register_person(), site.register_person(2)
    with site.database.transaction() as c:
        site.services.people.add_phone(c, person.id, Mobile.parse("13900000002"), now=site.clock())
    wrong = Citizen(other.id, verified(site, other).number, "another password")
    said = set()
    for guess in (Citizen(person.id, "13900000002", person.password), Citizen("", "13900000009", "x" * 12), wrong):
        browser = Browser(site)
        browser.get("/login")
        page = browser.log_in(guess)
        assert (page.status, page.visited[-1], browser.cookie("yitong")) == (200, "/login", None)
        said.add(page.text.partition('role="alert"')[2].partition("<h1>")[0])
    assert len(said) == 1


def test_a_shared_phone_logs_in_who_verified_it_first(site: Site):
    """The second holder's own password fails with the phone and works with their number; nobody enters as the other."""
    wife, husband = site.register_person(1), site.register_person(2, password="竹渡铜-bamboo-ferry")
    first, second = verified(site, wife), verified(site, husband)
    assert logged_in(site, first)
    assert not logged_in(site, second)
    assert logged_in(site, husband)


def test_a_reissued_number_does_not_open_the_old_account(site: Site):
    """The new SIM holder logs in with the phone; the earlier holder keeps everything but the phone."""
    before, now = site.register_person(1), site.register_person(2, password="竹渡铜-bamboo-ferry")
    old, number = verified(site, before), Mobile.parse(PHONE)
    with site.database.transaction() as c:
        assert phones.end(c, site.services.people, before.id, number, now=site.clock(), actor="operator:test")
    new = verified(site, now)
    assert logged_in(site, new)
    assert not logged_in(site, old)
    assert logged_in(site, before)
