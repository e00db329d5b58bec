"""The authorization code grant: which tokens a code gives, and when it gives none."""

import json

import pytest
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

from accounts.errors import Conflict
from idp.oidc.clients import registry
from tests.fixtures.city import ADDRESS, BORN, EMAIL, ID_NUMBER, METHODS, NAME, PHONE, SCOPES
from tests.fixtures.messages import CALLBACK, ISSUER, VERIFIER, payload, seconds


def verified(city, token, alg):
    """The claims of the token, as a relying system with a library reads them."""
    keys = KeySet.import_key_set(city.send("GET", "/jwks").json)
    return jwt.decode(token, keys, algorithms=[alg])


@pytest.mark.parametrize("method", METHODS)
def test_a_code_buys_its_tokens(city, method):
    """With each way to authenticate, a client gets access token, ID token and, with offline_access, refresh token."""
    registered = city.register_client(method=method)
    answer = city.exchange(registered, city.issue_code(registered, ("openid", "offline_access")))
    assert answer.status == 200
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 600
    assert answer.json["scope"] == "openid offline_access"
    assert answer.json["refresh_token"].startswith("yt_rt_")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"


def test_what_was_not_asked_is_not_given(city):
    """Without openid there is no ID token, without offline_access no refresh token."""
    registered = city.register_client()
    assert set(city.issue_tokens(registered, ("profile",))) == {"access_token", "token_type", "expires_in", "scope"}


def test_a_client_that_may_not_refresh_gets_no_refresh_token(city):
    """offline_access has no effect for a client without the refresh_token grant."""
    registered = city.register_client(grant_types=("authorization_code",))
    assert "refresh_token" not in city.issue_tokens(registered, ("openid", "offline_access"))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": VERIFIER + "A"}, "invalid_grant"),
        ({"code_verifier": VERIFIER.lower()}, "invalid_grant"),
        ({"code_verifier": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "invalid_grant"),  # the challenge: `plain`
        ({"code_verifier": "验" * 43}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "/"}, "invalid_grant"),
        ({"redirect_uri": CALLBACK.upper()}, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "?a=b"}, "invalid_grant"),
        ({"code": "yt_ac_unknown"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
    ],
)
def test_what_does_not_fit_buys_nothing(city, change, error):
    """A wrong or missing verifier, redirect_uri or code is refused, nothing is written, the right ones still work."""
    registered = city.register_client()
    code = city.issue_code(registered)
    refused = city.exchange(registered, **{"code": code} | change)
    assert (refused.status, refused.error) == (400, error)
    assert city.count_active_tokens() == (0, 0)
    assert city.rows("releases") == []
    assert city.exchange(registered, code).status == 200


def test_a_verifier_without_a_challenge_is_refused(city):
    """The verifier reveals an attacker who removed code_challenge from the authorization request."""
    registered = city.register_client(require_pkce=False)
    assert city.exchange(registered, city.issue_code(registered, code_challenge=None)).error == "invalid_grant"


def test_a_client_excused_from_pkce_works_without(city):
    """A confidential client registered without PKCE redeems a code that has no challenge."""
    registered = city.register_client(require_pkce=False)
    code = city.issue_code(registered, code_challenge=None)
    assert city.exchange(registered, code, code_verifier=None).status == 200


def test_a_code_without_challenge_is_nothing_to_a_client_that_needs_pkce(city):
    """The PKCE rule is also checked when a code is redeemed, not only at the authorization endpoint."""
    registered = city.register_client()
    code = city.issue_code(registered, code_challenge=None)
    assert city.exchange(registered, code, code_verifier=None).error == "invalid_grant"


@pytest.mark.parametrize(("age", "status"), [(0, 200), (59.9, 200), (60, 400), (61, 400), (86400, 400)])
def test_a_code_lives_a_minute(city, clock, age, status):
    """A code expires after sixty seconds, and a late code is not treated as stolen."""
    registered = city.register_client()
    code = city.issue_code(registered)
    clock.advance(seconds=age)
    assert city.exchange(registered, code).status == status
    assert "client:token:replay" not in city.audit_events()


def test_a_code_in_foreign_hands_is_spoilt(city):
    """Another client's attempt gets nothing, and makes the code invalid for its owner as well."""
    owner, thief = city.register_client("fund"), city.register_client("thief")
    code = city.issue_code(owner)
    assert city.exchange(thief, code).error == "invalid_grant"
    assert city.exchange(owner, code).error == "invalid_grant"
    assert city.count_active_tokens() == (0, 0)


def test_a_replayed_code_takes_back_what_it_bought(city):
    """The second use of a code is refused, revokes both tokens, and is recorded as refused."""
    registered = city.register_client()
    code = city.issue_code(registered, ("openid", "offline_access"))
    bought = city.exchange(registered, code).json
    assert city.count_active_tokens() == (1, 1)
    assert city.exchange(registered, code).error == "invalid_grant"
    assert city.count_active_tokens() == (0, 0)
    assert city.userinfo(bought["access_token"]).status == 401
    assert city.refresh(registered, bought["refresh_token"]).error == "invalid_grant"
    assert [row.outcome for row in city.rows("audit_events") if row.event == "client:token:replay"] == ["refused"]


