"""Introspection: the token's own client and registered resource servers learn whether a token is active."""

import pytest

from tests.fixtures.city import METHODS
from tests.fixtures.messages import ISSUER, seconds

OFFLINE = ("openid", "offline_access")
DEAD = {"active": False}


@pytest.mark.parametrize("method", [m for m in METHODS if m != "none"])
def test_a_clients_own_access_token_is_described(city, clock, method):
    """RFC 7662 §2.2: active, issuer, audience, client, subject, scope and times."""
    registered = city.register_client(method=method)
    token = city.issue_tokens(registered, OFFLINE)["access_token"]
    answer = city.introspect(registered, token)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    now = seconds(clock())
    told = answer.json
    assert told.pop("sub")
    assert told == {
        "active": True,
        "iss": ISSUER,
        "aud": ISSUER,
        "client_id": "fund",
        "scope": "openid offline_access",
        "iat": now,
        "exp": now + 600,
        "token_type": "Bearer",
        "acr": "urn:yitong:ial2:aal1",
        "auth_time": now - 30,
    }


def test_a_clients_own_refresh_token_is_described(city, clock):
    """A refresh token is active, but has no Bearer type and no audience."""
    registered = city.register_client()
    token = city.issue_tokens(registered, OFFLINE)["refresh_token"]
    told = city.introspect(registered, token).json
    assert told["active"] is True
    assert told["exp"] == seconds(clock()) + 30 * 86400
    assert not {"token_type", "aud"} & set(told)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
def test_a_wrong_hint_changes_nothing(city, hint):
    """token_type_hint is a hint (RFC 7662 §2.1)."""
    registered = city.register_client()
    bought = city.issue_tokens(registered, OFFLINE)
    for kind in ("access_token", "refresh_token"):
        assert city.introspect(registered, bought[kind], token_type_hint=hint).json["active"] is True


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_foreign_token_looks_dead(city, kind):
    """Another client learns nothing, not even that the token is active."""
    owner, stranger = city.register_client("fund"), city.register_client("stranger")
    token = city.issue_tokens(owner, OFFLINE)[kind]
    assert city.introspect(stranger, token).json == DEAD


def test_a_resource_server_sees_everybodys(city):
    """A client registered as resource server may introspect tokens that others present to it."""
    owner, resource = city.register_client("fund"), city.register_client("archive", metadata={"resource_server": True})
    assert city.introspect(resource, city.issue_tokens(owner, OFFLINE)["access_token"]).json["client_id"] == "fund"


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_lowered_ceiling_is_told_at_once(city, kind):
    """A resource server sees the scopes valid now, by the same rule as refresh and UserInfo."""
    registered = city.register_client()
    token = city.issue_tokens(registered, (*OFFLINE, "profile", "phone"))[kind]
    city.change_client(registered, scopes=("openid", "offline_access", "profile"))
    assert city.introspect(registered, token).json["scope"] == "openid offline_access profile"
    city.change_client(registered, scopes=("reports.read",))
    assert city.introspect(registered, token).json == DEAD


def test_a_machines_token_obeys_its_ceiling_too(city):
    """A token of client_credentials loses the scope that its client has lost."""
    registered = city.register_client(scopes=("openid", "reports.read", "reports.write"))
    token = city.post_as(registered, "/token", grant_type="client_credentials").json["access_token"]
    city.change_client(registered, scopes=("openid", "reports.read"))
    assert city.introspect(registered, token).json["scope"] == "reports.read"


@pytest.mark.parametrize("value", ["true", 1, "yes", {"a": 1}, None])
def test_only_true_makes_a_resource_server(city, value):
    """Only the value true registers a resource server, nothing similar to it."""
    owner, other = city.register_client("fund"), city.register_client("archive", metadata={"resource_server": value})
    assert city.introspect(other, city.issue_tokens(owner, OFFLINE)["access_token"]).json == DEAD


@pytest.mark.parametrize("token", ["x", "yt_rt_x", "a.b.c", "验证", "yt_ac_x", "A" * 60000])
def test_no_token_at_all_looks_dead_too(city, token):
    """An unknown string is inactive, not an error (RFC 7662 §2.2)."""
    answer = city.introspect(city.register_client(), token)
    assert (answer.status, answer.json) == (200, DEAD)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("end", ["disabled", "deceased", "merged", "closed", "withdrawn", "expired", "revoked"])
def test_what_has_ended_is_inactive(city, clock, kind, end):
    """A token that ended in any way is inactive at once, and the response holds nothing else."""
    registered = city.register_client()
    token = city.issue_tokens(registered, OFFLINE)[kind]
    if end == "withdrawn":
        city.withdraw_grants()
    elif end == "expired":
        clock.advance(days=31)
    elif end == "revoked":
        city.post_as(registered, "/revoke", token=token)
    else:
        city.set_person_status(end)
    assert city.introspect(registered, token).json == DEAD


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_disabled_clients_tokens_are_inactive(city, kind):
    """Within a second of disabling the client a resource server sees its tokens as inactive."""
    owner, resource = city.register_client("fund"), city.register_client("archive", metadata={"resource_server": True})
    token = city.issue_tokens(owner, OFFLINE)[kind]
    city.disable_client(owner)
    assert city.introspect(resource, token).json == DEAD


def test_a_spent_refresh_token_is_inactive(city):
    """The predecessor of a rotated token is inactive although nobody revoked it."""
    app, resource = (
        city.register_client("app", "none"),
        city.register_client("archive", metadata={"resource_server": True}),
    )
    token = city.issue_tokens(app, OFFLINE)["refresh_token"]
    successor = city.refresh(app, token).json["refresh_token"]
    assert city.introspect(resource, token).json == DEAD
    assert city.introspect(resource, successor).json["active"] is True


def test_a_public_client_may_not_ask(city):
    """A client that cannot authenticate learns nothing about any token (RFC 7662 §2.1)."""
    app = city.register_client("app", "none")
    answer = city.introspect(app, city.issue_tokens(app, OFFLINE)["access_token"])
    assert answer.status in (400, 401)
    assert answer.error in ("unauthorized_client", "invalid_client")


def test_nobody_may_not_ask(city):
    """Without client authentication no state of a token is returned."""
    token = city.issue_tokens(city.register_client(), OFFLINE)["access_token"]
    answer = city.post("/introspect", {"token": token})
    assert (answer.status, answer.error) == (401, "invalid_client")
    assert city.send("POST", "/introspect", authorization=f"Bearer {token}").status in (400, 401)


def test_a_missing_token_is_an_invalid_request(city):
    """`token` is required."""
    assert city.post_as(city.register_client(), "/introspect").error == "invalid_request"
