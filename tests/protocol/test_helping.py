"""A helper acts for a person: what the tokens say, how long they are good, and what ends them."""

from datetime import date, timedelta

import pytest

from accounts.identifiers import CitizenId
from idp.login import person_status
from idp.login.representing import choice_of
from idp.oidc.consent import subjects
from idp.oidc.representation import CLAIMS as OF_ORGANISATIONS
from idp.oidc.representation.helping import CLAIMS
from tests.fixtures.city import ADDRESS, EMAIL, ID_NUMBER, NAME
from tests.fixtures.enterprises import citizen_of
from tests.fixtures.families import Families, helping_at
from tests.fixtures.messages import payload

OFFLINE = ("openid", "offline_access", "profile")
WITH_HELPERS = {"metadata": {"helpers": True}}


@pytest.fixture
def families(city):
    return Families(city.database, city.people, city.clock)


@pytest.fixture
def clinic(city):
    return city.register_client("clinic", scopes=OFFLINE, **WITH_HELPERS)


@pytest.fixture
def mother(families):
    return families.person(31)


@pytest.fixture
def daughter(city):
    """The citizen, who is signed in."""
    return citizen_of(city, CitizenId.parse(ID_NUMBER), NAME)


@pytest.fixture
def relation(families, mother, daughter):
    """The daughter acts for the mother at doctors, for a month."""
    return families.helps(daughter, mother, matters=frozenset({"health"}))


@pytest.fixture
def acting(families, mother, daughter, clinic, relation):
    """What the daughter's approval says at the clinic."""
    return helping_at(families, daughter, mother, clinic)


def told_everywhere(city, client, bought):
    answers = [payload(bought["id_token"]), payload(bought["access_token"])]
    answers += [city.userinfo(bought["access_token"]).json, city.introspect(client, bought["access_token"]).json]
    return [*answers, city.introspect(client, bought["refresh_token"]).json]


def test_every_token_names_the_helped_person_relation_proof_matters_and_end(city, clinic, acting):
    """The ID token, the access token, UserInfo and introspection say the same, and `sub` stays the helper."""
    plain = city.userinfo(city.issue_tokens(clinic, OFFLINE)["access_token"]).json
    told = told_everywhere(city, clinic, city.issue_tokens(clinic, OFFLINE, represents=acting))
    expected = {
        "helped_sub": acting.helped_sub,
        "helper_relation": "child",
        "helper_proof": "declared",
        "helper_matters": ["health"],
        "helper_authority_expires_at": int((city.clock() + timedelta(days=30)).timestamp()),
    }
    assert [{name: each.get(name) for name in CLAIMS} for each in told] == [expected] * 5
    assert {each["sub"] for each in told} == {plain["sub"]}
    assert plain["sub"] != acting.helped_sub
    assert not {*OF_ORGANISATIONS} & {name for each in told for name in each}


def test_the_helped_person_is_known_by_their_own_sub(city, clinic, mother, acting):
    """The service finds the mother's file: it is the `sub` under which she would log in there, pairwise as ever."""
    with city.database.transaction() as c:
        assert subjects.subject_for(c, mother.id, "clinic", city.clock()) == acting.helped_sub
        assert subjects.subject_for(c, mother.id, "another", city.clock()) != acting.helped_sub


def test_no_fact_of_the_helped_person_is_told(city, clinic, mother, acting):
    """Name and number in the answers are the helper's; whoever helps cannot consent for somebody."""
    bought = city.issue_tokens(clinic, OFFLINE, represents=acting)
    told = city.userinfo(bought["access_token"]).json
    assert told["name"] == NAME
    said = str([*told_everywhere(city, clinic, bought)])
    assert not any(text in said for text in (mother.name, mother.id, mother.number.canonical, EMAIL, ADDRESS))
    assert [row.person_id for row in city.rows("grants")] == [city.person.id]


def test_who_acts_for_themselves_has_no_claim_of_a_helper(city, clinic, acting):
    """Nothing in the tokens tells that they could act for somebody."""
    told = told_everywhere(city, clinic, city.issue_tokens(clinic, OFFLINE))
    assert not {*CLAIMS} & {name for each in told for name in each}


def test_no_token_outlives_the_authority(city, families, clinic, mother, daughter):
    """A relation that ends in two minutes ends the tokens then, and the refresh token with them."""
    families.helps(daughter, mother, expires_at=city.clock() + timedelta(minutes=2))
    bought = city.issue_tokens(clinic, OFFLINE, represents=helping_at(families, daughter, mother, clinic))
    assert bought["expires_in"] == 120
    city.clock.advance(minutes=2)
    assert city.userinfo(bought["access_token"]).status == 401
    assert city.refresh(clinic, bought["refresh_token"]).error == "invalid_grant"


def ended_by(who):
    return lambda city, families, mother, daughter, relation: families.act(
        "end", relation, {"mother": mother, "daughter": daughter}[who]
    )


def becomes(status):
    def change(city, families, mother, daughter, relation):
        with city.database.transaction() as c:
            person_status.change(c, city.people, mother.id, status, actor="operator:1", now=city.clock())

    return change


def loses_capacity(city, families, mother, daughter, relation):
    with city.database.transaction() as c:
        person_status.lose_capacity(c, city.people, mother.id, actor="operator:1", now=city.clock())