def test_a_replay_reaches_what_was_refreshed_since(city, clock):
    """A replay of the code also revokes tokens from later refreshes of a public client."""
    registered = city.register_client(method="none")
    code = city.issue_code(registered, ("openid", "offline_access"))
    first = city.exchange(registered, code).json
    second = city.refresh(registered, first["refresh_token"]).json
    clock.advance(seconds=5)
    city.exchange(registered, code)
    assert city.count_active_tokens() == (0, 0)
    assert city.userinfo(second["access_token"]).status == 401
    assert city.refresh(registered, second["refresh_token"]).error == "invalid_grant"


def test_a_replay_is_one_while_the_client_has_no_scope(city):
    """A replay revokes also while the client has no scope; getting the scopes back does not undo it."""
    registered = city.register_client()
    code = city.issue_code(registered, ("openid", "offline_access"))
    bought = city.exchange(registered, code).json
    city.change_client(registered, scopes=("email",))
    assert city.exchange(registered, code).error == "invalid_scope"
    city.change_client(registered, scopes=registered.client.scopes)
    assert city.userinfo(bought["access_token"]).status == 401


def test_a_replay_by_another_client_takes_back_too(city):
    """A replay by another client proves that the code leaked, so it revokes too."""
    owner, thief = city.register_client("fund"), city.register_client("thief")
    code = city.issue_code(owner)
    city.exchange(owner, code)
    assert city.exchange(thief, code).error == "invalid_grant"
    assert city.count_active_tokens() == (0, 0)


@pytest.mark.parametrize("status", ["disabled", "deceased", "merged", "closed"])
def test_the_gate_is_asked_of_the_person(city, status):
    """A code of a person who is no longer active is refused."""
    registered = city.register_client()
    code = city.issue_code(registered)
    city.set_person_status(status)
    assert city.exchange(registered, code).error == "invalid_grant"
    assert city.count_active_tokens() == (0, 0)


def test_the_gate_is_asked_of_the_grant(city):
    """A grant withdrawn between approval and redemption stops the redemption."""
    registered = city.register_client()
    code = city.issue_code(registered)
    city.withdraw_grants()
    assert city.exchange(registered, code).error == "invalid_grant"


def test_a_disabled_client_gets_nothing(city):
    """A client that was disabled after the approval cannot authenticate any more."""
    registered = city.register_client()
    code = city.issue_code(registered)
    city.disable_client(registered)
    answer = city.exchange(registered, code)
    assert (answer.status, answer.error) == (401, "invalid_client")


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_an_id_token_is_what_the_specification_says(city, clock, alg):
    """Authlib and joserfc, independent of our code, accept signature, claims, nonce and at_hash."""
    registered = city.register_client(id_token_signed_response_alg=alg)
    bought = city.issue_tokens(registered, ("openid", "profile"))
    read = verified(city, bought["id_token"], alg)
    params = {"nonce": "n-1", "client_id": "fund", "access_token": bought["access_token"], "max_age": 60}
    options = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": "fund"}}
    CodeIDToken(read.claims, read.header, options, params).validate(now=seconds(clock()))
    assert read.claims["at_hash"]
    assert read.header["typ"] == "JWT"
    assert set(read.claims) == {
        "iss", "sub", "aud", "iat", "exp", "auth_time", "acr", "amr", "sid", "nonce", "at_hash",
    }  # fmt: skip
    assert read.claims["auth_time"] == seconds(clock()) - 30
    assert read.claims["acr"] == "urn:yitong:ial2:aal1"
    assert read.claims["amr"] == ["pwd"]


def test_an_access_token_is_an_rfc_9068_token(city):
    """`at+jwt`, ES256, our issuer as audience, its own jti, ten minutes."""
    registered = city.register_client()
    one, two = (verified(city, city.issue_tokens(registered)["access_token"], "ES256") for _ in range(2))
    assert one.header["typ"] == "at+jwt"
    assert one.claims["iss"] == one.claims["aud"] == ISSUER
    assert one.claims["client_id"] == "fund"
    assert one.claims["exp"] - one.claims["iat"] == 600
    assert one.claims["jti"] != two.claims["jti"]
    assert one.claims["sub"] == two.claims["sub"]


def test_the_subject_is_the_same_in_both_tokens_and_none_of_the_persons_numbers(city):
    """`sub` is random for each sector: the same in both tokens, another one in another sector."""
    fund, clinic = city.register_client("fund"), city.register_client("clinic")
    here, there = city.issue_tokens(fund), city.issue_tokens(clinic)
    subs = [payload(tokens[kind])["sub"] for tokens in (here, there) for kind in ("access_token", "id_token")]
    assert subs[0] == subs[1] != subs[2] == subs[3]
    assert city.person.id not in subs


