"""The provider's metadata, and how a relying system registers itself."""

import json
from typing import Any

import pytest
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwk

from idp.oidc.clients.registry import ClientCache
from idp.oidc.endpoints import registration
from idp.oidc.grants import GRANTS
from idp.oidc.messages import Request
from idp.oidc.tokens import token_store
from idp.oidc.tokens.keys import encoded
from idp.oidc.tokens.secret import digest, new_secret
from tests.fixtures.city import City, RegisteredClient
from tests.fixtures.messages import CALLBACK, ISSUER


def document(city: City) -> dict:
    status, found = city.handle(Request("GET", "/.well-known/openid-configuration")).pair
    assert status == 200
    return found


def invitation(city: City, uses: int = 1, **policy) -> str:
    token = new_secret("yt_ia_")
    with city.database.transaction() as c:
        c.execute(
            token_store.INSERT_INITIAL_ACCESS,
            digest=digest(token),
            policy=policy,
            created_at=city.clock(),
            expires_at=city.clock.now.replace(year=2027),
            uses_left=uses,
        )
    return token


def register(city: City, token: str | None, body: object) -> tuple[int, dict]:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return city.handle(Request("POST", "/register", "", headers, raw)).pair


def test_metadata_is_valid(city):
    """An independent library accepts the metadata, and both well-known paths return the same."""
    found = document(city)
    OpenIDProviderMetadata(found).validate()
    assert city.handle(Request("GET", "/.well-known/oauth-authorization-server")).json == found
    assert found["issuer"] == ISSUER


def test_metadata_says_what_certification_asks(city):
    """The metadata has the members that the certification profiles require."""
    found = document(city)
    assert found["response_types_supported"] == ["code"]
    assert found["subject_types_supported"] == ["pairwise"]
    assert "RS256" in found["id_token_signing_alg_values_supported"]
    assert "openid" in found["scopes_supported"]
    assert {"sub", "name", "acr", "auth_time"} <= set(found["claims_supported"])
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["response_modes_supported"] == ["query", "form_post"]
    assert found["ui_locales_supported"] == ["zh-CN", "en"]
    assert found["grant_types_supported"] == [grant.grant_type for grant in GRANTS]
    for yes in (
        "claims_parameter_supported",
        "authorization_response_iss_parameter_supported",
        "backchannel_logout_supported",
        "backchannel_logout_session_supported",
    ):
        assert found[yes] is True
    for no in ("request_parameter_supported", "request_uri_parameter_supported"):
        assert found[no] is False
    for name in ("authorization", "token", "userinfo", "end_session", "registration", "introspection", "revocation"):
        assert found[f"{name}_endpoint"].startswith(ISSUER + "/")
    assert found["jwks_uri"].startswith(ISSUER + "/")


def test_machine_paths_exist(city):
    """Each machine endpoint that the metadata names is served."""
    found = document(city)
    browser = {"authorization_endpoint", "end_session_endpoint"}
    named = {key: url for key, url in found.items() if key.endswith("_endpoint") or key == "jwks_uri"}
    served = {ISSUER + path for path in city.router.endpoints}
    assert {url for key, url in named.items() if key not in browser} <= served


def test_registration_with_the_defaults(city):
    """A registration with only its URI gets the specification's defaults and our safe ones."""
    status, told = register(city, invitation(city), {"redirect_uris": [CALLBACK], "client_name": "图书馆"})
    assert status == 201, told
    assert told["token_endpoint_auth_method"] == "client_secret_basic"
    assert told["id_token_signed_response_alg"] == "RS256"
    assert told["grant_types"] == ["authorization_code"]
    assert told["require_pkce"] is True
    assert (told["client_secret"][:6], told["client_secret_expires_at"]) == ("yt_cs_", 0)
    client = city.provider.clients.get(told["client_id"])
    assert (client.legal_basis, client.division, client.sector) == ("consent", "510500", client.client_id)


def test_answer_holds_no_digest(city):
    """No response holds a digest; a later read holds no secret but the token that was shown (RFC 7592 §3)."""
    status, told = register(city, invitation(city), {"redirect_uris": [CALLBACK]})
    assert status == 201
    assert not [name for name in told if "digest" in name]

    def read(token: str, client_id: str = told["client_id"]):
        request = Request("GET", "/register", f"client_id={client_id}", {"authorization": f"Bearer {token}"})
        return registration.handle(city.provider, request, city.clock())

    answer = json.loads(read(told["registration_access_token"]).body)
    assert answer["redirect_uris"] == [CALLBACK]
    assert "client_secret" not in answer
    assert answer["registration_access_token"] == told["registration_access_token"]
    for token, client_id in (("yt_ra_wrong", told["client_id"]), (told["registration_access_token"], "nobody")):
        with pytest.raises(registration.InvalidToken):
            read(token, client_id)


def at_registration(city: City, method: str, told: dict, token: str | None = None) -> tuple[int, dict]:
    """A request to the registration's own address, as the client got it."""
    path, _, query = told["registration_client_uri"].removeprefix(ISSUER).partition("?")
    bearer = {"authorization": f"Bearer {token or told['registration_access_token']}"}
    return city.handle(Request(method, path, query, bearer)).pair


