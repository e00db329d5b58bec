"""Each member of IANA's registry of client metadata has one kind, and each kind has one rule."""

import json

import pytest
import sqlalchemy as sa
from authlib.oauth2.rfc7591 import ClientMetadataClaims
from joserfc import jwk

from accounts import audit
from accounts.database import Statement
from idp.oidc.clients import client_metadata, registry
from idp.oidc.errors import InvalidClientMetadata
from idp.oidc.grants import GRANTS
from idp.oidc.messages import Request
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest, new_secret
from tests.fixtures.city import PLAIN_SCOPES, City
from tests.fixtures.messages import CALLBACK, basic

KEY = {"keys": [jwk.ECKey.generate_key("P-256").as_dict(private=False)]}
ELSEWHERE = "https://fund.example/x"
# What the response lists is in force.
REGISTERED = {
    "redirect_uris": [CALLBACK, "https://fund.example/second"],
    "token_endpoint_auth_method": "client_secret_post",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "client_name": "借阅服务",
    "client_name#en": "Lending",
    "client_uri": "https://fund.example/",
    "logo_uri": "https://fund.example/logo.png",
    "scope": "openid profile",
    "contacts": ["it@fund.example"],
    "tos_uri": "https://fund.example/terms",
    "policy_uri": "https://fund.example/privacy",
    "jwks": KEY,
    "software_id": "4NRB1-0XZABZI9E6-5SM3R",
    "software_version": "2.1",
    "application_type": "web",
    "subject_type": "pairwise",
    "id_token_signed_response_alg": "ES256",
    "backchannel_logout_uri": "https://fund.example/logout",
    "backchannel_logout_session_required": True,
    "post_logout_redirect_uris": ["https://fund.example/bye"],
}
ASSIGNED = {
    "client_id": "fund",
    "client_secret": "chosen by a stranger",
    "client_id_issued_at": 1,
    "client_secret_expires_at": 1,
    "registration_access_token": "yt_ra_x",
    "registration_client_uri": ELSEWHERE,
}
# What no response has: the client sees there that it is not in force. Wrong values are treated alike.
LEFT_OUT = {
    "jwks_uri": "http://169.254.169.254/",
    "sector_identifier_uri": ELSEWHERE,
    "id_token_encrypted_response_alg": "RSA-OAEP-256",
    "id_token_encrypted_response_enc": "A256GCM",
    "userinfo_signed_response_alg": "RS256",
    "userinfo_encrypted_response_alg": "RSA-OAEP-256",
    "userinfo_encrypted_response_enc": "A256GCM",
    "request_object_signing_alg": "none",
    "request_object_encryption_alg": "RSA-OAEP-256",
    "request_object_encryption_enc": "A256GCM",
    "token_endpoint_auth_signing_alg": "ES256",
    "default_max_age": 3600,
    "require_auth_time": True,
    "default_acr_values": ["urn:yitong:ial2:aal1"],
    "initiate_login_uri": "http://fund.example/login",
    "request_uris": ["https://fund.example/request.jwt"],
    "claims_redirect_uris": [ELSEWHERE],
    "nfv_token_signed_response_alg": "ES256",
    "nfv_token_encrypted_response_alg": "ECDH-ES",
    "nfv_token_encrypted_response_enc": "A256GCM",
    "tls_client_certificate_bound_access_tokens": True,
    "tls_client_auth_subject_dn": "CN=fund",
    "tls_client_auth_san_dns": "fund.example",
    "tls_client_auth_san_uri": ELSEWHERE,
    "tls_client_auth_san_ip": "192.0.2.1",
    "tls_client_auth_san_email": "it@fund.example",
    "require_signed_request_object": True,
    "require_pushed_authorization_requests": True,
    "introspection_signed_response_alg": "ES256",
    "introspection_encrypted_response_alg": "ECDH-ES",
    "introspection_encrypted_response_enc": "A256GCM",
    "frontchannel_logout_uri": ELSEWHERE,
    "frontchannel_logout_session_required": True,
    "authorization_signed_response_alg": "ES256",
    "authorization_encrypted_response_alg": "ECDH-ES",
    "authorization_encrypted_response_enc": "A256GCM",
    "authorization_details_types": ["payment"],
    "dpop_bound_access_tokens": True,
    "use_mtls_endpoint_aliases": True,
    "backchannel_token_delivery_mode": "ping",
    "backchannel_client_notification_endpoint": ELSEWHERE,
    "backchannel_authentication_request_signing_alg": "ES256",
    "backchannel_user_code_parameter": True,
    "software_statement": "e30.e30.",
    "client_registration_types": ["automatic"],
    "signed_jwks_uri": ELSEWHERE,
    "organization_name": "Fund",
    "display_name": "Fund",
    "description": "Fund",
    "keywords": ["fund"],
    "information_uri": ELSEWHERE,
    "organization_uri": ELSEWHERE,
}
UNKNOWN = {"x_colour": "red", "assertion_audience": "token_endpoint", "resource_server": True, "sector": "health"}
INVALID = {
    "redirect_uris": "https://fund.example/callback",
    "token_endpoint_auth_method": "client_secret_jwt",
    "grant_types": ["implicit"],
    "response_types": ["token"],
    "client_name": "a\u202eb",
    "client_name#en": 7,
    "client_uri": "javascript:alert(1)",
    "logo_uri": "http://fund.example/logo.png",
    "scope": ["openid"],
    "contacts": "it@fund.example",
    "tos_uri": "ftp://fund.example/",
    "policy_uri": {},
    "jwks": {"keys": []},
    "software_id": ["x"],
    "software_version": 2.1,
    "application_type": "mobile",
    "subject_type": "public",
    "id_token_signed_response_alg": "none",
    "backchannel_logout_uri": "http://fund.example/logout",
    "backchannel_logout_session_required": "true",
    "post_logout_redirect_uris": ["http://fund.example/bye"],
}


