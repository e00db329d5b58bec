"""A person acts for an organisation: what the tokens say, how long they are good, and what ends them."""

from datetime import timedelta

import pytest

from accounts.identifiers import IdentifierKind, parse
from accounts.organisations.paths import Role
from idp.login.representing import choice_of
from idp.oidc.consent import claims
from idp.oidc.representation import CLAIMS
from tests.fixtures.city import ID_NUMBER, NAME
from tests.fixtures.enterprises import citizen_of, representation
from tests.fixtures.messages import payload

OFFLINE = ("openid", "offline_access")
WITH_ORGANISATION = (*OFFLINE, "organization", "uscc")
BOTH = {"metadata": {"serves": "persons_or_organisations"}}


@pytest.fixture
def fund(city):
    return city.register_client("fund", scopes=WITH_ORGANISATION, **BOTH)


@pytest.fixture
def head(city):
    return city.enterprises.person(301)


@pytest.fixture
def company(city, head):
    return city.enterprises.company(41, head)


@pytest.fixture
def citizen(city):
    return citizen_of(city, parse(IdentifierKind.CITIZEN_ID, ID_NUMBER), NAME)


@pytest.fixture
def handler(city, head, company, citizen):
    """The delegation by which the citizen handles the company's taxes for a month."""
    return city.enterprises.appoint(company, head, citizen, Role.HANDLER, matters=frozenset({"tax"}))


@pytest.fixture
def acting(city, fund, company, citizen, handler):
    """What the citizen's approval says at the fund."""
    return representation(city, citizen, company, fund)


def test_every_token_names_organisation_person_role_matters_end_and_level(city, fund, acting):
    """The ID token, the access token, UserInfo and introspection say the same, and `sub` stays the person."""
    bought = city.issue_tokens(fund, OFFLINE, represents=acting)
    ends = int((city.clock() + timedelta(days=30)).timestamp())
    expected = {"org_sub": acting.org_sub, "org_role": "handler", "org_matters": ["tax"]}
    expected |= {"org_authority_expires_at": ends, "oal": 1}
    answers = [payload(bought["id_token"]), payload(bought["access_token"])]
    answers += [city.userinfo(bought["access_token"]).json, city.introspect(fund, bought["access_token"]).json]
    answers += [city.introspect(fund, bought["refresh_token"]).json]
    assert [{name: told.get(name) for name in CLAIMS} for told in answers] == [expected] * 5
    assert len({told["sub"] for told in answers}) == 1
    assert acting.org_sub != answers[0]["sub"]


def test_a_person_acting_for_themselves_has_no_claim_of_an_organisation(city, fund, acting):
    """Nothing in the tokens tells that they could act for somebody."""
    bought = city.issue_tokens(fund, WITH_ORGANISATION)
    told = payload(bought["id_token"]) | payload(bought["access_token"]) | city.userinfo(bought["access_token"]).json
    assert not {*CLAIMS, "uscc", "organization_name"} & told.keys()


def test_an_organisation_has_one_name_in_each_sector(city, fund, citizen, company, acting):
    """Two clients of a sector know it by one `org_sub`, another sector by another; asking again changes nothing."""
    same = city.register_client("same", sector="fund", **BOTH)
    other = city.register_client("other", **BOTH)
    assert representation(city, citizen, company, same).org_sub == acting.org_sub
    assert representation(city, citizen, company, other).org_sub != acting.org_sub


def test_code_and_name_of_the_organisation_have_scopes_of_their_own(city, fund, acting):
    """Without the scope, or without the claim in the ceiling, they are not told; an ID token never has the code."""
    city.change_client(fund, claims_ceiling=("uscc",))
    bought = city.issue_tokens(fund, WITH_ORGANISATION, represents=acting)
    told = city.userinfo(bought["access_token"]).json
    assert "uscc" in told
    assert "organization_name" not in told
    assert "uscc" not in payload(bought["id_token"]) | payload(bought["access_token"])


def test_no_token_outlives_the_authority(city, fund, head, company, citizen):
    """An authority that ends in two minutes ends the tokens then, and the refresh token with them."""
    ends = city.clock() + timedelta(minutes=2)
    city.enterprises.appoint(company, head, citizen, Role.HANDLER, expires_at=ends)
    bought = city.issue_tokens(fund, OFFLINE, represents=representation(city, citizen, company, fund))
    assert bought["expires_in"] == 120
    assert {payload(bought[name])["exp"] for name in ("access_token", "id_token")} == {int(ends.timestamp())}
    city.clock.advance(minutes=2)
    assert city.userinfo(bought["access_token"]).status == 401
    assert city.refresh(fund, bought["refresh_token"]).error == "invalid_grant"


def test_a_removal_ends_the_tokens_at_once_and_the_refresh_token_for_ever(city, fund, head, handler, acting):
    """The access token is inactive in the same moment; the refresh fails, and a new appointment does not revive it."""
    bought = city.issue_tokens(fund, OFFLINE, represents=acting)
    city.enterprises.act("remove", handler, head)
    assert city.introspect(fund, bought["access_token"]).json == {"active": False}
    assert city.userinfo(bought["access_token"]).status == 401
    assert city.refresh(fund, bought["refresh_token"]).error == "invalid_grant"
    assert city.audit_events().count("client:token:revoke") == 1
    assert city.introspect(fund, bought["refresh_token"]).json == {"active": False}


