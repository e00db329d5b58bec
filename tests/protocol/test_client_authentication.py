"""Client authentication: each client by its registered method, by no other, and by one method at a time."""

import base64
import hashlib
import hmac
import json

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jwk

from accounts.database import Json, Statement
from idp.oidc.models import clients
from tests.fixtures.city import METHODS
from tests.fixtures.messages import ISSUER, VERIFIER, basic

GRANT = {"grant_type": "client_credentials"}
PUBLIC_GRANT = {"grant_type": "authorization_code", "code": "yt_ac_x", "code_verifier": VERIFIER}


def asks(city, *presented, **more):
    """A token request with all of these proofs."""
    form = dict(GRANT)
    headers = {}
    for proof in presented:
        form |= proof.form
        headers |= proof.headers
    return city.post("/token", form | more, **headers)


@pytest.fixture
def keyed(city):
    return city.register_client("keyed", "private_key_jwt")


def tries(city, registered, assertion, **more):
    proof = city.client_proof(registered, "private_key_jwt")
    proof.form["client_assertion"] = assertion
    return asks(city, proof, **more)


@pytest.mark.parametrize("presented", METHODS)
@pytest.mark.parametrize("registered", METHODS)
def test_only_the_diagonal_passes(city, registered, presented):
    """Only the registered method authenticates; every other one is refused, also with the right secret."""
    client = city.register_client(method=registered)
    proof = city.client_proof(client, presented)
    answer = city.post("/token", PUBLIC_GRANT | proof.form, **proof.headers)
    if registered == presented:
        assert answer.error == "invalid_grant"  # past authentication, to the code
    else:
        assert (answer.status, answer.error) == (401, "invalid_client")
        assert answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
@pytest.mark.parametrize(
    "both", [("client_secret_basic", "client_secret_post"), ("client_secret_basic", "private_key_jwt"),
             ("client_secret_post", "private_key_jwt")]
)  # fmt: skip
def test_two_methods_at_once_are_refused(city, both, path):
    """RFC 6749 §2.3: one method in a request, even when each alone would pass."""
    for registered in both:
        client = city.register_client(f"c-{registered}", registered)
        proofs = [city.client_proof(client, method) for method in both]
        form = GRANT | {"token": "x"} | proofs[0].form | proofs[1].form
        answer = city.post(path, form, **(proofs[0].headers | proofs[1].headers))
        assert (answer.status, answer.error) == (400, "invalid_request")


def test_an_authorization_header_is_not_overruled_by_a_name(city):
    """Basic with the same client_id in the form passes; with another one it is refused."""
    client, other = city.register_client("fund"), city.register_client("other")
    assert asks(city, city.client_proof(client), client_id="fund").status == 200
    assert asks(city, city.client_proof(client), client_id=other.client_id).error == "invalid_client"


def test_an_assertion_is_not_overruled_by_a_name(city, keyed):
    """RFC 7521 §4.2: a client_id beside the assertion must be the client's own."""
    city.register_client("other")
    assert tries(city, keyed, city.client_assertion(keyed), client_id="keyed").status == 200
    assert tries(city, keyed, city.client_assertion(keyed), client_id="other").error == "invalid_client"


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic " + base64.b64encode(b"fund").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(b"%ff:x").decode(),
        "Basic " + base64.b64encode(b"%00:x").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"fund:").decode(),
        "Basic " + base64.b64encode(b"fund:" + b"x" * 60000).decode(),
        "Basic " + base64.b64encode("基金:密码".encode()).decode(),
        "Basic é",
        "Digest x",
        "Bearer x",
        "",
    ],
)
def test_a_broken_header_is_an_invalid_client(city, header):
    """No header causes a server error."""
    city.register_client()
    answer = city.post("/token", GRANT, authorization=header)
    assert (answer.status, answer.error) == (401, "invalid_client")