@pytest.fixture
def city(database, vault, clock) -> City:
    return City(database, vault, clock)


def invitation(city: City, **policy) -> str:
    token = new_secret("yt_ia_")
    with city.database.transaction() as c:
        row = {"digest": digest(token), "policy": policy, "created_at": city.clock(), "uses_left": 1000}
        c.execute(token_store.INSERT_INITIAL_ACCESS, **row, expires_at=city.clock.now.replace(year=2027))
    return token


def register(city: City, token: str, **members: object) -> tuple[int, dict]:
    body = json.dumps({"redirect_uris": [CALLBACK]} | members).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    return city.handle(Request("POST", "/register", "", headers, body)).pair


def test_every_member_is_of_one_kind():
    """No member of the registry is missing, and none has two kinds."""
    supported = [member.name for member in client_metadata.MEMBERS if member.registrable]
    assert sorted(supported) == sorted(REGISTERED) == sorted(INVALID)
    assert sorted(client_metadata.UNSUPPORTED) == sorted(LEFT_OUT)
    assert sorted(client_metadata.ASSIGNED) == sorted(ASSIGNED)
    assert len({*REGISTERED, *LEFT_OUT, *ASSIGNED}) == len(REGISTERED) + len(LEFT_OUT) + len(ASSIGNED)


def test_what_is_registered_is_in_the_answer_and_in_the_reading(city):
    """RFC 7591 §3.2.1: the response has every value as it was sent; an independent library finds it well-formed."""
    status, told = register(city, invitation(city), **REGISTERED)
    assert status == 201, told
    assert {name: told[name] for name in REGISTERED} == REGISTERED
    ClientMetadataClaims(dict(told), {}, {}, {}).validate()
    bearer = {"authorization": f"Bearer {told['registration_access_token']}"}
    read = city.handle(Request("GET", "/register", f"client_id={told['client_id']}", bearer)).json
    assert {name: read[name] for name in REGISTERED} == REGISTERED


@pytest.mark.parametrize("members", [LEFT_OUT, UNKNOWN])
def test_what_we_do_not_support_is_left_out_of_the_answer(city, members):
    """An unsupported member does not refuse a client, and the response does not promise it."""
    token = invitation(city)
    for name, value in members.items():
        status, told = register(city, token, **{name: value})
        assert (name, status, name in told) == (name, 201, False)
        assert city.provider.clients.get(told["client_id"]).metadata == {}


def test_what_was_left_out_is_on_record(city):
    """The audit has the names of ignored members, but not names that only the client knows."""
    assert register(city, invitation(city), jwks_uri="https://fund.example/jwks", x_colour="red")[0] == 201
    created = Statement(
        sa.select(audit.audit_events).where(audit.audit_events.c.event == "administrator:client:create")
    )
    event = city.database.connection().one(created)
    assert "jwks_uri" in str(event.detail)
    assert "colour" not in str(event.detail)


