"""Signing out here signs out everywhere, and another site's link cannot do it."""

import sqlalchemy as sa

from accounts.database import Statement
from idp.delivery.outbox import outbox
from tests.fixtures.relying_party import Browser, RelyingParty
from tests.fixtures.site import Site

_WAITING = Statement(sa.select(outbox.c.client_id, outbox.c.payload).order_by(outbox.c.client_id))


def signed_in(site, browser, *parties):
    person = site.register_person()
    tokens = []
    for party in parties:
        browser.get(party.start())
        if not tokens:
            browser.log_in(person)
        tokens.append(party.redeem(browser.agree()))
    return tokens


def test_logout_with_an_id_token_ends_everything(
    site: Site, browser: Browser, housing: RelyingParty, social: RelyingParty
):
    """One logout revokes every service's tokens and queues a notice for each service."""
    tokens, others = signed_in(site, browser, housing, social)
    page = browser.get(
        f"/end_session?id_token_hint={tokens['id_token']}&post_logout_redirect_uri=https://housing.example/bye&state=s1"
    )
    assert page.url == "https://housing.example/bye?state=s1"
    waiting = site.database.connection().rows(_WAITING)
    assert [row.client_id for row in waiting] == ["housing", "social"]
    assert housing.userinfo(tokens)["status"] == 401
    assert social.userinfo(others)["status"] == 401
    assert browser.get(housing.start(prompt="none")).answer["error"] == "login_required"


def test_a_code_of_a_session_that_ended_buys_nothing(site: Site, browser: Browser, housing: RelyingParty):
    """A code is refused after its session ended, and gives no offline token either."""
    (tokens,) = signed_in(site, browser, housing)
    arrived = browser.get(housing.start())
    assert "code" in arrived.answer
    browser.get(f"/end_session?id_token_hint={tokens['id_token']}")
    assert housing.redeem(arrived)["error"] == "invalid_grant"


def test_logout_without_proof_asks_first(site: Site, browser: Browser, housing: RelyingParty):
    """A link on another site signs nobody out; the person is asked and may stay."""
    signed_in(site, browser, housing)
    asked = browser.get("/end_session")
    assert asked.status == 200
    assert "code" in browser.get(housing.start(prompt="none")).answer
    browser.submit(asked.form_with("answer=sign_out"), answer="stay")
    assert "code" in browser.get(housing.start(prompt="none")).answer
    done = browser.submit(asked.form_with("answer=sign_out"), answer="sign_out")
    assert done.visited[-1] == "/signed-out"
    assert browser.get(housing.start(prompt="none")).answer["error"] == "login_required"


def test_who_goes_back_after_signing_out_is_told_so(site: Site, browser: Browser, housing: RelyingParty):
    """After signing out the question leads to the signed-out page, not to a login."""
    signed_in(site, browser, housing)
    browser.submit(browser.get("/sign-out").form_with("answer=sign_out"), answer="sign_out")
    assert browser.get("/sign-out").visited == ("/sign-out", "/signed-out")


def test_logout_never_leads_to_an_unregistered_address(site: Site, browser: Browser, housing: RelyingParty):
    """An unregistered post_logout_redirect_uri gets a page and ends nothing."""
    signed_in(site, browser, housing)
    page = browser.get("/end_session?client_id=housing&post_logout_redirect_uri=https://evil.example/")
    assert page.status == 400
    assert "code" in browser.get(housing.start(prompt="none")).answer


def test_logout_posted_from_another_site_asks_first(site: Site, browser: Browser, housing: RelyingParty):
    """A cross-site POST comes without our cookie, so it shows the question instead of a false success."""
    (tokens,) = signed_in(site, browser, housing)
    stranger = Browser(site)
    page = stranger.post(
        "/end_session", {"id_token_hint": tokens["id_token"]}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert page.status == 200
    assert "code" in browser.get(housing.start(prompt="none")).answer