@pytest.mark.parametrize("client_id", ["a+b", "50%", "%41", "x/y?z&w=", "https://rp.example".replace(":", "%3A")])
def test_id_and_secret_are_form_encoded(city, client_id):
    """RFC 6749 §2.3.1: reserved characters in a client_id arrive unchanged."""
    client = city.register_client(client_id)
    assert city.post("/token", GRANT, authorization=basic(client_id, client.secret)).status == 200


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("secret", ["wrong", "", "yt_cs_", "None", "nobody", "密码"])
def test_a_wrong_secret_and_an_unknown_client_look_alike(city, method, secret):
    """Status, error and description do not reveal which clients exist."""
    client = city.register_client(method=method)
    wrong = type(client)(client.client, secret)
    answers = []
    for client_id in ("fund", "nobody"):
        if method == "client_secret_basic":
            answers.append(city.post("/token", GRANT, authorization=basic(client_id, wrong.secret)))
        else:
            answers.append(city.post("/token", GRANT | {"client_id": client_id, "client_secret": secret or " "}))
    assert answers[0].json == answers[1].json
    assert {answer.status for answer in answers} == {401}


def test_a_client_without_a_secret_has_no_guessable_one(city):
    """Neither the empty string nor the stand-in digest's preimage authenticates a client without a secret."""
    for method in ("none", "private_key_jwt"):
        city.register_client(f"c-{method}", method)
        for secret in ("", "nobody", "None"):
            assert city.post("/token", GRANT, authorization=basic(f"c-{method}", secret)).error == "invalid_client"


def test_a_disabled_client_is_refused_by_every_method(city):
    """Each endpoint that authenticates clients refuses a disabled client's right proof."""
    for method in METHODS:
        client = city.register_client(f"c-{method}", method)
        city.disable_client(client)
        for path in ("/token", "/introspect", "/revoke"):
            answer = city.post_as(client, path, **PUBLIC_GRANT, token="x")
            assert (answer.status, answer.error) == (401, "invalid_client")


# private_key_jwt ----------------------------------------------------------------------------------------------------
def test_an_assertion_passes_once(city, keyed):
    """The same assertion sent again is refused: its jti is spent."""
    assertion = city.client_assertion(keyed)
    assert tries(city, keyed, assertion).status == 200
    for _ in range(3):
        assert tries(city, keyed, assertion).error == "invalid_client"


def test_a_jti_is_each_clients_own(city, keyed):
    """Two clients may choose the same jti; one client may not use it in two assertions."""
    other = city.register_client("other", "private_key_jwt")
    assert tries(city, keyed, city.client_assertion(keyed, jti="1")).status == 200
    assert tries(city, other, city.client_assertion(other, jti="1")).status == 200
    assert tries(city, keyed, city.client_assertion(keyed, jti="1")).error == "invalid_client"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ISSUER + "/token"},
        {"aud": ISSUER + "/"},
        {"aud": "https://other.example"},
        {"aud": [ISSUER, ISSUER + "/token"]},
        {"aud": [ISSUER, "https://other.example"]},
        {"aud": []},
        {"aud": ""},
        {"aud": {"x": ISSUER}},
        {"aud": None},
        {"iss": "other"},
        {"sub": "other"},
        {"sub": None},
        {"iss": None},
        {"iss": 7},
        {"jti": None},
        {"jti": 7},
        {"jti": {}},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 10**400},
        {"exp": -1},
        {"exp": 0},
        {"exp": [1]},
    ],
)
def test_a_claim_that_is_not_right_is_refused(city, keyed, changes):
    """aud is the issuer alone (CVE-2025-27370), iss and sub are the client, jti and exp are present."""
    answer = tries(city, keyed, city.client_assertion(keyed, **changes))
    assert (answer.status, answer.error) == (401, "invalid_client")