def test_what_is_ours_to_say_is_not_listened_to(city):
    """A client cannot choose its id or secret."""
    token = invitation(city)
    for name, value in ASSIGNED.items():
        status, told = register(city, token, **{name: value})
        assert (name, status, told[name] == value) == (name, 201, False)


def test_null_and_nothing_are_as_if_it_was_not_sent(city):
    """Null and empty values count as not sent, for all members, also unsupported or unknown ones."""
    token = invitation(city)
    usual = register(city, token)[1]
    for name in {**REGISTERED, **LEFT_OUT, **UNKNOWN, **ASSIGNED}.keys() - {"redirect_uris"}:
        for empty in (None, "", []):
            status, told = register(city, token, **{name: empty})
            assert (name, status) == (name, 201), told
            assert told.keys() == usual.keys()


def test_a_wrong_value_is_refused_with_the_name_of_the_member(city):
    """Supported members follow their rule; only redirect URIs have their own error code."""
    token = invitation(city)
    for name, value in INVALID.items():
        status, told = register(city, token, **{name: value})
        error = "invalid_redirect_uri" if name == "post_logout_redirect_uris" else "invalid_client_metadata"
        assert (name, status, told.get("error")) == (name, 400, error)
        assert name in told["error_description"]


# Grants and scopes --------------------------------------------------------------------------------------------------
def test_the_invitation_names_the_grants(city):
    """Only a client whose invitation names client_credentials may register for it."""
    usual, machine = invitation(city), invitation(city, grant_types=["client_credentials"], scopes=["reports.read"])
    status, told = register(city, usual, grant_types=["client_credentials"])
    assert (status, told["error"]) == (400, "invalid_client_metadata")
    assert "client_credentials" in told["error_description"]
    assert register(city, usual, grant_types=["authorization_code", "refresh_token"])[0] == 201
    assert register(city, machine, grant_types=["authorization_code"])[0] == 400
    status, told = register(city, machine, redirect_uris=[])
    assert (status, told["grant_types"], told["scope"]) == (201, ["client_credentials"], "reports.read")
    assert (told["redirect_uris"], told["response_types"]) == ([], [])  # silence would mean `code` (RFC 7591 §2)


def test_a_system_that_registered_itself_gets_a_token_with_its_own_scope(city):
    """From the invitation to the token: a scope about no person is granted."""
    token = invitation(city, grant_types=["client_credentials"], scopes=["openid", "reports.read"])
    told = register(city, token, redirect_uris=None, scope="reports.read")[1]
    authorization = basic(told["client_id"], told["client_secret"])
    form = {"grant_type": "client_credentials", "scope": "reports.read"}
    answer = city.post("/token", form, authorization=authorization)
    assert (answer.status, answer.json["scope"]) == (200, "reports.read")


def test_scopes_of_its_own_are_for_who_acts_for_itself(city):
    """Without such a grant no token would hold the scope: registration cuts it, a later change is refused."""
    told = register(city, invitation(city, scopes=["openid", "reports.read"]))[1]
    assert told["scope"] == "openid"
    with pytest.raises(InvalidClientMetadata, match=r"reports\.read .* add client_credentials"):
        city.register_client(scopes=("openid", "reports.read"), grant_types=("authorization_code",))
    city.register_client(scopes=("openid", "reports.read"), grant_types=("authorization_code", "client_credentials"))


def test_response_types_follow_the_grants(city):
    """RFC 7591 §2.1: the two may not contradict each other, at registration or after a change."""
    machine = invitation(city, grant_types=["client_credentials"], scopes=["reports.read"])
    assert register(city, machine, response_types=["code"])[0] == 400
    client = city.register_client(scopes=PLAIN_SCOPES, grant_types=("client_credentials",)).client
    assert client.response_types == ()
    with city.database.transaction() as c:
        registry.change(c, client, now=city.clock.advance(seconds=1), grant_types=("authorization_code",))
        assert registry.read(c, "fund").response_types == ("code",)


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.grant_type)
def test_each_grant_says_whether_a_public_client_may_have_it(city, grant):
    """The row of each grant says so, and registration follows it."""

    def registers() -> object:
        return city.register_client(token_endpoint_auth_method="none", grant_types=(grant.grant_type,))

    if grant.for_public:
        assert registers()
    else:
        with pytest.raises(InvalidClientMetadata, match="authenticates"):
            registers()
