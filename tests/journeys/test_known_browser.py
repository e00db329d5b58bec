"""The cookie of a known browser: on real pages, under attack, for a family."""

import sqlalchemy as sa

from accounts import audit
from accounts.credentials.throttle import throttle_counters
from accounts.database import Statement
from idp.login import session_store
from idp.login.person_status import change
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import Site

KNOWN = "yt_known"


def signs_in(browser: Browser, person) -> int:
    """The status after the right password: 429 when it was not checked."""
    browser.get("/login")
    return browser.log_in(person).status


def guesses(site: Site, person, source: str, times: int = 8) -> None:
    attacker = Browser(site, source=source)
    for _ in range(times):
        attacker.get("/login")
        attacker.log_in(person, "no password of anybody")


def test_a_login_leaves_a_cookie_for_no_script_and_no_other_site(site: Site, browser: Browser):
    """The cookie is HttpOnly and SameSite, for over a year; a wrong password sets none."""
    person = site.register_person()
    browser.get("/login")
    browser.log_in(person, "no password of anybody")
    assert browser.cookie(KNOWN) is None
    signs_in(browser, person)
    cookie = browser.http.get_cookie(KNOWN)
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.path, cookie.max_age) == (True, "Lax", "/", 400 * 24 * 3600)
    assert person.id not in cookie.value


def test_the_persons_browser_gets_in_while_a_neighbour_guesses(site: Site, browser: Browser, housing: RelyingParty):
    """At the same address, after all the neighbour's guesses; an unknown browser must wait."""
    person = site.register_person()
    signs_in(browser, person)
    guesses(site, person, browser.source)
    assert signs_in(Browser(site, source=browser.source), person) == 429
    browser.http.delete_cookie("yitong")
    browser.get(housing.start())
    assert browser.log_in(person).visited[-1].startswith("/consent/")


def test_a_family_shares_a_browser(site: Site, browser: Browser):
    """The browser is known for each of them; each login renews the cookie."""
    family, seen = [site.register_person(serial) for serial in (1, 2, 3)], set()
    for person in family:
        signs_in(browser, person)
        seen.add(browser.cookie(KNOWN))
        browser.http.delete_cookie("yitong")
    assert len(seen) == len(family)
    for person in family:
        guesses(site, person, browser.source)
    for person in family:
        assert signs_in(browser, person) == 200
        browser.http.delete_cookie("yitong")


def test_who_was_disabled_is_known_nowhere(site: Site, browser: Browser):
    """After disabling and enabling an account its old browsers are no longer known."""
    person = site.register_person()
    signs_in(browser, person)
    for status in ("disabled", "active"):
        with site.database.transaction() as c:
            change(c, site.services.people, person.id, status, actor="operator:test", now=site.clock.advance(minutes=1))
    guesses(site, person, browser.source)
    assert signs_in(browser, person) == 429


def test_limits_audit_and_sessions_see_one_spelling(database_url: str, clock):
    """Whatever form of an address a peer or our proxy sends, one text is stored."""
    site = Site(database_url, clock, settings={"trusted_proxies": "10.0.0.0/8"})
    person = site.register_person()
    for spelled in ("203.0.113.7", "::ffff:203.0.113.7", "[::FFFF:cb00:7107]:443", "203.0.113.7:51234"):
        for peer, headers in ((spelled, {}), ("::ffff:10.0.0.9", {"X-Forwarded-For": f"6.6.6.6, {spelled}"})):
            browser = Browser(site, source=peer)
            browser.get("/login", headers=headers)
            form = browser.page.form_with("identifier")  # type: ignore[union-attr]
            fields = {**form.fields, "identifier": person.number, "password": person.password}
            browser.post("/login", fields, headers={"Sec-Fetch-Site": "same-origin", **headers}, follow=False)
    c = site.database.connection()
    for column in (audit.audit_events.c.source, throttle_counters.c.source, session_store.sessions.c.source):
        assert {row[0] for row in c.rows(Statement(sa.select(column).distinct())) if row[0]} == {"203.0.113.7"}
    site.database.close()
