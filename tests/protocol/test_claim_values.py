"""Every claim of the catalogue, requested by its scope and returned by UserInfo; and what adding a claim changes."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from accounts.database import Statement
from accounts.identifiers import IdentifierKind, parse
from accounts.merging import linking
from idp.oidc.consent import claims, consents
from idp.oidc.consent.claims import CLAIMS
from tests.fixtures.city import ID_NUMBER, NAME
from tests.fixtures.enterprises import citizen_of, representation
from tests.protocol.claim_values import LEGACY_UID, VALUES

EVERY_SCOPE = claims.scopes_supported()


@pytest.fixture
def told(city):
    """What UserInfo returns to a client that may have every claim, about a citizen who acts for a company."""
    serves = {"metadata": {"serves": "organisations"}}
    client = city.register_client("all", scopes=EVERY_SCOPE, legacy_system="forum", **serves)
    citizen = citizen_of(city, parse(IdentifierKind.CITIZEN_ID, ID_NUMBER), NAME)
    acting = representation(city, citizen, city.enterprises.company(31, citizen), client)
    old = {"system": "forum", "uid": LEGACY_UID, "person_id": city.person.id, "login_index": b"x", "rule": "number"}
    row = linking.link_row(**old, run_id="run", now=city.clock(), secret=None, recipe=None)
    city.database.connection().execute(Statement(sa.insert(linking.linked_accounts)), **{**row, "level": 2})
    return city.userinfo(city.issue_tokens(client, EVERY_SCOPE, represents=acting)["access_token"]).json


def test_each_claim_has_the_value_that_is_expected(told):
    """No claim is missing, none is extra, and each value is that person's."""
    assert [bool(told.pop(name)) for name in ("sub", "org_sub", "org_role", "org_matters", "oal")] == [True] * 5
    assert told == VALUES


def test_a_claim_added_to_a_scope_reaches_no_client_by_itself(city):
    """The ceiling is stored with the client: a claim added to a scope later is not released, and nobody is asked."""
    client, now, person_id = city.register_client().client, city.clock(), city.person.id
    before = replace(client, claims_ceiling=tuple(name for name in client.claims_ceiling if name != "gender"))
    asked = city.read_request(scope="openid profile")
    with city.database.transaction() as c:
        consents.give(c, person_id, before, asked, now)
        assert not consents.needed(c, person_id, before, asked)
        assert consents.needed(c, person_id, client, asked)


def test_every_scope_is_of_the_catalogue():
    """The scopes above are all the scopes about a person."""
    assert {claim.scope for claim in CLAIMS} <= set(EVERY_SCOPE)
