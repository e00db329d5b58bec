"""The refresh token grant: confidential clients keep their token, public clients rotate it, and every end is final."""

from datetime import timedelta

import pytest

from tests.fixtures.city import METHODS
from tests.fixtures.messages import payload

OFFLINE = ("openid", "offline_access", "profile", "phone")


@pytest.fixture
def public(city):
    return city.register_client("app", "none")


@pytest.mark.parametrize("method", [m for m in METHODS if m != "none"])
def test_a_confidential_client_keeps_its_refresh_token(city, method):
    """Ten refreshes return the same refresh token and ten different access tokens."""
    registered = city.register_client(method=method)
    token = city.issue_tokens(registered, OFFLINE)["refresh_token"]
    answers = [city.refresh(registered, token) for _ in range(10)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.json["refresh_token"] for answer in answers} == {token}
    assert len({answer.json["access_token"] for answer in answers}) == 10
    assert city.count_active_tokens() == (11, 1)


def test_a_public_clients_refresh_token_rotates(city, public):
    """Each refresh returns a new refresh token, which can be used in turn."""
    token = city.issue_tokens(public, OFFLINE)["refresh_token"]
    seen = {token}
    for _ in range(5):
        city.clock.advance(seconds=60)
        token = city.refresh(public, token).json["refresh_token"]
        assert token.startswith("yt_rt_")
        seen.add(token)
    assert len(seen) == 6
    assert len({row.request_id for row in city.rows("refresh_tokens")}) == 1


@pytest.mark.parametrize("after", [0, 3, 10])
def test_a_lost_answer_can_be_asked_again(city, public, after):
    """Within ten seconds the spent token returns the same successor, so a lost response signs nobody out."""
    token = city.issue_tokens(public, OFFLINE)["refresh_token"]
    first = city.refresh(public, token)
    city.clock.advance(seconds=after)
    again = city.refresh(public, token)
    assert again.status == 200
    assert again.json["refresh_token"] == first.json["refresh_token"]
    assert city.refresh(public, first.json["refresh_token"]).status == 200


def test_a_later_replay_ends_the_family(city, public):
    """After ten seconds a spent token means theft: the successor and every access token are revoked."""
    bought = city.issue_tokens(public, OFFLINE)
    first = city.refresh(public, bought["refresh_token"]).json
    city.clock.advance(seconds=10.001)
    assert city.refresh(public, bought["refresh_token"]).error == "invalid_grant"
    assert city.count_active_tokens() == (0, 0)
    assert city.refresh(public, first["refresh_token"]).error == "invalid_grant"
    assert city.userinfo(first["access_token"]).status == 401
    assert city.userinfo(bought["access_token"]).status == 401
    assert "client:token:replay" in city.audit_events()


def test_a_replay_after_the_successor_was_used_ends_the_family(city, public):
    """The ten seconds are for lost responses: they end as soon as the successor was used."""
    token = city.issue_tokens(public, OFFLINE)["refresh_token"]
    successor = city.refresh(public, token).json["refresh_token"]
    last = city.refresh(public, successor).json["refresh_token"]
    city.clock.advance(seconds=1)
    assert city.refresh(public, token).error == "invalid_grant"
    assert city.refresh(public, last).error == "invalid_grant"
    assert city.count_active_tokens() == (0, 0)


def test_a_replay_is_one_after_the_spent_tokens_own_time(city, public):
    """A spent token replayed after its own thirty days still ends the active family."""
    first = last = city.issue_tokens(public, OFFLINE)["refresh_token"]
    for _ in range(2):
        city.clock.advance(days=20)
        last = city.refresh(public, last).json["refresh_token"]
    assert city.refresh(public, first).error == "invalid_grant"
    assert city.count_active_tokens() == (0, 0)
    assert city.refresh(public, first).error == "invalid_grant"
    assert city.audit_events().count("client:token:replay") == 1


