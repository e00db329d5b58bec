"""client_credentials: a client acts for itself, with scopes that speak of nobody."""

import pytest

from idp.oidc.clients import registry
from idp.oidc.errors import InvalidClientMetadata
from tests.protocol.desk import METHODS, payload


@pytest.mark.parametrize("method", [m for m in METHODS if m != "none"])
def test_a_client_gets_a_token_for_itself(desk, method):
    """The subject is the client, the scopes speak of no person, and nothing but an access token comes."""
    answer = desk.asks(desk.registers(method=method), "/token", grant_type="client_credentials")
    assert answer.status == 200
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "scope"}
    assert answer.json["scope"] == "reports.read"
    read = payload(answer.json["access_token"])
    assert read["sub"] == read["client_id"] == "fund"
    assert not {"auth_time", "acr", "sid"} & set(read)
    (row,) = desk.rows("access_tokens")
    assert (row.person_id, row.grant_id, row.session_id, row.claims) == (None, None, None, [])


@pytest.mark.parametrize("scope", ["openid", "profile", "openid identity_number", "reports.write", "offline_access"])
def test_a_scope_that_speaks_of_persons_is_refused(desk, scope):
    """Nobody's facts are read without somebody: such scopes alone are an invalid_scope."""
    answer = desk.asks(desk.registers(), "/token", grant_type="client_credentials", scope=scope)
    assert (answer.status, answer.error) == (400, "invalid_scope")
    assert desk.alive() == (0, 0)


def test_what_is_beyond_the_ceiling_is_left_out(desk):
    """Scopes are cut to what is registered, and the answer says what was given."""
    answer = desk.asks(desk.registers(), "/token", grant_type="client_credentials", scope="reports.read openid admin")
    assert answer.json["scope"] == "reports.read"


def test_a_client_not_registered_for_it_is_refused(desk):
    """The grant must be among the client's own."""
    registered = desk.registers(grant_types=("authorization_code",))
    assert desk.asks(registered, "/token", grant_type="client_credentials").error == "unauthorized_client"


def test_a_public_client_cannot_be_registered_for_it(desk):
    """A client without a secret or key can never act for itself."""
    with pytest.raises(InvalidClientMetadata):
        desk.registers("app", "none", grant_types=("client_credentials",))


def test_its_token_reads_no_person(desk):
    """UserInfo has nothing to say about a client."""
    token = desk.asks(desk.registers(), "/token", grant_type="client_credentials").json["access_token"]
    assert desk.userinfo(token).status == 401


def test_a_disabled_client_is_refused(desk):
    """Within a second of being disabled a client gets no more tokens, and those it has are inactive."""
    registered, watcher = desk.registers(), desk.registers("watcher", metadata={"resource_server": True})
    token = desk.asks(registered, "/token", grant_type="client_credentials").json["access_token"]
    assert desk.introspects(watcher, token).json["active"] is True
    desk.disables(registered)
    answer = desk.asks(registered, "/token", grant_type="client_credentials")
    assert (answer.status, answer.error) == (401, "invalid_client")
    assert desk.introspects(watcher, token).json == {"active": False}


def test_an_enabled_client_works_again(desk):
    """Disabling is not deleting."""
    registered = desk.registers()
    desk.disables(registered)
    with desk.database.transaction() as c:
        registry.change_status(c, "fund", "active", now=desk.clock())
    desk.a_second_passes()
    assert desk.asks(registered, "/token", grant_type="client_credentials").status == 200


def test_a_client_without_scopes_of_its_own_is_told_of_none(desk):
    """An empty scope is none (RFC 6749 §3.3): answer, token and introspection leave it out."""
    registered = desk.registers(scopes=("openid",))
    answer = desk.asks(registered, "/token", grant_type="client_credentials")
    assert (answer.status, "scope" in answer.json) == (200, False)
    assert "scope" not in payload(answer.json["access_token"])
    told = desk.introspects(registered, answer.json["access_token"]).json
    assert (told["active"], "scope" in told) == (True, False)
