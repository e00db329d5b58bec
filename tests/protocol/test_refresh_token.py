"""The refresh token grant: confidential clients keep theirs, public clients rotate, and every end is an end."""

from datetime import timedelta

import pytest

from tests.protocol.desk import METHODS, payload

OFFLINE = ("openid", "offline_access", "profile", "phone")


@pytest.fixture
def public(desk):
    return desk.registers("app", "none")


@pytest.mark.parametrize("method", [m for m in METHODS if m != "none"])
def test_a_confidential_client_keeps_its_refresh_token(desk, method):
    """Ten refreshes answer with the same refresh token and ten different access tokens."""
    registered = desk.registers(method=method)
    token = desk.tokens(registered, OFFLINE)["refresh_token"]
    answers = [desk.refreshes(registered, token) for _ in range(10)]
    assert {answer.status for answer in answers} == {200}
    assert {answer.json["refresh_token"] for answer in answers} == {token}
    assert len({answer.json["access_token"] for answer in answers}) == 10
    assert desk.alive() == (11, 1)


def test_a_public_clients_refresh_token_rotates(desk, public):
    """Each refresh gives a new refresh token, and the chain goes on."""
    token = desk.tokens(public, OFFLINE)["refresh_token"]
    seen = {token}
    for _ in range(5):
        desk.clock.advance(seconds=60)
        token = desk.refreshes(public, token).json["refresh_token"]
        assert token.startswith("yt_rt_")
        seen.add(token)
    assert len(seen) == 6
    assert len({row.request_id for row in desk.rows("refresh_tokens")}) == 1


@pytest.mark.parametrize("after", [0, 3, 10])
def test_a_lost_answer_can_be_asked_again(desk, public, after):
    """Within ten seconds the spent token gives the same successor, so that a phone in a tunnel stays signed in."""
    token = desk.tokens(public, OFFLINE)["refresh_token"]
    first = desk.refreshes(public, token)
    desk.clock.advance(seconds=after)
    again = desk.refreshes(public, token)
    assert again.status == 200
    assert again.json["refresh_token"] == first.json["refresh_token"]
    assert desk.refreshes(public, first.json["refresh_token"]).status == 200


def test_a_later_replay_ends_the_family(desk, public):
    """After ten seconds a spent token means theft: the successor, and every access token, die with it."""
    bought = desk.tokens(public, OFFLINE)
    first = desk.refreshes(public, bought["refresh_token"]).json
    desk.clock.advance(seconds=10.001)
    assert desk.refreshes(public, bought["refresh_token"]).error == "invalid_grant"
    assert desk.alive() == (0, 0)
    assert desk.refreshes(public, first["refresh_token"]).error == "invalid_grant"
    assert desk.userinfo(first["access_token"]).status == 401
    assert desk.userinfo(bought["access_token"]).status == 401
    assert "client:token:replay" in desk.events()


def test_a_replay_after_the_successor_was_used_ends_the_family(desk, public):
    """The window is for lost answers: once the successor was used, nobody lost anything."""
    token = desk.tokens(public, OFFLINE)["refresh_token"]
    successor = desk.refreshes(public, token).json["refresh_token"]
    last = desk.refreshes(public, successor).json["refresh_token"]
    desk.clock.advance(seconds=1)
    assert desk.refreshes(public, token).error == "invalid_grant"
    assert desk.refreshes(public, last).error == "invalid_grant"
    assert desk.alive() == (0, 0)


def test_a_replay_is_one_after_the_spent_tokens_own_time(desk, public):
    """A spent token that comes back after its thirty days ends the family that lives on."""
    first = last = desk.tokens(public, OFFLINE)["refresh_token"]
    for _ in range(2):
        desk.clock.advance(days=20)
        last = desk.refreshes(public, last).json["refresh_token"]
    assert desk.refreshes(public, first).error == "invalid_grant"
    assert desk.alive() == (0, 0)
    assert desk.refreshes(public, first).error == "invalid_grant"
    assert desk.events().count("client:token:replay") == 1


