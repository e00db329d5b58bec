"""Too many attempts, or too many at once, get pages that say so and when to come back."""

from accounts.errors import Busy
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import Site


def test_too_many_wrong_passwords_are_slowed_down(site: Site, browser: Browser, housing: RelyingParty):
    """Guessing ends in a page with a time; before it the right password does not help."""
    person = site.register_person()
    page = browser.get(housing.start())
    for _ in range(30):
        page = browser.log_in(person, "wrong again and again")
        if page.status == 429:
            break
        site.clock.advance(seconds=1)
    assert page.status == 429
    assert int(page.headers["Retry-After"]) > 0
    browser.get(housing.start())
    assert browser.log_in(person).status == 429


def test_a_full_house_says_so_and_counts_nothing(database_url: str, clock, housing: RelyingParty, site: Site):
    """When all places for password checks are taken, the page says to wait, and no attempt is counted."""
    browser, person = Browser(site), site.register_person()
    turns = site.services.hasher._bulkhead._turns
    taken = [turns.take() for _ in range(4)]
    assert all(taken)
    browser.get(housing.start())
    page = browser.log_in(person)
    assert page.status == 503
    assert int(page.headers["Retry-After"]) >= int(Busy.retry_after.total_seconds()) > 0
    for _ in taken:
        turns.give_back()
    browser.get(housing.start())
    assert browser.log_in(person).visited[-1].startswith("/consent/")