def test_a_replay_is_one_whatever_it_asks_for(city, public):
    """A replay that requests a scope never granted still ends the family."""
    token = city.issue_tokens(public, OFFLINE)["refresh_token"]
    city.refresh(public, token)
    city.clock.advance(seconds=11)
    assert city.refresh(public, token, scope="email").error == "invalid_grant"
    assert city.count_active_tokens() == (0, 0)


def test_one_family_does_not_end_another(city, public):
    """Two sign-ins are two families: theft from one device does not sign out the other."""
    stolen, other = (city.issue_tokens(public, OFFLINE)["refresh_token"] for _ in range(2))
    city.refresh(public, stolen)
    city.clock.advance(seconds=30)
    city.refresh(public, stolen)
    assert city.refresh(public, other).status == 200


def test_a_foreign_clients_refresh_token_is_unknown(city):
    """Another client's token is refused and stays active for its owner."""
    owner, thief = city.register_client("fund"), city.register_client("thief")
    token = city.issue_tokens(owner, OFFLINE)["refresh_token"]
    assert city.refresh(thief, token).error == "invalid_grant"
    assert city.refresh(owner, token).status == 200


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, "openid offline_access profile phone"),
        ("openid", "openid"),
        ("phone openid", "openid phone"),
        ("openid openid", "openid"),
        ("openid offline_access profile phone", "openid offline_access profile phone"),
    ],
)
def test_scopes_narrow(city, method, asked, given):
    """A refresh may request fewer scopes, and the next one may request all of them again."""
    registered = city.register_client(method=method)
    token = city.issue_tokens(registered, OFFLINE)["refresh_token"]
    answer = city.refresh(registered, token, **{} if asked is None else {"scope": asked})
    assert answer.json["scope"] == given
    assert payload(answer.json["access_token"])["scope"] == given
    whole = city.refresh(registered, answer.json["refresh_token"])
    assert whole.json["scope"] == "openid offline_access profile phone"


def test_a_narrowed_token_reads_less(city):
    """With an access token narrowed to openid, UserInfo returns sub alone."""
    registered = city.register_client()
    token = city.issue_tokens(registered, OFFLINE)["refresh_token"]
    narrowed = city.refresh(registered, token, scope="openid").json["access_token"]
    assert set(city.userinfo(narrowed).json) == {"sub"}


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
@pytest.mark.parametrize("scope", ["openid email", "email", "openid  profile", "admin", "OPENID"])
def test_scopes_never_widen(city, method, scope):
    """A scope that was not granted is refused, and the refusal does not spend the token."""
    registered = city.register_client(method=method)
    token = city.issue_tokens(registered, OFFLINE)["refresh_token"]
    assert city.refresh(registered, token, scope=scope).error == "invalid_scope"
    assert city.refresh(registered, token).status == 200


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_an_idle_refresh_token_ends(city, method):
    """Thirty days without use end a refresh token; each use starts them again."""
    registered = city.register_client(method=method)
    token = city.issue_tokens(registered, OFFLINE)["refresh_token"]
    city.clock.advance(days=29, hours=23)
    token = city.refresh(registered, token).json["refresh_token"]
    city.clock.advance(days=29, hours=23)
    token = city.refresh(registered, token).json["refresh_token"]
    city.clock.advance(days=30)
    assert city.refresh(registered, token).error == "invalid_grant"


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_a_refresh_token_ends_however_often_it_is_used(city, method):
    """After a hundred and eighty days the person must sign in again, whatever the client did."""
    registered = city.register_client(method=method)
    token = city.issue_tokens(registered, OFFLINE)["refresh_token"]
    end = city.clock() + timedelta(days=180)
    for _ in range(8):
        city.clock.advance(days=20)
        token = city.refresh(registered, token).json["refresh_token"]
    city.clock.now = end - timedelta(seconds=1)
    token = city.refresh(registered, token).json["refresh_token"]
    city.clock.now = end
    assert city.refresh(registered, token).error == "invalid_grant"


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
@pytest.mark.parametrize("status", ["disabled", "deceased", "merged", "closed"])
def test_the_gate_is_asked_of_the_person(city, method, status):
    """A refresh for a person who is no longer active is refused."""
    registered = city.register_client(method=method)
    token = city.issue_tokens(registered, OFFLINE)["refresh_token"]
    city.set_person_status(status)
    assert city.refresh(registered, token).error == "invalid_grant"


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_the_gate_is_asked_of_the_grant(city, method):
    """A refresh of a withdrawn grant is refused."""
    registered = city.register_client(method=method)
    token = city.issue_tokens(registered, OFFLINE)["refresh_token"]
    city.withdraw_grants()
    assert city.refresh(registered, token).error == "invalid_grant"