def test_a_replay_is_one_whatever_it_asks_for(desk, public):
    """A thief who asks for a scope that was never given has shown the token all the same."""
    token = desk.tokens(public, OFFLINE)["refresh_token"]
    desk.refreshes(public, token)
    desk.clock.advance(seconds=11)
    assert desk.refreshes(public, token, scope="email").error == "invalid_grant"
    assert desk.alive() == (0, 0)


def test_one_family_does_not_end_another(desk, public):
    """Two sign-ins are two families: theft from one device does not sign out the other."""
    stolen, other = (desk.tokens(public, OFFLINE)["refresh_token"] for _ in range(2))
    desk.refreshes(public, stolen)
    desk.clock.advance(seconds=30)
    desk.refreshes(public, stolen)
    assert desk.refreshes(public, other).status == 200


def test_a_foreign_clients_refresh_token_is_unknown(desk):
    """Another client's token is refused and stays alive for its owner."""
    owner, thief = desk.registers("fund"), desk.registers("thief")
    token = desk.tokens(owner, OFFLINE)["refresh_token"]
    assert desk.refreshes(thief, token).error == "invalid_grant"
    assert desk.refreshes(owner, token).status == 200


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
def test_scopes_narrow(desk, method, asked, given):
    """A refresh may ask for fewer scopes, and the next one may ask for all of them again."""
    registered = desk.registers(method=method)
    token = desk.tokens(registered, OFFLINE)["refresh_token"]
    answer = desk.refreshes(registered, token, **{} if asked is None else {"scope": asked})
    assert answer.json["scope"] == given
    assert payload(answer.json["access_token"])["scope"] == given
    whole = desk.refreshes(registered, answer.json["refresh_token"])
    assert whole.json["scope"] == "openid offline_access profile phone"


def test_a_narrowed_token_reads_less(desk):
    """UserInfo of an access token narrowed to openid answers sub alone."""
    registered = desk.registers()
    token = desk.tokens(registered, OFFLINE)["refresh_token"]
    narrowed = desk.refreshes(registered, token, scope="openid").json["access_token"]
    assert set(desk.userinfo(narrowed).json) == {"sub"}


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
@pytest.mark.parametrize("scope", ["openid email", "email", "openid  profile", "admin", "OPENID"])
def test_scopes_never_widen(desk, method, scope):
    """A scope that was not given is refused, and the token is not spent by the refusal."""
    registered = desk.registers(method=method)
    token = desk.tokens(registered, OFFLINE)["refresh_token"]
    assert desk.refreshes(registered, token, scope=scope).error == "invalid_scope"
    assert desk.refreshes(registered, token).status == 200


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_an_idle_refresh_token_ends(desk, method):
    """Thirty days without use end it; use within them starts them again."""
    registered = desk.registers(method=method)
    token = desk.tokens(registered, OFFLINE)["refresh_token"]
    desk.clock.advance(days=29, hours=23)
    token = desk.refreshes(registered, token).json["refresh_token"]
    desk.clock.advance(days=29, hours=23)
    token = desk.refreshes(registered, token).json["refresh_token"]
    desk.clock.advance(days=30)
    assert desk.refreshes(registered, token).error == "invalid_grant"


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_a_refresh_token_ends_however_often_it_is_used(desk, method):
    """After a hundred and eighty days the person signs in again, whatever the client did."""
    registered = desk.registers(method=method)
    token = desk.tokens(registered, OFFLINE)["refresh_token"]
    end = desk.clock() + timedelta(days=180)
    for _ in range(8):
        desk.clock.advance(days=20)
        token = desk.refreshes(registered, token).json["refresh_token"]
    desk.clock.now = end - timedelta(seconds=1)
    token = desk.refreshes(registered, token).json["refresh_token"]
    desk.clock.now = end
    assert desk.refreshes(registered, token).error == "invalid_grant"


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
@pytest.mark.parametrize("status", ["disabled", "deceased", "merged", "closed"])
def test_the_gate_is_asked_of_the_person(desk, method, status):
    """A person who is no longer active has no refresh."""
    registered = desk.registers(method=method)
    token = desk.tokens(registered, OFFLINE)["refresh_token"]
    desk.person_is(status)
    assert desk.refreshes(registered, token).error == "invalid_grant"


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_the_gate_is_asked_of_the_grant(desk, method):
    """A withdrawn grant has no refresh."""
    registered = desk.registers(method=method)
    token = desk.tokens(registered, OFFLINE)["refresh_token"]
    desk.withdraws()
    assert desk.refreshes(registered, token).error == "invalid_grant"


