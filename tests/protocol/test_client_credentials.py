"""client_credentials: a client acts for itself, with scopes that concern no person."""

import pytest

from idp.oidc.clients import registry
from idp.oidc.errors import InvalidClientMetadata
from tests.fixtures.city import METHODS
from tests.fixtures.messages import payload


@pytest.mark.parametrize("method", [m for m in METHODS if m != "none"])
def test_a_client_gets_a_token_for_itself(city, method):
    """The subject is the client, no scope concerns a person, and only an access token is issued."""
    answer = city.post_as(city.register_client(method=method), "/token", grant_type="client_credentials")
    assert answer.status == 200
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.json["scope"] == "reports.read"
    read = payload(answer.json["access_token"])
    assert read["sub"] == read["client_id"] == "fund"
    assert not {"auth_time", "acr", "sid"} & set(read)
    (row,) = city.rows("access_tokens")
    assert (row.person_id, row.grant_id, row.session_id, row.claims) == (None, None, None, [])


@pytest.mark.parametrize("scope", ["openid", "profile", "openid identity_number", "reports.write", "offline_access"])
def test_a_scope_that_speaks_of_persons_is_refused(city, scope):
    """A request with only scopes about persons is an invalid_scope, because no person takes part."""
    answer = city.post_as(city.register_client(), "/token", grant_type="client_credentials", scope=scope)
    assert (answer.status, answer.error) == (400, "invalid_scope")
    assert city.count_active_tokens() == (0, 0)


def test_what_is_beyond_the_ceiling_is_left_out(city):
    """Scopes are cut to the registered ones, and the response names the granted scopes."""
    answer = city.post_as(
        city.register_client(), "/token", grant_type="client_credentials", scope="reports.read openid admin"
    )
    assert answer.json["scope"] == "reports.read"


def test_a_client_not_registered_for_it_is_refused(city):
    """The client must be registered for the grant."""
    registered = city.register_client(grant_types=("authorization_code",))
    assert city.post_as(registered, "/token", grant_type="client_credentials").error == "unauthorized_client"


def test_a_public_client_cannot_be_registered_for_it(city):
    """A client without a secret or key can never act for itself."""
    with pytest.raises(InvalidClientMetadata):
        city.register_client("app", "none", grant_types=("client_credentials",))


def test_its_token_reads_no_person(city):
    """UserInfo refuses the token of a client that acts for itself."""
    token = city.post_as(city.register_client(), "/token", grant_type="client_credentials").json["access_token"]
    assert city.userinfo(token).status == 401


def test_a_disabled_client_is_refused(city):
    """Within a second of being disabled a client gets no more tokens, and its tokens are inactive."""
    registered, watcher = city.register_client(), city.register_client("watcher", metadata={"resource_server": True})
    token = city.post_as(registered, "/token", grant_type="client_credentials").json["access_token"]
    assert city.introspect(watcher, token).json["active"] is True
    city.disable_client(registered)
    answer = city.post_as(registered, "/token", grant_type="client_credentials")
    assert (answer.status, answer.error) == (401, "invalid_client")
    assert city.introspect(watcher, token).json == {"active": False}


def test_an_enabled_client_works_again(city):
    """A disabled client is not deleted: once enabled it works again."""
    registered = city.register_client()
    city.disable_client(registered)
    with city.database.transaction() as c:
        registry.change_status(c, "fund", "active", now=city.clock())
    city.expire_caches()
    assert city.post_as(registered, "/token", grant_type="client_credentials").status == 200


def test_a_client_without_scopes_of_its_own_is_told_of_none(city):
    """An empty scope is no scope (RFC 6749 §3.3): response, token and introspection leave it out."""
    registered = city.register_client(scopes=("openid",))
    answer = city.post_as(registered, "/token", grant_type="client_credentials")
    assert (answer.status, "scope" in answer.json) == (200, False)
    assert "scope" not in payload(answer.json["access_token"])
    told = city.introspect(registered, answer.json["access_token"]).json
    assert (told["active"], "scope" in told) == (True, False)
