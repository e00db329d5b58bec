"""Signing keys: published before and after use, never shown, and readable by every library."""

import base64
import json
import time
from datetime import timedelta

import pytest
from joserfc import jwk, jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from accounts.errors import DatabaseUnavailable
from accounts.vault import SealBroken, Vault
from idp.oidc.tokens import token_store
from idp.oidc.tokens.keys import KeyRing, NotSignedByUs
from tests.conftest import START

CLAIMS = {"iss": "x", "sub": "人"}


def published(city):
    return city.send("GET", "/jwks").json["keys"]


def rotates(city, **by):
    with city.database.transaction() as c:
        made = city.provider.keys.rotate(c, city.clock(), **by)
    city.expire_caches()
    return made


def kid_of(token):
    return jws.extract_compact(token.encode()).headers()["kid"]


def test_the_set_is_a_jwk_set_of_public_keys(city):
    """One EC and one RSA key, each with kid, alg and use, and no private member."""
    answer = city.send("GET", "/jwks")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert answer.headers["cache-control"] == "public, max-age=600"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert sorted(key["alg"] for key in published(city)) == ["ES256", "RS256"]
    for key in published(city):
        assert key["use"] == "sig"
        assert not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & set(key)
        assert jwk.import_key(key).thumbprint() == key["kid"]
    KeySet.import_key_set(answer.json)