def test_a_refreshed_id_token_keeps_the_first_sign_in(desk):
    """OpenID Connect Core §12.2: same iss, sub and auth_time, a new iat, no nonce."""
    registered = desk.registers()
    bought = desk.tokens(registered, OFFLINE)
    before = payload(bought["id_token"])
    desk.clock.advance(hours=5)
    after = payload(desk.refreshes(registered, bought["refresh_token"]).json["id_token"])
    kept = ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid")
    assert [before[name] for name in kept] == [after[name] for name in kept]
    assert after["iat"] == before["iat"] + 5 * 3600
    assert "nonce" not in after


@pytest.mark.parametrize("token", ["yt_rt_unknown", "x", "验证", "null", "yt_rt_" + "A" * 5000])
def test_an_unknown_token_is_an_invalid_grant(desk, token):
    """Whatever is sent in its place, the answer is the specification's."""
    answer = desk.refreshes(desk.registers(), token)
    assert (answer.status, answer.error) == (400, "invalid_grant")


def test_a_missing_token_is_an_invalid_request(desk):
    """RFC 6749 §5.2 has a word of its own for what is not there."""
    assert desk.asks(desk.registers(), "/token", grant_type="refresh_token").error == "invalid_request"


@pytest.mark.parametrize("new", [{"purpose": "推荐商品"}, {"legal_basis": "separate_consent"}])
@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_what_was_agreed_for_one_purpose_is_not_refreshed_for_another(desk, method, new):
    """The person is not there to be told: the client has to send them; of the old purpose the token is good again."""
    registered = desk.registers(method=method)
    token = desk.tokens(registered)["refresh_token"]
    before = {name: getattr(registered.client, name) for name in new}
    desk.changes(registered, **new)
    assert desk.refreshes(registered, token).error == "invalid_grant"
    desk.changes(registered, **before)
    assert desk.refreshes(registered, token).status == 200


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_a_lowered_ceiling_holds_from_the_next_refresh(desk, method):
    """What the client is no longer registered for is in no token bought after; raised again, it is back."""
    registered = desk.registers(method=method)
    token = desk.tokens(registered, OFFLINE)["refresh_token"]
    desk.changes(registered, scopes=("openid", "offline_access", "profile"), claims_ceiling=("name", "phone_number"))
    cut = desk.refreshes(registered, token).json
    assert cut["scope"] == "openid offline_access profile"
    assert {tuple(r.claims) for r in desk.rows("access_tokens") if "phone" not in r.scopes} == {("name",)}
    desk.changes(registered, scopes=registered.client.scopes, claims_ceiling=registered.client.claims_ceiling)
    again = desk.refreshes(registered, cut["refresh_token"]).json
    assert again["scope"] == "openid offline_access profile phone"
    assert "phone_number" in desk.userinfo(again["access_token"]).json


def test_a_client_without_any_of_its_scopes_left_gets_nothing(desk):
    """A refresh that could give nothing says so, and the token is not spent by it."""
    registered = desk.registers(method="none")
    token = desk.tokens(registered, OFFLINE)["refresh_token"]
    desk.changes(registered, scopes=("email",))
    assert desk.refreshes(registered, token).error == "invalid_scope"
    desk.changes(registered, scopes=registered.client.scopes)
    assert desk.refreshes(registered, token).status == 200