def test_no_token_tells_who_the_person_is(city):
    """With every scope granted, no token holds name, number, phone, e-mail, address, birth date or our own key."""
    registered = city.register_client()
    bought = city.issue_tokens(registered, tuple(s for s in SCOPES if s != "reports.read"))
    for kind in ("access_token", "id_token"):
        text = json.dumps(payload(bought[kind]), ensure_ascii=False)
        for fact in (NAME, ID_NUMBER, PHONE, PHONE[3:], EMAIL, ADDRESS, BORN.isoformat(), city.person.id):
            assert fact not in text


def test_a_claim_asked_by_name_is_in_the_id_token_and_only_that(city):
    """`claims.id_token` adds exactly the named claims that the client may have to the ID token."""
    registered = city.register_client()
    asked = {"id_token": {"gender": None, "identity_number": None}}
    read = payload(city.issue_tokens(registered, ("openid", "profile", "identity_number"), claims=asked)["id_token"])
    assert read["gender"] == "female"
    assert not {"identity_number", "name", "birthdate"} & set(read)


def test_the_ledger_knows_what_was_released(city, clock):
    """Each redemption writes one row: client, person, claims, purpose and basis, but no value."""
    registered = city.register_client()
    code = city.issue_code(registered, ("openid", "age", "phone"))
    city.exchange(registered, code)
    (row,) = city.rows("releases")
    (request,) = city.rows("authorization_requests")
    assert (row.at, row.person_id, row.client_id) == (clock(), city.person.id, "fund")
    assert (row.request_id, row.grant_id) == (request.id, request.grant_id)
    assert row.claims == ["age_over_18", "phone_number", "phone_number_verified"]
    assert (row.purpose, row.legal_basis) == (registered.client.purpose, "consent")


def test_a_ceiling_lowered_since_the_yes_holds_for_the_code(city):
    """Tokens and ledger hold what the client may have now; if that is nothing, the code is refused."""
    registered = city.register_client()
    wish = {"id_token": {"name": None, "email": None}}
    codes = [city.issue_code(registered, ("openid", "profile", "email"), claims=wish) for _ in range(2)]
    city.change_client(registered, scopes=("openid", "profile"), claims_ceiling=("name", "email"))
    bought = city.exchange(registered, codes[0]).json
    assert bought["scope"] == payload(bought["access_token"])["scope"] == "openid profile"
    told = payload(bought["id_token"])
    assert ("name" in told, "email" in told) == (True, False)
    assert [row.claims for row in city.rows("releases")] == [["name"]]
    assert set(city.userinfo(bought["access_token"]).json) == {"sub", "name"}
    city.change_client(registered, scopes=("reports.read",))
    assert city.exchange(registered, codes[1]).error == "invalid_scope"


def test_tokens_stand_in_the_database_as_digests(city):
    """No column of any token table holds the code, the access token or the refresh token itself."""
    registered = city.register_client()
    code = city.issue_code(registered, ("openid", "offline_access"))
    bought = city.exchange(registered, code).json
    everything = str([city.rows(table) for table in ("access_tokens", "refresh_tokens", "authorization_requests")])
    for secret in (code, bought["access_token"], bought["refresh_token"], registered.secret):
        assert secret not in everything


def test_a_client_whose_secret_was_changed_still_redeems(city):
    """Two secrets are valid while a relying system changes over; a second rotation ends the first secret."""
    registered = city.register_client()
    with city.database.transaction() as c:
        fresh = registry.rotate_secret(c, registered.client, now=city.clock())
    city.expire_caches()
    renewed = type(registered)(registered.client, fresh)
    assert city.exchange(registered, city.issue_code(registered)).status == 200
    assert city.exchange(renewed, city.issue_code(registered)).status == 200


def test_of_two_who_change_a_secret_at_once_the_second_is_told(city):
    """Of two simultaneous rotations the second is refused, so no secret is given out that is already invalid."""
    registered = city.register_client()
    with city.database.transaction() as c:
        fresh = registry.rotate_secret(c, registered.client, now=city.clock())
    with pytest.raises(Conflict), city.database.transaction() as c:
        registry.rotate_secret(c, registered.client, now=city.clock())
    city.expire_caches()
    assert city.exchange(type(registered)(registered.client, fresh), city.issue_code(registered)).status == 200


def test_an_old_secret_ends_when_it_is_told_to(city):
    """After the old secret is ended, it no longer authenticates."""
    registered = city.register_client()
    with city.database.transaction() as c:
        fresh = registry.rotate_secret(c, registered.client, now=city.clock())
        registry.end_old_secret(c, registered.client, now=city.clock())
    city.expire_caches()
    assert city.exchange(registered, city.issue_code(registered)).error == "invalid_client"
    assert city.exchange(type(registered)(registered.client, fresh), city.issue_code(registered)).status == 200
