"""Each kind of token at each place that reads one: only the matching pairs pass (RFC 8725 §3.12)."""

from datetime import timedelta

import pytest

from idp.oidc.tokens import token_store
from idp.oidc.tokens.keys import NotSignedByUs
from idp.oidc.tokens.secret import digest, new_secret
from tests.fixtures.messages import basic

OFFLINE = ("openid", "offline_access")
KINDS = {  # what is minted or shown → the constant of idp/oidc/vocabulary.py that distinguishes it
    "access_token": "AT_JWT",
    "id_token": "ID_JWT",
    "logout_token": "LOGOUT_JWT",
    "refresh_token": "REFRESH_PREFIX",
    "code": "CODE_PREFIX",
    "client_assertion": "JWT_BEARER",
    "client_secret": "CLIENT_SECRET_PREFIX",
    "initial_access_token": "INITIAL_ACCESS_PREFIX",
    "registration_access_token": "REGISTRATION_PREFIX",
}


def mint(city):
    """One valid token of each kind, all of one client."""
    registration = new_secret("yt_ra_")
    client = city.register_client("fund", registration_token_digest=digest(registration))
    keyed = city.register_client("keyed", "private_key_jwt")
    bought = city.issue_tokens(client, OFFLINE)
    initial = new_secret("yt_ia_")
    now = city.clock()
    city.database.connection().execute(
        token_store.INSERT_INITIAL_ACCESS,
        digest=digest(initial),
        policy={},
        created_at=now,
        expires_at=now + timedelta(days=1),
        uses_left=5,
    )
    tokens = {
        "access_token": bought["access_token"],
        "id_token": bought["id_token"],
        "logout_token": city.provider.tokens.logout_token("fund", now, alg="ES256", jti="j", sub="s", sid="i"),
        "refresh_token": bought["refresh_token"],
        "code": city.issue_code(client),
        "client_assertion": city.client_assertion(keyed),
        "client_secret": client.secret,
        "initial_access_token": initial,
        "registration_access_token": registration,
    }
    assert set(tokens) == set(KINDS)
    return client, keyed, tokens


def read_id_token(city, token):
    try:
        return bool(city.provider.tokens.read_id_token(token, city.clock()))
    except NotSignedByUs:
        return False


def assertion_accepted(city, keyed, token):
    proof = city.client_proof(keyed)
    form = proof.form | {"client_assertion": token, "grant_type": "client_credentials"}
    return city.post("/token", form).status == 200


def registers(city, token):
    body = b'{"redirect_uris":["https://rp.example/cb"]}'
    answer = city.send("POST", "/register", body, content_type="application/json", authorization=f"Bearer {token}")
    return answer.status == 201


def reads_registration(city, token):
    answer = city.send("GET", "/register", query="client_id=fund", authorization=f"Bearer {token}")
    return answer.status == 200


def reads_by_form(city, token):
    return city.post("/userinfo", {"access_token": token}).status == 200


def is_active(city, client, token):
    return city.introspect(client, token).json["active"]


def secret_accepted(city, token):
    form = {"grant_type": "client_credentials"}
    return city.post("/token", form, authorization=basic("fund", token)).status == 200


READERS = {  # the endpoints and grants where it reads, the kinds it takes, whether it took one
    "userinfo by header": ("userinfo", {"access_token"}, lambda city, c, k, t: city.userinfo(t).status == 200),
    "userinfo by form": ("userinfo", {"access_token"}, lambda city, c, k, t: reads_by_form(city, t)),
    "introspection": ("introspection", {"access_token", "refresh_token"}, lambda city, c, k, t: is_active(city, c, t)),
    "id_token_hint": ("authorization end_session", {"id_token"}, lambda city, c, k, t: read_id_token(city, t)),
    "refresh grant": ("refresh_token", {"refresh_token"}, lambda city, c, k, t: city.refresh(c, t).status == 200),
    "code grant": ("authorization_code", {"code"}, lambda city, c, k, t: city.exchange(c, t).status == 200),
    "client assertion": ("token", {"client_assertion"}, lambda city, c, k, t: assertion_accepted(city, k, t)),
    "client secret": ("token", {"client_secret"}, lambda city, c, k, t: secret_accepted(city, t)),
    "registration": ("registration", {"initial_access_token"}, lambda city, c, k, t: registers(city, t)),
    "client configuration": (
        "registration", {"registration_access_token"}, lambda city, c, k, t: reads_registration(city, t)
    ),
}  # fmt: skip
NO_READERS = {  # endpoints and grants that take no token, or have a test of their own
    "revocation": "answers 200 to everything: test_only_tokens_are_revoked",
    "client_credentials": "takes what the client proves itself by, which the token endpoint reads",
    "jwks": "public keys for anybody",
    "openid_configuration": "metadata for anybody",
    "server_metadata": "metadata for anybody",
}


@pytest.mark.parametrize("reader", READERS)
def test_only_the_diagonal_passes(city, reader):
    """The readers of other kinds refuse a token, whatever key signed it."""
    client, keyed, tokens = mint(city)
    _, expected, accepts = READERS[reader]
    order = sorted(KINDS, key=lambda kind: kind in expected)  # wrong ones first: the right one may be spent
    assert {kind for kind in order if accepts(city, client, keyed, tokens[kind])} == expected


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("access_token", "refresh_token")])
def test_only_tokens_are_revoked(city, kind):
    """Revocation answers 200 to everything and revokes access and refresh tokens only."""
    client, keyed, tokens = mint(city)
    assert city.post_as(client, "/revoke", token=tokens[kind]).status == 200
    assert city.count_active_tokens() == (1, 1)
    assert city.exchange(client, tokens["code"]).status == 200
    assert assertion_accepted(city, keyed, tokens["client_assertion"])
    assert secret_accepted(city, tokens["client_secret"])
    assert reads_registration(city, tokens["registration_access_token"])


def test_a_reader_elsewhere_can_tell_them_apart(city):
    """Each JWT names its kind in typ, and no two kinds share both typ and audience (RFC 8725 §3.11)."""
    _, _, tokens = mint(city)
    seen = set()
    for kind, typ in (("access_token", "at+jwt"), ("id_token", "JWT"), ("logout_token", "logout+jwt")):
        claims = city.provider.keys.verified(tokens[kind], typ=typ, now=city.clock())
        seen.add((typ, claims["aud"]))
        assert ("nonce" in claims) == (kind == "id_token")
        assert ("events" in claims) == (kind == "logout_token")
    assert len(seen) == 3


def test_what_we_mint_is_known_by_its_prefix(city):
    """A scanner recognises each of our opaque secrets by its prefix."""
    _, _, tokens = mint(city)
    prefixes = {
        "refresh_token": "yt_rt_",
        "code": "yt_ac_",
        "client_secret": "yt_cs_",
        "initial_access_token": "yt_ia_",
        "registration_access_token": "yt_ra_",
    }
    for kind, prefix in prefixes.items():
        assert tokens[kind].startswith(prefix)
        assert len(tokens[kind]) == len(prefix) + 43 or (kind == "code" and len(tokens[kind]) < 1800)
