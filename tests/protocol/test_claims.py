"""The catalogue of claims, subjects and consents."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from accounts.database import Statement
from accounts.people import natural_persons
from idp.oidc.consent import claims, consents, release, subjects
from idp.oidc.consent.claims import CLAIMS, Sensitivity
from idp.oidc.vocabulary import AUTHORIZATION_CODE, REFRESH_TOKEN
from tests.fixtures.city import EMAIL, PLAIN_SCOPES, City, eight_at_once
from tests.fixtures.messages import redirect_parameters
from tests.protocol.claim_values import VALUES


@pytest.fixture
def city(city) -> City:
    """With one relying system, `fund`."""
    city.register_client(scopes=PLAIN_SCOPES, grant_types=(AUTHORIZATION_CODE, REFRESH_TOKEN))
    return city


def userinfo(city: City, request, client_id: str = "fund", citizen=None) -> dict:
    reply = (citizen or city.person).approve(request)
    status, tokens = city.redeem(redirect_parameters(reply)["code"], client_id).pair
    assert status == 200, tokens
    status, facts = city.post("/userinfo", {}, authorization="Bearer " + tokens["access_token"]).pair
    assert status == 200, facts
    return facts


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_rows_are_whole(claim):
    """Each row of the catalogue has scope, label, purpose, sensitivity and source."""
    assert all((claim.name, claim.scope, claim.label, claim.purpose))
    assert isinstance(claim.sensitivity, Sensitivity)
    assert callable(claim.source)
    assert claim.only_by_scope or claim.sensitivity is not Sensitivity.SENSITIVE


def test_names_are_unique():
    """No two claims share a name, and no claim has the name of a token's own claim."""
    names = [claim.name for claim in CLAIMS]
    assert len(set(names)) == len(names)
    assert not set(names) & set(claims.TOKEN_CLAIMS)


def test_scopes_release_their_facts(city):
    """UserInfo returns exactly the claims of the granted scopes."""
    facts = userinfo(city, city.read_request(scope="openid profile phone email address age"))
    assert facts.pop("sub")
    assert facts.pop("updated_at") == int(city.clock().timestamp())
    released = (
        *("name", "birthdate", "gender", "zoneinfo", "locale", "age_over_18"),
        *("phone_number", "phone_number_verified", "email", "email_verified", "address"),
    )
    assert facts == {name: VALUES[name] for name in released}
    assert set(userinfo(city, city.read_request(scope="openid"), citizen=city.register_person(22))) == {"sub"}


def test_ceiling_holds(city):
    """A claim above the ceiling is left out, whether requested by scope or by name."""
    client = city.register_client("narrow", scopes=("openid", "profile"), claims_ceiling=("name",)).client
    asked = city.read_request(client_id="narrow", claims='{"userinfo": {"email": null, "birthdate": null}}')
    assert release.granted(asked.scopes, asked.claims, client) == ("name",)
    assert set(userinfo(city, asked, "narrow")) == {"sub", "name"}


def test_claims_parameter(city):
    """A claim named for UserInfo is returned there; one named for the ID token is only in that."""
    asked = city.read_request(scope="openid", claims='{"userinfo": {"name": null}, "id_token": {"email": null}}')
    reply = city.person.approve(asked)
    tokens = city.redeem(redirect_parameters(reply)["code"]).json
    told = city.provider.tokens.read_id_token(tokens["id_token"], city.clock())
    assert told["email"] == EMAIL
    assert "name" not in told
    facts = city.post("/userinfo", {}, authorization="Bearer " + tokens["access_token"]).json
    assert set(facts) == {"sub", "name"}


def test_identity_number_only_by_its_scope(city):
    """Its own scope releases the number to a client with a ceiling for it, in UserInfo only, never by name."""
    scopes = ("openid", "identity_number")
    client = city.register_client(
        "tax", scopes=scopes, claims_ceiling=claims.of_scopes(scopes), legal_basis="statutory_duty"
    ).client
    by_name = '{"id_token": {"identity_number": null}, "userinfo": {"identity_number": null}}'
    asked = city.read_request(client_id="tax", scope="openid", claims=by_name)
    assert release.granted(asked.scopes, asked.claims, client) == ()
    asked = city.read_request(client_id="tax", scope="openid identity_number", claims=by_name)
    citizen = city.person
    reply = citizen.approve(asked)
    tokens = city.redeem(redirect_parameters(reply)["code"], "tax").json
    number = userinfo(city, city.read_request(client_id="tax", scope="openid identity_number"), "tax", citizen)[
        "identity_number"
    ]
    assert number.startswith("519999")
    assert number not in repr(city.provider.tokens.read_id_token(tokens["id_token"], city.clock()))
    assert "identity_number" not in city.read_request(scope="openid identity_number").scopes