def test_the_issuer_in_a_list_of_one_passes(city, keyed):
    """RFC 7519 §4.1.3 allows one audience in an array."""
    assert tries(city, keyed, city.client_assertion(keyed, aud=[ISSUER])).status == 200


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
@pytest.mark.parametrize(
    ("audience", "strict", "lenient"),
    [
        (ISSUER, 200, 200),
        ([ISSUER], 200, 200),
        (ISSUER + "/token", 401, 200),
        ([ISSUER + "/token"], 401, 200),
        ([ISSUER, ISSUER + "/token"], 401, 200),
        ([ISSUER + "/token", "https://other.example"], 401, 401),
        ([ISSUER, ISSUER + "/token", "https://other.example"], 401, 401),
        (ISSUER + "/revoke", 401, 401),
        (ISSUER + "/token/", 401, 401),
        ("https://other.example/token", 401, 401),
        ([], 401, 401),
        (None, 401, 401),
    ],
)
def test_a_client_may_be_allowed_to_name_the_token_endpoint(city, keyed, path, audience, strict, lenient):
    """OpenID Connect Core §9: `aud` may be the token endpoint, only for clients that an operator names."""
    for setting, status in ((None, strict), ("issuer", strict), ("token_endpoint", lenient)):
        stored = {**keyed.client.metadata, **({} if setting is None else {"assertion_audience": setting})}
        city.change_client(keyed, metadata=stored)
        form = city.client_proof(keyed).form | {
            "client_assertion": city.client_assertion(keyed, aud=audience),
            "token": "x",
        }
        assert (setting, city.post(path, GRANT | form).status) == (setting, status)


@pytest.mark.parametrize(
    ("ahead", "status"),
    [(60, 200), (600, 200), (610, 200), (611, 401), (3600, 401), (0, 200), (-9, 200), (-10, 401), (-60, 401)],
)
def test_an_assertion_is_short_lived(city, clock, keyed, ahead, status):
    """It expires within ten minutes and is not yet expired, with ten seconds for clocks that differ."""
    expires = int(clock().timestamp()) + ahead
    assert tries(city, keyed, city.client_assertion(keyed, exp=expires)).status == status


def unsigned(header, claims):
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims))
    return ".".join([*parts, ""])


def hmac_signed(claims, key):
    data = unsigned({"alg": "HS256", "kid": "keyed-key"}, claims).removesuffix(".")
    tag = hmac.new(key, data.encode(), hashlib.sha256).digest()
    return f"{data}.{base64.urlsafe_b64encode(tag).rstrip(b'=').decode()}"


def test_the_token_chooses_neither_key_nor_algorithm(city, keyed, clock):
    """alg none, HMAC with the public key, an embedded key, another client's key and other tricks are refused."""
    mine = jwk.ECKey.generate_key("P-256")
    other = city.register_client("other", "private_key_jwt")
    stored = keyed.client.metadata["jwks"]["keys"][0]
    hmac_keys = [keyed.key.as_pem(private=False), json.dumps(stored).encode(), stored["x"].encode()]
    claims = {"iss": "keyed", "sub": "keyed", "aud": ISSUER, "exp": int(clock().timestamp()) + 60, "jti": "n"}
    public = mine.as_dict(private=False)
    assertions = {
        "another's key": city.client_assertion(keyed, key=other.key),
        "unknown key": city.client_assertion(keyed, key=mine),
        "embedded key": city.client_assertion(keyed, key=mine, header={"jwk": public}),
        "embedded key, no kid": city.client_assertion(keyed, key=mine, header={"jwk": public, "kid": None}),
        "jku": city.client_assertion(keyed, key=mine, header={"jku": "https://evil.example/jwks"}),
        "x5u": city.client_assertion(keyed, key=mine, header={"x5u": "https://evil.example/x5u"}),
        "kid path": city.client_assertion(keyed, key=mine, header={"kid": "../../dev/null"}),
        "kid sql": city.client_assertion(keyed, key=mine, header={"kid": "' OR 1=1"}),
        "none": unsigned({"alg": "none"}, claims),
        "None": unsigned({"alg": "None"}, claims),
        "NONE": unsigned({"alg": "NONE", "kid": "keyed-key"}, claims),
        "no alg": unsigned({"kid": "keyed-key"}, claims),
        "ES256 empty": unsigned({"alg": "ES256", "kid": "keyed-key"}, claims),
        "RS256 with EC key": unsigned({"alg": "RS256", "kid": "keyed-key"}, claims) + "AAAA",
        **{f"HS256 {n}": hmac_signed(claims, key) for n, key in enumerate(hmac_keys)},
    }
    for name, assertion in assertions.items():
        answer = tries(city, keyed, assertion)
        assert (answer.status, answer.error) == (401, "invalid_client"), name
    assert tries(city, keyed, city.client_assertion(keyed)).status == 200