def test_the_set_is_not_sent_twice(city):
    """If-None-Match with the current ETag gets a 304, with another one the set."""
    first = city.send("GET", "/jwks")
    again = city.send("GET", "/jwks", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert city.send("GET", "/jwks", if_none_match='"00000000"').status == 200
    rotates(city)
    assert city.send("GET", "/jwks", if_none_match=first.headers["etag"]).status == 200


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_joserfc_verifies_what_we_sign_by_hand(city, alg):
    """The library accepts two hundred hand-made signatures, also with short r and s; not with a changed bit."""
    keys = KeySet.import_key_set(city.send("GET", "/jwks").json)
    for n in range(200 if alg == "ES256" else 10):
        token = city.provider.keys.signed({"n": n, **CLAIMS}, alg=alg, typ="JWT", now=city.clock())
        assert jwt.decode(token, keys, algorithms=[alg]).claims == {"n": n, **CLAIMS}
    head, body, signature = token.split(".")
    other = base64.urlsafe_b64encode(json.dumps({"n": 0}).encode()).rstrip(b"=").decode()
    for forged in (f"{head}.{other}.{signature}", f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}."):
        with pytest.raises(JoseError):
            jwt.decode(forged, keys, algorithms=[alg])


def test_a_new_key_is_published_before_it_signs(city, clock):
    """After rotation both keys are published; the old one signs for twice the time a set may be cached."""
    old = city.provider.keys.current("ES256", clock()).kid
    made = rotates(city)
    assert {key["kid"] for key in published(city)} > set(made)
    assert len(published(city)) == 4
    clock.advance(minutes=19, seconds=59)
    assert city.provider.keys.current("ES256", clock()).kid == old
    clock.advance(seconds=1)
    assert city.provider.keys.current("ES256", clock()).kid in made
    assert city.provider.keys.current("RS256", clock()).kid in made


def test_an_old_key_stays_published_until_its_tokens_have_ended(city, clock):
    """A token signed in the old key's last second can be verified until it expires; a day later the key is gone."""
    registered = city.register_client()
    old = {key["kid"] for key in published(city)}
    rotates(city)
    clock.advance(minutes=19, seconds=59)
    last = city.issue_tokens(registered)
    clock.advance(minutes=9, seconds=59)
    assert kid_of(last["id_token"]) in old
    assert old < {key["kid"] for key in published(city)}
    assert city.userinfo(last["access_token"]).status == 200
    assert city.provider.tokens.read_id_token(last["id_token"], clock())
    clock.advance(hours=24)
    assert not old & {key["kid"] for key in published(city)}
    with pytest.raises(NotSignedByUs):
        city.provider.tokens.read_id_token(last["id_token"], clock())


def test_an_emergency_rotation_signs_at_once(city, clock):
    """With no lead the new key signs now; tokens of the old key can be verified for a day."""
    before = city.issue_tokens(city.register_client())
    made = rotates(city, lead=timedelta(0))
    assert city.provider.keys.current("ES256", clock()).kid in made
    assert city.provider.tokens.read_id_token(before["id_token"], clock())


def test_rotation_can_be_repeated(city, clock):
    """After three rotations an hour apart each algorithm has one signing key at any time."""
    for _ in range(3):
        rotates(city)
        clock.advance(hours=1)
        now = clock()
        active = [key for key in city.provider.keys._loaded() if key.is_active(now)]
        assert sorted(key.alg for key in active) == ["ES256", "RS256"]


def test_rotating_twice_before_the_new_key_signs_leaves_a_signer(city, clock):
    """A second rotation within the lead leaves a signing key at every moment."""
    rotates(city)
    clock.advance(minutes=5)
    rotates(city)
    for _ in range(30):
        clock.advance(minutes=1)
        assert city.provider.keys.current("ES256", clock())
        assert city.provider.keys.current("RS256", clock())


def test_another_process_learns_within_a_second(city, clock):
    """Other processes sign with a rotated key within a second."""
    other = city.new_provider(city.database)
    assert other.keys.current("ES256", clock()).kid == city.provider.keys.current("ES256", clock()).kid
    with city.database.transaction() as c:
        made = city.provider.keys.rotate(c, clock(), lead=timedelta(0))
    city.expire_caches()
    assert other.keys.current("ES256", clock()).kid in made
    assert {key["kid"] for key in json.loads(other.keys.jwks(clock()))["keys"]} >= set(made)


def test_ensure_makes_keys_once(city, clock):
    """Starting the provider again makes no second pair."""
    before = published(city)
    for _ in range(3):
        with city.database.transaction() as c:
            city.provider.keys.ensure(c, clock())
    assert published(city) == before


def test_without_keys_the_cure_is_named(database, vault, clock):
    """A provider that was never set up names the command to run."""
    with pytest.raises(LookupError, match="yitong keys"):
        KeyRing(database, vault).current("ES256", clock())


def test_private_keys_are_sealed(city):
    """No row holds a PEM or a private number, and another vault cannot open a key."""
    rows = city.database.connection().rows(token_store.ALL_KEYS)
    for row in rows:
        assert b"PRIVATE" not in bytes(row.private_sealed)
        assert "d" not in row.public
    stranger = KeyRing(city.database, Vault.from_keys([("other", bytes(32))]))
    with pytest.raises(SealBroken):
        stranger.current("ES256", START)


def test_no_key_shows_in_a_repr(city, clock):
    """The repr of a key shows its public half only."""
    shown = repr(city.provider.keys.current("ES256", clock()))
    assert "EllipticCurvePrivateKey" not in shown
    assert "private" not in shown


def forged(city, key, header, claims=None):
    """A token made by an attacker who knows everything that is published."""
    return jws.serialize_compact(header, json.dumps(claims or CLAIMS), key, algorithms=[header["alg"]])


def test_a_forged_token_is_refused(city, clock):
    """Another key, an unknown kid, HMAC with our public key, a wrong typ and an embedded key are all refused."""
    keys = city.provider.keys
    ours = keys.current("ES256", clock())
    mine = jwk.ECKey.generate_key("P-256")
    public_pem = jwk.import_key(dict(ours.public)).as_pem(private=False)
    hmac_key = jwk.OctKey.import_key(base64.urlsafe_b64encode(bytes(ours.public["x"], "ascii")).decode())
    usual = {"alg": "ES256", "typ": "JWT", "kid": ours.kid}
    tokens = [
        forged(city, mine, usual),
        forged(city, mine, {**usual, "kid": "mine"}),
        forged(city, mine, {"alg": "ES256", "typ": "JWT"}),
        forged(city, mine, {**usual, "jwk": mine.as_dict(private=False)}),
        forged(city, hmac_key, {"alg": "HS256", "typ": "JWT", "kid": ours.kid}),
        keys.signed(CLAIMS, alg="ES256", typ="at+jwt", now=clock()),
        keys.signed(CLAIMS, alg="ES256", typ="logout+jwt", now=clock()),
        public_pem.decode(),
        "",
        "..",
        "a.b.c",
        "é.é.é",
        ".".join([base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("="), "e30", ""]),
    ]
    for token in tokens:
        with pytest.raises(NotSignedByUs):
            keys.verified(token, typ="JWT", now=clock())
    assert keys.verified(keys.signed(CLAIMS, alg="ES256", typ="JWT", now=clock()), typ="JWT", now=clock()) == CLAIMS


@pytest.mark.parametrize("payload", [b"[]", b"1", b"null", b"not json", b"\xff", b'"x"'])
def test_a_payload_that_is_no_object_is_refused(city, clock, payload):
    """A token whose claims are not an object is refused, even with our own signature."""
    ours = city.provider.keys.current("ES256", clock())
    head = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "typ": "JWT", "kid": ours.kid}).encode()).rstrip(b"=")
    data = head + b"." + base64.urlsafe_b64encode(payload).rstrip(b"=")
    token = data + b"." + base64.urlsafe_b64encode(ours.sign(data)).rstrip(b"=")
    with pytest.raises(NotSignedByUs):
        city.provider.keys.verified(token.decode(), typ="JWT", now=clock())


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_deeply_nested_token_is_refused(city, clock, opening):
    """A header nested thousands of levels deep does not exhaust the stack."""
    deep = base64.urlsafe_b64encode((opening * 5000).encode()).rstrip(b"=").decode()
    with pytest.raises(NotSignedByUs):
        city.provider.keys.verified(f"{deep}.e30.AAAA", typ="JWT", now=clock())


def test_the_set_is_published_without_the_database(city):
    """The keys are in memory: the set is served while the database is down or does not respond."""
    before = city.send("GET", "/jwks")

    def away():
        raise DatabaseUnavailable

    def silent():
        time.sleep(1)
        raise DatabaseUnavailable

    for count in (away, silent):
        city.database.count = count
        city.expire_caches()
        begun = time.monotonic()
        assert [city.send("GET", "/jwks").body for _ in range(3)] == [before.body] * 3
        assert time.monotonic() - begun < 0.9
    time.sleep(1)
    city.database.count = lambda: None
    made = rotates(city)
    assert set(made) <= {key["kid"] for key in published(city)}
