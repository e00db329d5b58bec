"""Introspection: alive or not, told to the token's own client and to registered resource servers."""

import pytest

from tests.protocol.desk import ISSUER, METHODS, seconds

OFFLINE = ("openid", "offline_access")
DEAD = {"active": False}


@pytest.mark.parametrize("method", [m for m in METHODS if m != "none"])
def test_a_clients_own_access_token_is_described(desk, clock, method):
    """RFC 7662 §2.2: active, issuer, audience, client, subject, scope and times."""
    registered = desk.registers(method=method)
    token = desk.tokens(registered, OFFLINE)["access_token"]
    answer = desk.introspects(registered, token)
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


def test_a_clients_own_refresh_token_is_described(desk, clock):
    """A refresh token is active, but is no Bearer token and has no audience."""
    registered = desk.registers()
    token = desk.tokens(registered, OFFLINE)["refresh_token"]
    told = desk.introspects(registered, token).json
    assert told["active"] is True
    assert told["exp"] == seconds(clock()) + 30 * 86400
    assert not {"token_type", "aud"} & set(told)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
def test_a_wrong_hint_changes_nothing(desk, hint):
    """token_type_hint is a hint (RFC 7662 §2.1)."""
    registered = desk.registers()
    bought = desk.tokens(registered, OFFLINE)
    for kind in ("access_token", "refresh_token"):
        assert desk.introspects(registered, bought[kind], token_type_hint=hint).json["active"] is True


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_foreign_token_looks_dead(desk, kind):
    """A stranger learns nothing, not even that the token is alive."""
    owner, stranger = desk.registers("fund"), desk.registers("stranger")
    token = desk.tokens(owner, OFFLINE)[kind]
    assert desk.introspects(stranger, token).json == DEAD


def test_a_resource_server_sees_everybodys(desk):
    """A client registered as resource server is told of tokens that others present to it."""
    owner, resource = desk.registers("fund"), desk.registers("archive", metadata={"resource_server": True})
    assert desk.introspects(resource, desk.tokens(owner, OFFLINE)["access_token"]).json["client_id"] == "fund"


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_lowered_ceiling_is_told_at_once(desk, kind):
    """A resource server hears what the token is good for today, by the rule that refreshing and UserInfo follow."""
    registered = desk.registers()
    token = desk.tokens(registered, (*OFFLINE, "profile", "phone"))[kind]
    desk.changes(registered, scopes=("openid", "offline_access", "profile"))
    assert desk.introspects(registered, token).json["scope"] == "openid offline_access profile"
    desk.changes(registered, scopes=("reports.read",))
    assert desk.introspects(registered, token).json == DEAD


def test_a_machines_token_obeys_its_ceiling_too(desk):
    """A token of client_credentials loses the scope its client has lost."""
    registered = desk.registers(scopes=("openid", "reports.read", "reports.write"))
    token = desk.asks(registered, "/token", grant_type="client_credentials").json["access_token"]
    desk.changes(registered, scopes=("openid", "reports.read"))
    assert desk.introspects(registered, token).json["scope"] == "reports.read"


@pytest.mark.parametrize("value", ["true", 1, "yes", {"a": 1}, None])
def test_only_true_makes_a_resource_server(desk, value):
    """A registration that says something like true has not said it."""
    owner, other = desk.registers("fund"), desk.registers("archive", metadata={"resource_server": value})
    assert desk.introspects(other, desk.tokens(owner, OFFLINE)["access_token"]).json == DEAD


@pytest.mark.parametrize("token", ["x", "yt_rt_x", "a.b.c", "验证", "yt_ac_x", "A" * 60000])
def test_no_token_at_all_looks_dead_too(desk, token):
    """An unknown string is inactive, not an error (RFC 7662 §2.2)."""
    answer = desk.introspects(desk.registers(), token)
    assert (answer.status, answer.json) == (200, DEAD)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("end", ["disabled", "deceased", "merged", "closed", "withdrawn", "expired", "revoked"])
def test_what_has_ended_is_inactive(desk, clock, kind, end):
    """Every end shows at once, and nothing but the end is told."""
    registered = desk.registers()
    token = desk.tokens(registered, OFFLINE)[kind]
    if end == "withdrawn":
        desk.withdraws()
    elif end == "expired":
        clock.advance(days=31)
    elif end == "revoked":
        desk.asks(registered, "/revoke", token=token)
    else:
        desk.person_is(end)
    assert desk.introspects(registered, token).json == DEAD


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_disabled_clients_tokens_are_inactive(desk, kind):
    """A resource server learns within a second that the client is disabled."""
    owner, resource = desk.registers("fund"), desk.registers("archive", metadata={"resource_server": True})
    token = desk.tokens(owner, OFFLINE)[kind]
    desk.disables(owner)
    assert desk.introspects(resource, token).json == DEAD


def test_a_spent_refresh_token_is_inactive(desk):
    """The predecessor of a rotated token is over although nobody revoked it."""
    app, resource = desk.registers("app", "none"), desk.registers("archive", metadata={"resource_server": True})
    token = desk.tokens(app, OFFLINE)["refresh_token"]
    successor = desk.refreshes(app, token).json["refresh_token"]
    assert desk.introspects(resource, token).json == DEAD
    assert desk.introspects(resource, successor).json["active"] is True


def test_a_public_client_may_not_ask(desk):
    """Who cannot prove who they are is told nothing about any token (RFC 7662 §2.1)."""
    app = desk.registers("app", "none")
    answer = desk.introspects(app, desk.tokens(app, OFFLINE)["access_token"])
    assert answer.status in (400, 401)
    assert answer.error in ("unauthorized_client", "invalid_client")


def test_nobody_may_not_ask(desk):
    """Without client authentication there is no answer, alive or dead."""
    token = desk.tokens(desk.registers(), OFFLINE)["access_token"]
    answer = desk.posts("/introspect", {"token": token})
    assert (answer.status, answer.error) == (401, "invalid_client")
    assert desk.sends("POST", "/introspect", authorization=f"Bearer {token}").status in (400, 401)


def test_a_missing_token_is_an_invalid_request(desk):
    """`token` is required."""
    assert desk.asks(desk.registers(), "/introspect").error == "invalid_request"