ENDS = {
    "by the mother": ended_by("mother"),
    "by the daughter": ended_by("daughter"),
    "by death": becomes("deceased"),
    "by closing": becomes("closed"),
    "by disabling": becomes("disabled"),
    "by incapacity": loses_capacity,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_end_ends_the_tokens_at_once_and_the_refresh_token_for_ever(
    city, families, clinic, mother, daughter, relation, acting, end
):
    """The access token is inactive in the same moment; the refresh fails, and the code of the next login, too."""
    bought = city.issue_tokens(clinic, OFFLINE, represents=acting)
    code = city.issue_code(clinic, OFFLINE, represents=acting)
    end(city, families, mother, daughter, relation)
    assert city.introspect(clinic, bought["access_token"]).json == {"active": False}
    assert city.userinfo(bought["access_token"]).status == 401
    assert city.refresh(clinic, bought["refresh_token"]).error == "invalid_grant"
    assert city.exchange(clinic, code).error == "invalid_grant"
    assert city.introspect(clinic, bought["refresh_token"]).json == {"active": False}
    assert city.audit_events().count("client:token:revoke") == 1
    assert city.count_active_tokens() == (0, 0)


def test_a_refresh_tells_the_authority_of_today(city, families, clinic, mother, daughter, acting):
    """Agreed anew for everything, the next token says so, and the old relation's access token is over."""
    bought = city.issue_tokens(clinic, OFFLINE, represents=acting)
    families.helps(daughter, mother)
    assert city.userinfo(bought["access_token"]).status == 401
    told = payload(city.refresh(clinic, bought["refresh_token"]).json["access_token"])
    assert (told["helper_matters"], told["helped_sub"]) == (["*"], acting.helped_sub)


def test_the_tokens_of_the_helper_themselves_stay(city, families, clinic, relation, acting, mother):
    """The end of a relation touches nothing that the daughter does for herself."""
    own = city.issue_tokens(clinic, OFFLINE)
    families.act("end", relation, mother)
    assert city.userinfo(own["access_token"]).status == 200
    assert city.refresh(clinic, own["refresh_token"]).status == 200


def test_a_client_that_allows_helpers_no_longer_gets_none(city, clinic, acting):
    """Code and refresh token stop working for somebody else."""
    bought = city.issue_tokens(clinic, OFFLINE, represents=acting)
    code = city.issue_code(clinic, OFFLINE, represents=acting)
    city.change_client(clinic, metadata={})
    assert city.exchange(clinic, code).error == "invalid_grant"
    assert city.refresh(clinic, bought["refresh_token"]).error == "invalid_grant"


@pytest.mark.parametrize("metadata", [{}, {"helpers": False}, {"helpers": True, "serves": "organisations"}])
def test_a_client_without_helpers_offers_nobody(city, families, daughter, relation, metadata):
    """Where an operator did not allow it, or only organisations are served, a helper is not asked."""
    client = city.register_client("plain", metadata=metadata).client
    choice = choice_of(
        city.database.connection(), city.read_request(client_id="plain"), client, daughter.id, city.clock()
    )
    assert choice.helped == ()


def test_a_guardian_acts_for_a_child(city, families, clinic, daughter):
    """The token says guardian's relation and which paper showed it, and ends at the fourteenth birthday."""
    child = families.person(41, date(2012, 3, 3), "王小明")  # tomorrow, at midnight in China, fourteen
    held = families.guards(daughter, child)
    bought = city.issue_tokens(clinic, OFFLINE, represents=helping_at(families, daughter, child, clinic))
    told = payload(bought["access_token"])
    assert (told["helper_relation"], told["helper_proof"], told["helper_matters"]) == (
        "parent",
        "birth_certificate",
        ["*"],
    )
    city.clock.advance(seconds=(held.expires_at - city.clock()).total_seconds())
    assert city.refresh(clinic, bought["refresh_token"]).error == "invalid_grant"


def test_the_approval_is_on_record_for_the_helped_person(city, clinic, mother, daughter, acting):
    """Everything in the mother's name is in her activity, with who did it; no name or number is in the record."""
    bought = city.issue_tokens(clinic, OFFLINE, represents=acting)
    assert bought
    event = acting.approval_event(person=daughter.id, now=city.clock(), client="clinic")
    assert (event["event"], event["person_id"], event["actor"]) == ("person:helper:act", mother.id, daughter.id)


def test_persons_cost_nothing_more(city, clinic, daughter):
    """A client without helpers reads no relation, whoever the person is; one with helpers reads one statement."""
    plain, request = city.register_client("plain").client, city.read_request(client_id="clinic")
    c, now = city.database.connection(), city.clock()
    for client, cost in ((plain, 0), (clinic.client, 1)):
        with city.count_statements() as seen:
            assert choice_of(c, request, client, daughter.id, now).is_made
        assert len(seen) == cost


def test_asking_whether_a_helper_may_costs_one_statement(city, clinic, acting):
    """Redeeming a code and refreshing for somebody else run one statement more than for oneself; reading, none."""
    city.issue_tokens(clinic, OFFLINE)  # afterwards clients and keys are cached
    costs = []
    for represents in (None, acting):
        code = city.issue_code(clinic, OFFLINE, represents=represents)
        with city.count_statements() as redeeming:
            bought = city.exchange(clinic, code).json
        city.refresh(clinic, bought["refresh_token"])
        with city.count_statements() as refreshing:
            assert city.refresh(clinic, bought["refresh_token"]).status == 200
        with city.count_statements() as reading:
            assert city.userinfo(bought["access_token"]).status == 200
            assert city.introspect(clinic, bought["access_token"]).json["active"]
        costs.append([len(redeeming), len(refreshing), len(reading)])
    assert [theirs - own for own, theirs in zip(*costs, strict=True)] == [1, 1, 0]


def test_discovery_names_the_claims(city):
    """A service learns from discovery that they exist."""
    told = city.send("GET", "/.well-known/openid-configuration").json
    assert {*CLAIMS} <= set(told["claims_supported"])
