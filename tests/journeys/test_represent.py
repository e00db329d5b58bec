"""The step of choosing for whom to act: asked where there is a choice, kept, and never changed silently."""

import pytest
import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.database import Statement
from accounts.identifiers import CitizenId
from accounts.organisations.paths import Role
from tests.fixtures.enterprises import Enterprises, Somebody
from tests.fixtures.relying_party import Browser, RelyingParty, id_token_claims
from tests.fixtures.site import Site

NAME = "欧阳娜娜"
APPROVALS = Statement(sa.select(audit_events).where(audit_events.c.event == "person:request:approve"))


@pytest.fixture
def world(site: Site):
    services = site.services
    return Enterprises(services.database, services.people, site.clock, services.systems.enterprises)


@pytest.fixture
def citizen(site: Site):
    return site.register_person(1)


@pytest.fixture
def who(citizen):
    return Somebody(citizen.id, CitizenId.parse(citizen.number), NAME)


@pytest.fixture
def companies(world, who):
    """Two companies that the citizen leads."""
    return [world.company(serial, who) for serial in (601, 602)]


def serving(site, serves, client_id="tax"):
    scopes = ("openid", "profile", "offline_access", "organization")
    ceiling = ("name", "organization_name")
    client = site.register_client(client_id, scopes=scopes, claims_ceiling=ceiling, metadata={"serves": serves})
    return RelyingParty(site, client)


@pytest.fixture
def tax(site: Site):
    """A service for persons and organisations."""
    return serving(site, "persons_or_organisations")


def choose(browser, whom):
    form = browser.page.form_with("answer=choose")
    return browser.submit(form, **{"for": whom, "answer": "choose"})


def redeemed(browser, party):
    return id_token_claims(party.redeem(browser.page))


def test_a_person_chooses_an_organisation(site, browser: Browser, tax, citizen, companies):
    """The service learns for whom they act, by its own name for it, and who they are."""
    browser.get(tax.start(scope="openid organization"))
    asked = browser.log_in(citizen)
    assert asked.visited[-1].startswith("/represent/")
    assert "泸州示例企业601" in asked.text
    choose(browser, companies[0])
    browser.agree()
    tokens = tax.redeem(browser.page)
    told = id_token_claims(tokens)
    assert (told["org_role"], told["org_matters"], told["oal"]) == ("representative", ["*"], 3)
    assert companies[0] not in str(told)
    assert tax.userinfo(tokens)["organization_name"] == "泸州示例企业601"


def test_a_person_chooses_themselves(site, browser: Browser, tax, citizen, companies):
    """Then no token names an organisation."""
    browser.get(tax.start())
    browser.log_in(citizen)
    choose(browser, "self")
    browser.agree()
    assert "org_sub" not in redeemed(browser, tax)


def test_who_acts_for_nobody_is_not_asked(site, browser: Browser, tax, citizen):
    """There is one possible answer."""
    browser.get(tax.start())
    assert browser.log_in(citizen).visited[-1].startswith("/consent/")


def test_a_service_for_persons_only_never_asks(site, browser: Browser, housing, citizen, companies):
    """Whatever the person could act for."""
    browser.get(housing.start())
    assert browser.log_in(citizen).visited[-1].startswith("/consent/")
    browser.agree()
    assert "org_sub" not in redeemed(browser, housing)


def test_a_service_for_organisations_goes_straight_to_the_only_one(site, browser: Browser, world, citizen, who):
    """One organisation is one possible answer; the second login is silent."""
    world.company(603, who)
    party = serving(site, "organisations")
    browser.get(party.start())
    browser.log_in(citizen)
    browser.agree()
    first = redeemed(browser, party)["org_sub"]
    assert browser.get(party.start(prompt="none")).visited == ("/authorize",)
    assert redeemed(browser, party)["org_sub"] == first


def test_a_service_for_organisations_tells_who_has_none_what_to_do(site, browser: Browser, citizen):
    """The page leads to the person's organisations; going back answers the service."""
    party = serving(site, "organisations")
    browser.get(party.start())
    shown = browser.log_in(citizen)
    assert 'href="/organisations"' in shown.text
    back = browser.submit(shown.form_with("answer=cancel"))
    assert back.answer["error"] == "access_denied"


def test_without_a_page_the_service_gets_the_error(site, browser: Browser, tax, citizen, companies):
    """`prompt=none` and a choice to make: interaction_required."""
    browser.get(tax.start())
    browser.log_in(citizen)
    choose(browser, "self")
    browser.agree()
    assert browser.get(tax.start(prompt="none")).answer["error"] == "interaction_required"


@pytest.mark.parametrize("chosen", ["", "0" * 32, "self "])
def test_an_empty_or_foreign_choice_asks_again(site, browser: Browser, tax, citizen, companies, chosen):
    """Nothing is chosen for the person."""
    browser.get(tax.start())
    browser.log_in(citizen)
    shown = choose(browser, chosen)
    assert 'role="alert"' in shown.text
    assert shown.visited[-1].startswith("/represent/")


def test_a_choice_that_is_gone_is_asked_again_and_not_replaced(site, browser: Browser, tax, world, who, citizen):
    """Removed between the choice and the consent, the person is asked again, though one answer would be left."""
    head = world.person(620, "别的负责人")
    company, own = world.company(604, head), world.company(605, who)
    made = world.appoint(company, head, who, Role.HANDLER)
    browser.get(tax.start())
    browser.log_in(citizen)
    choose(browser, company)
    world.act("remove", made, head)
    shown = browser.agree()
    assert shown.visited[-1].startswith("/represent/")
    assert own in shown.text
    assert company not in shown.text


def test_another_person_does_not_inherit_the_choice(site, browser: Browser, tax, citizen, companies, world):
    """A second person who signs in to the same request in this browser is asked anew."""
    other = site.register_person(2)
    world.company(606, Somebody(other.id, CitizenId.parse(other.number), NAME))
    browser.get(tax.start())
    browser.log_in(citizen)
    step = choose(browser, "self").visited[-1].rpartition("/")[2]
    browser.http.delete_cookie("yitong")
    browser.get(f"/continue/{step}")
    assert browser.log_in(other).visited[-1].startswith("/represent/")


def test_a_register_that_is_out_stops_the_choice_and_leaves_the_person(
    site, browser: Browser, tax, world, citizen, companies
):
    """For the organisation: try again later. For themselves: as ever."""
    site.clock.advance(minutes=10)
    browser.get(tax.start())
    browser.log_in(citizen)
    page = browser.page
    site.clock.advance(minutes=6)
    world.registry.fail()
    assert choose(browser, companies[0]).status == 503
    browser.page = page
    assert choose(browser, "self").visited[-1].startswith("/consent/")


def test_each_login_is_on_record_with_its_organisation(site, browser: Browser, tax, citizen, companies):
    """Switching is a new request, a new token and a new record."""
    for whom in (companies[0], companies[1]):
        browser.get(tax.start())
        if "/login/" in browser.page.visited[-1]:
            browser.log_in(citizen)
        choose(browser, whom)
        if "/consent/" in browser.page.visited[-1]:
            browser.agree()
        assert redeemed(browser, tax)["oal"] == 3
    rows = site.database.connection().rows(APPROVALS)
    assert {row.detail["organisation"] for row in rows} == set(companies)
