"""Personal data that a relying system puts into a request is in no row and in no log line."""

import json
import logging
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from accounts.database import Statement
from idp.oidc.models import authorization_requests
from tests.architecture.test_hygiene import Hygiene
from tests.fixtures.hygiene import plainly
from tests.fixtures.relying_party import Browser, RelyingParty, id_token_claims
from tests.fixtures.site import Site
from tests.journeys.test_safe_methods import everything

TOLD = {  # invented people, in spellings that people type
    "a number": "510502" + "189103150020",
    "a number with dots": "510502.1891.0315.0020",
    "a number with blanks": "510502 18910315 0020",
    "a number in full width": "５１０５０２１８９１０３１５００２０",
    "a phone": "139" + "00000031",
    "a phone with hyphens": "+86-139-0000-0031",
    "a name": "上官婉儿",
    "an address": "wanger@mail.example",
}
EVERYTHING = " ".join(TOLD.values())
LOOKED_FOR = tuple(plainly(text.encode()).decode() for text in TOLD.values())
WISHES = {name: {"essential": True, "value": EVERYTHING, "values": [EVERYTHING]} for name in ("name", "phone_number")}
CLAIMS = {
    "userinfo": WISHES | {EVERYTHING: None, "sub": {"value": EVERYTHING}},
    "id_token": WISHES | {"identity_number": {"value": TOLD["a number"]}, "acr": {"values": [EVERYTHING]}},
    EVERYTHING: {"name": None},
}
SENT = {
    "login_hint": EVERYTHING,
    "claims": json.dumps(CLAIMS, ensure_ascii=False),
    "acr_values": EVERYTHING,
    "state": EVERYTHING,
    "nonce": EVERYTHING,
    "ui_locales": "aa-51050218-91031500-20 " + EVERYTHING,
    "claims_locales": EVERYTHING,
    "display": EVERYTHING,
    "id_token_hint": EVERYTHING,
    "scope": f"openid profile {TOLD['a number']}",
    "x_unknown": EVERYTHING,
    EVERYTHING: EVERYTHING,
}
_ROWS = Statement(sa.select(authorization_requests))
ACCEPTED = {name: value for name, value in SENT.items() if name != "id_token_hint"}
PHONE_APP = {
    "User-Agent": f"Mozilla/5.0 (Linux; Android 14) Chrome/126 MicroMessenger {TOLD['a phone']} {TOLD['an address']}"
}


def nothing_is_left(site: Site, caplog) -> None:
    """Neither the scan nor a search for these texts finds anything in a row or a log line."""
    seen = Hygiene()
    seen.look_at_database("here", site.database)
    told = [repr(everything(site.database)), *caplog.messages]
    for text in told:
        seen.look("log", "here", text)
        assert not [known for known in LOOKED_FOR if known in plainly(text.encode()).decode()]
    assert not seen.hits


@pytest.fixture
def asks(site: Site, housing: RelyingParty, caplog):
    """A browser sent here with all of these texts; the page shown and the redirect are not checked."""
    caplog.set_level(logging.DEBUG)
    browser = Browser(site)

    def ask(**changes):
        url = housing.start(**ACCEPTED | changes).removeprefix(site.issuer)
        return browser, browser.http.open(url, base_url=site.issuer, headers=PHONE_APP)

    return ask


def test_a_request_that_waits_tells_nothing(site: Site, asks, caplog):
    """The row of an open request has none of the client's texts from the first moment."""
    assert asks()[1].status_code == 303
    nothing_is_left(site, caplog)


@pytest.mark.parametrize("name", SENT, ids=range(len(SENT)))
def test_each_parameter_by_itself(site: Site, housing: RelyingParty, caplog, name: str):
    """Each parameter alone holds all of the texts, and is accepted or refused."""
    caplog.set_level(logging.DEBUG)
    reply = Browser(site).http.open(housing.start(**{name: SENT[name]}).removeprefix(site.issuer), base_url=site.issuer)
    assert reply.status_code == 303
    nothing_is_left(site, caplog)


def test_an_answered_request_tells_nothing(site: Site, housing: RelyingParty, asks, caplog):
    """Through login, consent, code, tokens: `state` and `nonce` are returned unchanged and stored nowhere."""
    person = site.register_person()
    browser, reply = asks()
    waiting = reply.headers["Location"]
    page = browser.get(waiting)
    form = page.form_with("identifier", "password")
    typed = {**form.fields, "identifier": person.number, "password": person.password, "answer": "login"}
    same_site = {"Sec-Fetch-Site": "same-origin", **PHONE_APP}
    reply = browser.http.open(form.action, base_url=site.issuer, method="POST", data=typed, headers=same_site)
    nothing_is_left(site, caplog)
    consent = browser.get(reply.headers["Location"]).form_with("answer=agree")
    agreed = {**consent.fields, "answer": "agree"}
    reply = browser.http.open(consent.action, base_url=site.issuer, method="POST", data=agreed, headers=same_site)
    nothing_is_left(site, caplog)
    reply = browser.http.open(reply.headers["Location"], base_url=site.issuer)
    housing.state = EVERYTHING
    page.url = reply.headers["Location"]
    tokens = housing.redeem(page)
    assert (tokens["status"], id_token_claims(tokens)["nonce"]) == (200, EVERYTHING)
    silent = asks()[1].headers["Location"]
    assert "code=" in silent
    nothing_is_left(site, caplog)
    rows = site.database.connection().rows(_ROWS)
    assert {row.sealed for row in rows if row.state == "redeemed"} == {None}


def test_a_refusal_tells_nothing(site: Site, asks, caplog):
    """After a denial before the login the client gets its `state`, and the row has lost it."""
    browser, reply = asks()
    page = browser.get(reply.headers["Location"])
    form = page.form_with("answer=cancel")
    same_site = {"Sec-Fetch-Site": "same-origin"}
    data = {**form.fields, "answer": "cancel"}
    reply = browser.http.open(form.action, base_url=site.issuer, method="POST", data=data, headers=same_site)
    assert urlencode({"state": EVERYTHING}).replace("+", "%20") in reply.headers["Location"]
    nothing_is_left(site, caplog)
    assert [row.sealed for row in site.database.connection().rows(_ROWS)] == [None]


def test_a_person_the_client_names_is_kept_sealed(site: Site, asks, caplog):
    """`claims.id_token.sub.value` decides who may approve; the client wrote it, and it may be a number."""
    claims = json.dumps({"id_token": {"sub": {"value": TOLD["a number"]}}})
    assert asks(claims=claims)[1].status_code == 303
    nothing_is_left(site, caplog)


def test_the_account_page_still_knows_the_device(site: Site, asks):
    """Of the User-Agent header only the names of browser and system are stored."""
    from idp.login.user_agent import BROWSERS, SYSTEMS, known_names  # noqa: PLC0415
    from idp.web.pages.drawing.formatting import _BROWSERS, _SYSTEMS  # noqa: PLC0415

    assert tuple(name for name, _ in _BROWSERS) == BROWSERS
    assert tuple(name for name, _ in _SYSTEMS) == SYSTEMS
    assert known_names(PHONE_APP["User-Agent"]) == "Android Linux MicroMessenger Chrome"
    assert known_names("curl/8") is None