@pytest.mark.parametrize("missing", ["purpose", "legal_basis"])
def test_sensitive_fact_needs_a_reason(city, missing):
    """Without a recorded purpose and legal basis no client gets a sensitive fact."""
    scopes = ("openid", "identity_number")
    client = city.register_client("tax", scopes=scopes, claims_ceiling=claims.of_scopes(scopes)).client
    assert "identity_number" in release.granted(scopes, {}, client)
    assert "identity_number" not in release.granted(scopes, {}, replace(client, **{missing: ""}))


def test_subject_by_sector(city):
    """A person has one subject in each sector, shared by its clients; a second call changes nothing."""
    citizen = city.person
    with city.database.transaction() as c:
        names = [subjects.subject_for(c, citizen.id, s, city.clock()) for s in ("a", "b", "a")]
    assert names[0] == names[2] != names[1]
    assert len(names[0]) == 32


def test_subject_race(city):
    """Eight simultaneous first calls get one subject."""
    citizen = city.person
    found: list[str] = []

    def ask() -> None:
        with city.database.transaction() as c:
            found.append(subjects.subject_for(c, citizen.id, "a", city.clock()))

    eight_at_once(city.database, ask)
    assert len(found) == 8
    assert len(set(found)) == 1


def test_merges_keep_names(city):
    """A survivor takes the absorbed person's subject where they have none; an undo gives it back."""
    first, second, third = (city.register_person(sequence) for sequence in (31, 32, 33))
    merge = Statement(
        sa.update(natural_persons)
        .where(natural_persons.c.id == sa.bindparam("who"))
        .values(merged_into=sa.bindparam("into"))
    )
    with city.database.transaction() as c:
        old = subjects.subject_for(c, first.id, "a", city.clock())
        own = subjects.subject_for(c, third.id, "b", city.clock())
        c.execute(merge, who=first.id, into=second.id)
        c.execute(merge, who=second.id, into=third.id)
        assert subjects.subject_for(c, third.id, "a", city.clock()) == old
        assert subjects.subject_for(c, third.id, "b", city.clock()) == own
        c.execute(merge, who=first.id, into=None)
        assert subjects.subject_for(c, third.id, "a", city.clock()) != old
        assert subjects.subject_for(c, first.id, "a", city.clock()) == old


@pytest.mark.parametrize(
    ("basis", "manner"), [("statutory_duty", "notice"), ("consent", "consent"), ("separate_consent", "consent")]
)
def test_basis_decides_the_manner(city, basis, manner):
    """Under a statutory duty the person is informed, otherwise asked; the page has claims, purpose and basis."""
    client = city.register_client(
        "other",
        legal_basis=basis,
        scopes=(*PLAIN_SCOPES, "identity_number"),
        claims_ceiling=claims.of_scopes((*PLAIN_SCOPES, "identity_number")),
    ).client
    shown = consents.release_notice(
        city.read_request(client_id="other", scope="openid profile identity_number"), client
    )
    assert (shown.release_mode, shown.legal_basis, shown.purpose) == (manner, basis, client.purpose)
    assert [claim.name for claim in shown.sensitive] == ["identity_number"]
    assert "name" in shown.names


def test_told_once_and_when_it_grows(city):
    """A person is asked once, again only for more, and what they granted before stays granted."""
    citizen, client = city.person, city.clients["fund"].client
    small, large = city.read_request(scope="openid profile"), city.read_request(scope="openid profile phone")
    with city.database.transaction() as c:
        assert consents.needed(c, citizen.id, client, small)
        first = consents.give(c, citizen.id, client, small, city.clock())
        assert not consents.needed(c, citizen.id, client, small)
        assert consents.needed(c, citizen.id, client, large)
        assert consents.give(c, citizen.id, client, large, city.clock()) == first
        assert not consents.needed(c, citizen.id, client, small)
        assert not consents.needed(c, citizen.id, client, large)
        assert len(consents.of_person(c, citizen.id)) == 1


def test_withdrawal_kills_the_tokens(city):
    """Withdrawing ends the grant and its tokens at once; nobody can withdraw another person's."""
    citizen = city.person
    tokens = city.redeem(redirect_parameters(citizen.approve(city.read_request()))["code"]).json
    bearer = "Bearer " + tokens["access_token"]
    with city.database.transaction() as c:
        (given,) = consents.of_person(c, citizen.id)
        assert given.last_used_at == city.clock()
        assert given.claims[0].name == "name"
        assert not consents.withdraw(c, given.grant_id, city.clock(), person_id="somebody else")
    assert city.post("/userinfo", {}, authorization=bearer).status == 200
    with city.database.transaction() as c:
        assert consents.withdraw(c, given.grant_id, city.clock(), person_id=citizen.id)
        assert not consents.withdraw(c, given.grant_id, city.clock(), person_id=citizen.id)
    assert city.post("/userinfo", {}, authorization=bearer).status == 401