def test_removal_ends_the_client(city):
    """After DELETE neither the client's secret nor its registration token is valid."""
    status, told = register(city, invitation(city), {"redirect_uris": [CALLBACK]})
    assert status == 201
    client = city.provider.clients.get(told["client_id"])
    city.clients[told["client_id"]] = RegisteredClient(client, told["client_secret"])
    assert at_registration(city, "DELETE", told, token="yt_ra_made_up")[0] == 401
    assert at_registration(city, "GET", told)[0] == 200
    assert at_registration(city, "DELETE", told) == (204, {})
    city.provider.clients = ClientCache(city.database)  # another process, or this one a second later
    assert [at_registration(city, method, told)[0] for method in ("GET", "DELETE")] == [401, 401]
    assert city.redeem("yt_co_whatever", told["client_id"]).status == 401


def test_policy_is_the_ceiling(city):
    """The initial access token's policy decides scopes, PKCE, basis and division; anything more is left out."""
    token = invitation(
        city, scopes=["openid", "email"], require_pkce=False, legal_basis="statutory_duty", division="510502"
    )
    status, told = register(
        city, token, {"redirect_uris": [CALLBACK], "scope": "openid email identity_number", "require_pkce": True}
    )
    assert (status, told["scope"], told["require_pkce"]) == (201, "openid email", False)
    client = city.provider.clients.get(told["client_id"])
    assert (client.legal_basis, client.division) == ("statutory_duty", "510502")
    assert client.claims_ceiling == ("email", "email_verified")


def test_initial_token_is_counted(city):
    """A token registers a fixed number of clients and then ends; a refused registration does not count."""
    token = invitation(city, uses=2)
    good = {"redirect_uris": [CALLBACK]}
    assert register(city, token, {"redirect_uris": ["http://evil.example/"]})[0] == 400
    assert [register(city, token, good)[0] for _ in range(3)] == [201, 201, 401]
    assert register(city, None, good)[0] == 401
    assert register(city, "yt_ia_made_up", good)[0] == 401
    late = invitation(city)
    city.clock.advance(days=800)
    assert register(city, late, good)[0] == 401


def rsa_key(bits: int, exponent_bits: int = 17) -> dict[str, str]:
    """A public key of that size. Its private half is unknown and not needed."""
    n, e = ((1 << (size - 1)) + 1 for size in (bits, exponent_bits))
    return {"kty": "RSA", "n": in_base64(n), "e": in_base64(e)}


def in_base64(number: int) -> str:
    return encoded(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()


def ec_key(curve: str) -> dict[str, Any]:
    return jwk.ECKey.generate_key(curve).as_dict(private=False)


@pytest.mark.parametrize("key", [rsa_key(2048), ec_key("P-256")])
def test_keys_that_can_be_used_are_registered(city, key):
    """A client that signs its assertions registers its keys inline, and no secret is made for it."""
    body = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key]}}
    status, told = register(city, invitation(city), body)
    assert (status, "client_secret" in told) == (201, False)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"{", "invalid_client_metadata"),
        (b"[]", "invalid_client_metadata"),
        (b"\xff", "invalid_client_metadata"),
        ({}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://a.example"}, "invalid_client_metadata"),
        ({"redirect_uris": [1]}, "invalid_client_metadata"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["JAVASCRIPT://x/%0aalert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://fund.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://localhost/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://fund.example/cb#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a@fund.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://fund.example/../cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [CALLBACK], "subject_type": "public"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "id_token_signed_response_alg": ["RS256"]}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "grant_types": ["password"]}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "response_types": ["token"]}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "tls"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "jwks": {"keys": [{"kty": "oct", "k": "AA"}]}}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "jwks": {"keys": [{"kty": "EC", "d": "AA"}]}}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "jwks": {"keys": [{"kty": "EC"}]}}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "jwks": {"keys": [{"kty": "RSA", "n": 7, "e": []}]}}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "jwks": {"keys": [rsa_key(2048) | {"n": "é"}]}}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "jwks": {"keys": [rsa_key(1024)]}}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "jwks": {"keys": [rsa_key(9000)]}}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "jwks": {"keys": [rsa_key(2048, 200)]}}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "jwks": {"keys": [ec_key("P-384")]}}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "contacts": ["a\x00b"]}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "client_name": "　"}, "invalid_client_metadata"),
        ({"redirect_uris": ["https://*.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [CALLBACK], "jwks": 7}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "client_name": 7}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "client_name": "a\u202eb"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "client_uri": "javascript:1"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "backchannel_logout_uri": "http://10.0.0.1/"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "backchannel_logout_session_required": "yes"}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "scope": ["openid"]}, "invalid_client_metadata"),
        ({"redirect_uris": [CALLBACK], "scope": "identity_number"}, "invalid_client_metadata"),
    ],
)
def test_unsafe_metadata_is_refused(city, body, error):
    """Unsafe metadata gets the specification's error with a cure in plain ASCII; the token keeps its use."""
    token = invitation(city)
    status, told = register(city, token, body)
    assert (status, told["error"]) == (400, error)
    assert told["error_description"].isascii()
    assert register(city, token, {"redirect_uris": [CALLBACK]})[0] == 201