@pytest.mark.parametrize(
    ("header", "statuses"),
    [
        ({"crit": ["exp"]}, {401}),
        ({"crit": ["https://evil.example/x"], "https://evil.example/x": 1}, {401}),
        ({"crit": []}, {401}),
        ({"crit": "b64"}, {401}),
        ({"crit": ["b64"], "b64": False}, {401}),
        ({"b64": False}, {401}),
        ({"zip": "DEF"}, {200, 401}),
        ({"typ": "client-authentication+jwt"}, {200}),
    ],
)
def test_an_extension_we_do_not_know_is_refused(city, keyed, clock, header, statuses):
    """`crit` (RFC 7515 §4.1.11) refuses readers that do not know it; a right signature does not help."""
    claims = {"iss": "keyed", "sub": "keyed", "aud": ISSUER, "exp": int(clock().timestamp()) + 60, "jti": "n"}
    signing_input = unsigned({"alg": "ES256", "kid": "keyed-key", **header}, claims).removesuffix(".")
    r, s = decode_dss_signature(keyed.key.private_key.sign(signing_input.encode(), ec.ECDSA(hashes.SHA256())))
    signature = base64.urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"=").decode()
    assert tries(city, keyed, f"{signing_input}.{signature}").status in statuses


@pytest.mark.parametrize(
    "assertion",
    [
        "x",
        "a.b.c",
        "..",
        "a.b.c.d.e",
        "验.证.书",
        "e30.e30.",
        "A" * 60000,
        "eyJhbGciOiJFUzI1NiJ9." + "A" * 20000 + ".AAAA",
        "eyJhbGciOiJFUzI1NiJ9.W10.AAAA",
        "eyJhbGciOiJFUzI1NiJ9.bnVsbA.AAAA",
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOlsiYSJdfQ.AAAA",
        base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=") + ".e30.AAAA",
        "eyJhbGciOiJFUzI1NiJ9." + base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=") + ".AAAA",
        "eyJhbGciOiJFUzI1NiJ9." + base64.urlsafe_b64encode(b'{"iss":"\\ud800"}').decode().rstrip("=") + ".AAAA",
        "eyJhbGciOiJFUzI1NiJ9." + base64.urlsafe_b64encode(b'{"iss":"\\u0000"}').decode().rstrip("=") + ".AAAA",
        "eyJhbGciOiJFUzI1NiJ9." + base64.urlsafe_b64encode(b'{"iss":' + b"9" * 5000 + b"}").decode().rstrip("=") + ".A",
    ],
)
def test_junk_is_an_invalid_client(city, keyed, assertion):
    """No value of the assertion causes a server error."""
    answer = tries(city, keyed, assertion)
    assert (answer.status, answer.error) == (401, "invalid_client")


@pytest.mark.parametrize("kind", [None, "", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "jwt-bearer"])
def test_the_assertion_type_is_told(city, keyed, kind):
    """Only the URN of RFC 7523 §2.2 is accepted."""
    proof = city.client_proof(keyed)
    del proof.form["client_assertion_type"]
    more = {} if kind is None else {"client_assertion_type": kind}
    assert asks(city, proof, **more).error == "invalid_client"