def test_a_refresh_tells_the_authority_of_today(city, fund, head, company, citizen, acting):
    """Appointed for more matters meanwhile, the person's next token says so."""
    bought = city.issue_tokens(fund, OFFLINE, represents=acting)
    city.enterprises.appoint(company, head, citizen, Role.MANAGER)
    told = payload(city.refresh(fund, bought["refresh_token"]).json["access_token"])
    assert (told["org_role"], told["org_matters"], told["oal"]) == ("manager", ["*"], 2)
    assert "org_authority_expires_at" not in told


def test_a_removed_person_cannot_redeem_a_code(city, fund, head, handler, acting):
    """The authority is asked again when the code is redeemed."""
    code = city.issue_code(fund, OFFLINE, represents=acting)
    city.enterprises.act("remove", handler, head)
    assert city.exchange(fund, code).error == "invalid_grant"
    assert city.count_active_tokens() == (0, 0)


def test_a_register_that_is_out_keeps_code_and_refresh_token(city, fund, company, acting):
    """Both answers say when to try again; what was sent is good as soon as the register answers."""
    bought = city.issue_tokens(fund, OFFLINE, represents=acting)
    city.clock.advance(minutes=15)
    city.enterprises.registry.fail()
    code = city.issue_code(fund, OFFLINE, represents=acting)
    for answer in (city.exchange(fund, code), city.refresh(fund, bought["refresh_token"])):
        assert (answer.status, answer.error) == (503, "temporarily_unavailable")
        assert answer.headers["retry-after"]
    city.enterprises.registry.fail(is_out=False)
    assert city.exchange(fund, code).status == 200
    assert city.refresh(fund, bought["refresh_token"]).status == 200


def test_a_register_that_is_out_does_not_touch_personal_tokens(city, fund, acting):
    """Who acts for themselves signs in and refreshes as ever."""
    city.enterprises.registry.fail()
    city.clock.advance(hours=1)
    bought = city.issue_tokens(fund, OFFLINE)
    assert city.refresh(fund, bought["refresh_token"]).status == 200


def test_a_new_representative_ends_what_the_former_one_gave(city, fund, company, acting):
    """Fifteen minutes after the register's change no refresh succeeds."""
    bought = city.issue_tokens(fund, OFFLINE, represents=acting)
    successor = city.enterprises.person(302)
    uscc = city.people.uscc(city.database.connection(), company)
    city.enterprises.registry.name_representative(uscc, successor.number, successor.name, now=city.clock())
    city.clock.advance(minutes=15)
    assert city.refresh(fund, bought["refresh_token"]).error == "invalid_grant"


def test_a_public_client_rotates_and_ends_alike(city, head, company, citizen, handler):
    """Its successor keeps the organisation, and a removal ends the family."""
    app = city.register_client("app", "none", **BOTH)
    bought = city.issue_tokens(app, OFFLINE, represents=representation(city, citizen, company, app))
    second = city.refresh(app, bought["refresh_token"]).json
    third = city.refresh(app, second["refresh_token"]).json
    assert payload(third["access_token"])["org_role"] == "handler"
    city.enterprises.act("remove", handler, head)
    assert city.refresh(app, third["refresh_token"]).error == "invalid_grant"


def test_a_client_that_serves_persons_only_from_now_on_gets_no_organisation(city, fund, acting):
    """An operator's change holds at the next refresh."""
    bought = city.issue_tokens(fund, OFFLINE, represents=acting)
    city.change_client(fund, metadata={})
    assert city.refresh(fund, bought["refresh_token"]).error == "invalid_grant"


def test_the_code_carries_the_organisation_without_its_row(city, fund, acting):
    """Also where the facts are too many for a code, and the row alone has them."""
    asked = {"claims": {"userinfo": {f"claim-{i}": None for i in range(90)}}}
    bought = city.issue_tokens(fund, OFFLINE, represents=acting, **asked)
    assert payload(bought["access_token"])["org_sub"] == acting.org_sub


def test_persons_cost_nothing_more(city, fund, citizen):
    """A client that serves persons only reads no delegation, whoever the person is; the others read two statements."""
    plain, request = city.register_client("plain").client, city.read_request(client_id="fund")
    c, now = city.database.connection(), city.clock()
    for client, cost in ((plain, 0), (fund.client, 1)):
        with city.count_statements() as seen:
            assert choice_of(c, request, client, citizen.id, now).is_made
        assert len(seen) == cost


def test_asking_the_authority_costs_two_statements(city, fund, acting):
    """A refresh for an organisation runs two statements more than one for a person."""
    personal = city.issue_tokens(fund, OFFLINE)["refresh_token"]
    theirs = city.issue_tokens(fund, OFFLINE, represents=acting)["refresh_token"]
    costs = []
    for token in (personal, theirs):
        city.refresh(fund, token)
        with city.count_statements() as seen:
            assert city.refresh(fund, token).status == 200
        costs.append(len(seen))
    assert costs[1] - costs[0] == 2


def test_discovery_and_the_ceiling_know_the_claims(city):
    """Discovery lists them; the two facts with scopes are of the catalogue, the others nobody can withhold."""
    told = city.send("GET", "/.well-known/openid-configuration").json
    assert {*CLAIMS, "uscc", "organization_name"} <= set(told["claims_supported"])
    assert {"uscc", "organization"} <= set(told["scopes_supported"])
    assert claims.of_scopes(("uscc", "organization")) == ("organization_name", "uscc")