def test_a_refreshed_id_token_keeps_the_first_sign_in(city):
    """OpenID Connect Core §12.2: same iss, sub and auth_time, a new iat, no nonce."""
    registered = city.register_client()
    bought = city.issue_tokens(registered, OFFLINE)
    before = payload(bought["id_token"])
    city.clock.advance(hours=5)
    after = payload(city.refresh(registered, bought["refresh_token"]).json["id_token"])
    kept = ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid")
    assert [before[name] for name in kept] == [after[name] for name in kept]
    assert after["iat"] == before["iat"] + 5 * 3600
    assert "nonce" not in after


@pytest.mark.parametrize("token", ["yt_rt_unknown", "x", "验证", "null", "yt_rt_" + "A" * 5000])
def test_an_unknown_token_is_an_invalid_grant(city, token):
    """Whatever is sent as the refresh token, the error is invalid_grant."""
    answer = city.refresh(city.register_client(), token)
    assert (answer.status, answer.error) == (400, "invalid_grant")


def test_a_missing_token_is_an_invalid_request(city):
    """RFC 6749 §5.2: a missing parameter is an invalid_request."""
    assert city.post_as(city.register_client(), "/token", grant_type="refresh_token").error == "invalid_request"


@pytest.mark.parametrize("new", [{"purpose": "推荐商品"}, {"legal_basis": "separate_consent"}])
@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_what_was_agreed_for_one_purpose_is_not_refreshed_for_another(city, method, new):
    """A new purpose refuses the refresh, as the person is absent; with the old one the token works again."""
    registered = city.register_client(method=method)
    token = city.issue_tokens(registered)["refresh_token"]
    before = {name: getattr(registered.client, name) for name in new}
    city.change_client(registered, **new)
    assert city.refresh(registered, token).error == "invalid_grant"
    city.change_client(registered, **before)
    assert city.refresh(registered, token).status == 200


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_a_lowered_ceiling_holds_from_the_next_refresh(city, method):
    """A new token lacks what the client lost since; once registered again, it is back."""
    registered = city.register_client(method=method)
    token = city.issue_tokens(registered, OFFLINE)["refresh_token"]
    city.change_client(
        registered, scopes=("openid", "offline_access", "profile"), claims_ceiling=("name", "phone_number")
    )
    cut = city.refresh(registered, token).json
    assert cut["scope"] == "openid offline_access profile"
    assert {tuple(r.claims) for r in city.rows("access_tokens") if "phone" not in r.scopes} == {("name",)}
    city.change_client(registered, scopes=registered.client.scopes, claims_ceiling=registered.client.claims_ceiling)
    again = city.refresh(registered, cut["refresh_token"]).json
    assert again["scope"] == "openid offline_access profile phone"
    assert "phone_number" in city.userinfo(again["access_token"]).json


def test_a_client_without_any_of_its_scopes_left_gets_nothing(city):
    """A refresh that could grant no scope is refused and does not spend the token."""
    registered = city.register_client(method="none")
    token = city.issue_tokens(registered, OFFLINE)["refresh_token"]
    city.change_client(registered, scopes=("email",))
    assert city.refresh(registered, token).error == "invalid_scope"
    city.change_client(registered, scopes=registered.client.scopes)
    assert city.refresh(registered, token).status == 200