def test_a_type_without_an_assertion_is_refused(city, keyed):
    """A type without an assertion is no proof, and does not make the client public."""
    proof = city.client_proof(keyed)
    del proof.form["client_assertion"]
    assert asks(city, proof, client_id="keyed").error == "invalid_client"


def test_a_client_may_have_several_keys(city):
    """During a change of keys either key signs; kid names it (OpenID Connect Core §10.1), but one key needs no kid."""
    first, second = (jwk.ECKey.generate_key("P-256") for _ in range(2))
    named = [key.as_dict(private=False) | {"kid": name} for key, name in ((first, "first"), (second, "second"))]
    keyed = city.register_client("keyed", "private_key_jwt", metadata={"jwks": {"keys": named}})
    for name, key in (("first", first), ("second", second)):
        assert tries(city, keyed, city.client_assertion(keyed, key=key, header={"kid": name})).status == 200
    assert (
        tries(city, keyed, city.client_assertion(keyed, key=first, header={"kid": "second"})).error == "invalid_client"
    )
    alone = city.register_client("alone", "private_key_jwt", metadata={"jwks": {"keys": named[:1]}})
    assert tries(city, alone, city.client_assertion(alone, key=first, header={"kid": None})).status == 200


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_rsa_keys_sign_too(city, alg):
    """RS256 and PS256 are announced and accepted."""
    key = jwk.RSAKey.generate_key(2048)
    stored = key.as_dict(private=False) | {"kid": "rsa"}
    keyed = city.register_client("keyed", "private_key_jwt", metadata={"jwks": {"keys": [stored]}})
    assertion = city.client_assertion(keyed, key=key, header={"alg": alg, "kid": "rsa"})
    assert tries(city, keyed, assertion).status == 200


@pytest.mark.parametrize(
    "jwks", [None, {}, {"keys": []}, {"keys": None}, {"keys": [{"kty": "EC"}]}, {"keys": ["x"]}, []]
)
def test_a_client_without_a_readable_key_is_refused(city, jwks):
    """A row whose keys cannot be read authenticates nobody and causes no error."""
    keyed = city.register_client("keyed", "private_key_jwt")
    damage = Statement(sa.update(clients).values(metadata=sa.bindparam("to", type_=Json)))
    city.database.connection().execute(damage, to={"jwks": jwks})
    answer = tries(city, keyed, city.client_assertion(keyed))
    assert (answer.status, answer.error) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("ahead", "status"),
    [(-60, 200), (0, 200), (5, 200), (60, 401), (3600, 401)],
)
def test_an_assertion_from_the_future_is_refused(city, clock, keyed, ahead, status):
    """`nbf` is checked (RFC 7519 §4.1.5), with the same ten seconds for clocks that differ."""
    not_before = int(clock().timestamp()) + ahead
    assert tries(city, keyed, city.client_assertion(keyed, nbf=not_before)).status == status


def test_a_fraction_of_a_second_is_a_time(city, clock, keyed):
    """A NumericDate may have a fraction (RFC 7519 §2), as JavaScript clients send it."""
    assert tries(city, keyed, city.client_assertion(keyed, exp=clock().timestamp() + 60.5)).status == 200


@pytest.mark.parametrize("fraction", ["1e400", "NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_no_time_is_refused(city, keyed, clock, fraction):
    """Infinity and NaN, which Python's JSON reads, are not accepted as exp."""
    claims = {"iss": "keyed", "sub": "keyed", "aud": ISSUER, "exp": 0, "jti": "n"}
    text = json.dumps(claims).replace('"exp": 0', f'"exp": {fraction}')
    head = base64.urlsafe_b64encode(b'{"alg":"ES256","kid":"keyed-key"}').rstrip(b"=").decode()
    data = head + "." + base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    r, s = decode_dss_signature(keyed.key.private_key.sign(data.encode(), ec.ECDSA(hashes.SHA256())))
    signature = base64.urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"=").decode()
    assert tries(city, keyed, f"{data}.{signature}").error == "invalid_client"
