"""Each thing we mint or are shown, at each place that reads one: only the diagonal passes (RFC 8725 §3.12)."""

from datetime import timedelta

import pytest

from idp.oidc.tokens import token_store
from idp.oidc.tokens.keys import NotSignedByUs
from idp.oidc.tokens.secret import digest, new_secret
from tests.protocol.desk import basic

OFFLINE = ("openid", "offline_access")
KINDS = (
    "access_token",
    "id_token",
    "logout_token",
    "refresh_token",
    "code",
    "client_assertion",
    "client_secret",
    "initial_access_token",
    "registration_access_token",
)


def mint(desk):
    """One of each kind, alive, all of one client."""
    registration = new_secret("yt_ra_")
    client = desk.registers("fund", registration_token_digest=digest(registration))
    keyed = desk.registers("keyed", "private_key_jwt")
    bought = desk.tokens(client, OFFLINE)
    initial = new_secret("yt_ia_")
    now = desk.clock()
    desk.database.connection().execute(
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
        "logout_token": desk.provider.tokens.logout_token("fund", now, alg="ES256", jti="j", sub="s", sid="i"),
        "refresh_token": bought["refresh_token"],
        "code": desk.code(client),
        "client_assertion": desk.assertion(keyed),
        "client_secret": client.secret,
        "initial_access_token": initial,
        "registration_access_token": registration,
    }
    assert set(tokens) == set(KINDS)
    return client, keyed, tokens


def read_id_token(desk, token):
    try:
        return bool(desk.provider.tokens.read_id_token(token, desk.clock()))
    except NotSignedByUs:
        return False


def assertion_accepted(desk, keyed, token):
    proof = desk.proof(keyed)
    form = proof.form | {"client_assertion": token, "grant_type": "client_credentials"}
    return desk.posts("/token", form).status == 200


def registers(desk, token):
    body = b'{"redirect_uris":["https://rp.example/cb"]}'
    answer = desk.sends("POST", "/register", body, content_type="application/json", authorization=f"Bearer {token}")
    return answer.status == 201


def reads_registration(desk, token):
    answer = desk.sends("GET", "/register", query="client_id=fund", authorization=f"Bearer {token}")
    return answer.status == 200


def reads_by_form(desk, token):
    return desk.posts("/userinfo", {"access_token": token}).status == 200


def secret_accepted(desk, token):
    form = {"grant_type": "client_credentials"}
    return desk.posts("/token", form, authorization=basic("fund", token)).status == 200


READERS = {
    "userinfo by header": ({"access_token"}, lambda desk, c, k, t: desk.userinfo(t).status == 200),
    "userinfo by form": ({"access_token"}, lambda desk, c, k, t: reads_by_form(desk, t)),
    "introspection": ({"access_token", "refresh_token"}, lambda desk, c, k, t: desk.introspects(c, t).json["active"]),
    "id_token_hint": ({"id_token"}, lambda desk, c, k, t: read_id_token(desk, t)),
    "refresh grant": ({"refresh_token"}, lambda desk, c, k, t: desk.refreshes(c, t).status == 200),
    "code grant": ({"code"}, lambda desk, c, k, t: desk.exchanges(c, t).status == 200),
    "client assertion": ({"client_assertion"}, lambda desk, c, k, t: assertion_accepted(desk, k, t)),
    "client secret": ({"client_secret"}, lambda desk, c, k, t: secret_accepted(desk, t)),
    "registration": ({"initial_access_token"}, lambda desk, c, k, t: registers(desk, t)),
    "client configuration": ({"registration_access_token"}, lambda desk, c, k, t: reads_registration(desk, t)),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_only_the_diagonal_passes(desk, reader):
    """A token of one kind is nothing at the readers of all others, whatever signed it."""
    client, keyed, tokens = mint(desk)
    expected, accepts = READERS[reader]
    order = sorted(KINDS, key=lambda kind: kind in expected)  # wrong ones first: the right one may be spent
    assert {kind for kind in order if accepts(desk, client, keyed, tokens[kind])} == expected


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("access_token", "refresh_token")])
def test_only_tokens_are_revoked(desk, kind):
    """Revocation answers 200 to everything and touches access and refresh tokens alone."""
    client, keyed, tokens = mint(desk)
    assert desk.asks(client, "/revoke", token=tokens[kind]).status == 200
    assert desk.alive() == (1, 1)
    assert desk.exchanges(client, tokens["code"]).status == 200
    assert assertion_accepted(desk, keyed, tokens["client_assertion"])
    assert secret_accepted(desk, tokens["client_secret"])
    assert reads_registration(desk, tokens["registration_access_token"])


def test_a_reader_elsewhere_can_tell_them_apart(desk):
    """Each JWT we sign says by typ what it is, and no two kinds share both typ and audience (RFC 8725 §3.11)."""
    _, _, tokens = mint(desk)
    seen = set()
    for kind, typ in (("access_token", "at+jwt"), ("id_token", "JWT"), ("logout_token", "logout+jwt")):
        claims = desk.provider.keys.verified(tokens[kind], typ=typ, now=desk.clock())
        seen.add((typ, claims["aud"]))
        assert ("nonce" in claims) == (kind == "id_token")
        assert ("events" in claims) == (kind == "logout_token")
    assert len(seen) == 3


def test_what_we_mint_is_known_by_its_prefix(desk):
    """A scanner finds each opaque secret of ours by how it begins."""
    _, _, tokens = mint(desk)
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
