"""The token endpoint: checks before any grant, the form of its responses, and the statements of each grant."""

import re
from datetime import timedelta

import pytest

from accounts.errors import DatabaseUnavailable
from idp.oidc.grants import GRANTS
from tests.fixtures.messages import CALLBACK, VERIFIER

DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*")  # RFC 6749 §5.2
OFFLINE = ("openid", "offline_access")


def test_the_grant_type_is_needed(city):
    """A form without grant_type is an invalid_request that names it."""
    answer = city.post_as(city.register_client(), "/token")
    assert (answer.status, answer.error) == (400, "invalid_request")
    assert "grant_type" in answer.json["error_description"]


@pytest.mark.parametrize(
    "grant_type", ["password", "implicit", "urn:x", "AUTHORIZATION_CODE", "authorization_code ", "码"]
)
def test_an_unknown_grant_type_is_unsupported(city, grant_type):
    """The password grant and other unknown grants are refused."""
    answer = city.post_as(city.register_client(), "/token", grant_type=grant_type)
    assert (answer.status, answer.error) == (400, "unsupported_grant_type")
    for grant in GRANTS:
        assert grant.grant_type in answer.json["error_description"]


@pytest.mark.parametrize("grant_type", [grant.grant_type for grant in GRANTS])
def test_a_grant_the_client_is_not_registered_for_is_unauthorized(city, grant_type):
    """A client may use only the grant types it registered."""
    others = tuple(grant.grant_type for grant in GRANTS if grant.grant_type != grant_type)
    answer = city.post_as(city.register_client(grant_types=others), "/token", grant_type=grant_type)
    assert (answer.status, answer.error) == (400, "unauthorized_client")


def test_parameters_count_in_the_body_only(city):
    """The query is not read: no code, secret or grant_type comes from it (RFC 6749 §3.2)."""
    client = city.register_client(method="client_secret_post")
    code = city.issue_code(client)
    query = (
        f"grant_type=authorization_code&code={code}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}"
        f"&client_id=fund&client_secret={client.secret}"
    )
    headers = {"content_type": "application/x-www-form-urlencoded"}
    assert city.send("POST", "/token", b"", query, **headers).error == "invalid_request"
    assert city.send("POST", "/token", b"grant_type=authorization_code", query, **headers).error == "invalid_client"
    assert city.exchange(client, code).status == 200


def test_a_query_beside_a_good_body_changes_nothing(city):
    """A query that a proxy appends to the address changes nothing."""
    client = city.register_client(method="client_secret_post")
    body = f"grant_type=client_credentials&client_id=fund&client_secret={client.secret}".encode()
    answer = city.send(
        "POST", "/token", body, "grant_type=password&client_id=x", content_type="application/x-www-form-urlencoded"
    )
    assert answer.status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "FOO"])
def test_only_post_is_answered(city, method):
    """Any other method is a 405 that names the allowed one."""
    answer = city.send(method, "/token")
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


def test_a_page_of_another_origin_may_ask(city):
    """A public client in a browser gets its preflight and its response, without credentials."""
    preflight = city.send("OPTIONS", "/token", origin="https://app.example")
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in preflight.headers
    answer = city.post_as(city.register_client(), "/token", grant_type="client_credentials")
    assert answer.headers["access-control-allow-origin"] == "*"


def test_introspection_is_not_for_pages(city):
    """A page of another origin cannot introspect tokens."""
    assert city.send("OPTIONS", "/introspect").status == 405
    assert "access-control-allow-origin" not in city.introspect(city.register_client(), "x").headers


def test_errors_are_written_as_the_specification_says(city):
    """Every error is JSON, not stored, with a description in the characters of RFC 6749 §5.2."""
    client = city.register_client()
    answers = [
        city.post_as(client, "/token"),
        city.post_as(client, "/token", grant_type='"\\é'),
        city.exchange(client, '"\\é'),
        city.refresh(client, '"\\é'),
        city.post_as(client, "/token", grant_type="client_credentials", scope='"\\é'),
        city.post("/token", {"grant_type": "client_credentials"}),
        city.post("/token", {'"\\é': "1"}),
    ]
    for answer in answers:
        assert answer.status in (400, 401)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert DESCRIPTION.fullmatch(answer.json["error_description"])
        assert set(answer.json) == {"error", "error_description"}


def statements(city, act):
    with city.count_statements() as seen:
        answer = act()
    assert answer.status == 200, answer.json
    return len(seen)


def on(city, *, postgresql, sqlite):
    """PostgreSQL redeems in one statement, SQLite in one short transaction whose statements are counted one by one."""
    return postgresql if city.database.dialect == "postgresql" else sqlite


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_what_each_grant_costs(city, method):
    """client_credentials and a code take one statement, a refresh a read and a redemption, readers one read."""
    client = city.register_client(method=method)
    for _ in range(2):  # the first round fills the caches
        code = city.issue_code(client, OFFLINE)
        cost = {"code": statements(city, lambda code=code: city.exchange(client, code))}
        bought = city.issue_tokens(client, OFFLINE)
        acts = {
            "client_credentials": lambda: city.post_as(client, "/token", grant_type="client_credentials"),
            "refresh": lambda bought=bought: city.refresh(client, bought["refresh_token"]),
            "introspect": lambda bought=bought: city.introspect(client, bought["access_token"]),
            "introspect refresh": lambda bought=bought: city.introspect(client, bought["refresh_token"]),
            "userinfo": lambda bought=bought: city.userinfo(bought["access_token"]),
            "jwks": lambda: city.send("GET", "/jwks"),
            "discovery": lambda: city.send("GET", "/.well-known/openid-configuration"),
        }
        cost |= {name: statements(city, act) for name, act in acts.items()}
    assert cost == {
        "code": on(city, postgresql=1, sqlite=4),  # SQLite: spend, access token, release, refresh token
        "client_credentials": 1,
        "refresh": on(city, postgresql=2, sqlite=3),
        "introspect": 1,
        "introspect refresh": 1,
        "userinfo": 1,
        "jwks": 0,
        "discovery": 0,
    }


def test_a_public_clients_rotation_costs_the_same(city):
    """Rotation, too, takes a read and one redemption."""
    app = city.register_client("app", "none")
    token = city.issue_tokens(app, OFFLINE)["refresh_token"]
    assert statements(city, lambda: city.refresh(app, token)) == on(city, postgresql=2, sqlite=4)


def test_every_released_fact_of_the_profile_costs_no_statement(city):
    """UserInfo gets profile, phone, e-mail and address in its one read."""
    client = city.register_client()
    token = city.issue_tokens(client, ("openid", "profile", "phone", "email", "address", "age"))["access_token"]
    assert statements(city, lambda: city.userinfo(token)) == 1


def test_the_stamps_are_read_once_a_second(city):
    """After a second the caches of clients and of keys each take one statement, once."""
    client = city.register_client()
    city.post_as(client, "/token", grant_type="client_credentials")
    city.expire_caches()
    asks = [statements(city, lambda: city.post_as(client, "/token", grant_type="client_credentials")) for _ in range(3)]
    assert asks == [3, 1, 1]


def test_unknown_clients_do_not_fill_the_cache(city):
    """A thousand invented client ids leave nothing in the process."""
    before = len(city.provider.clients._clients)
    for n in range(1000):
        assert city.provider.clients.get(f"invented-{n}") is None
    assert len(city.provider.clients._clients) == before


def test_a_database_that_is_away_is_said_to_be(city, monkeypatch):
    """While the database is down the response is 503 with Retry-After, not a server error."""
    client = city.register_client()
    city.post_as(client, "/token", grant_type="client_credentials")

    def broken():
        raise DatabaseUnavailable(detail="away")

    monkeypatch.setattr(city.database, "connection", broken)
    answer = city.post_as(client, "/token", grant_type="client_credentials")
    assert answer.status == 503
    assert answer.error == "temporarily_unavailable"
    assert timedelta(seconds=int(answer.headers["retry-after"])) > timedelta(0)
