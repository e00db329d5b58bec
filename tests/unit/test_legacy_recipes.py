import base64
import hashlib
import time
from datetime import date

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.credentials.legacy import LegacySecret, Recipe, RecipeRefused, derivable_values

MD5_ABC = "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321 appendix A.5
SM3_ABC = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"  # GB/T 32905-2016 appendix A
JEESITE = "02a3f0772fcca9f415adc990734b45c6f059c7d33ee28362c4852032"
SHA512_CRYPT = (  # Drepper, "Unix crypt using SHA-256 and SHA-512", first vector
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
)


def verify(recipe, secret, password):
    return Recipe.parse(recipe).verify(secret, password)


VECTORS = [
    # recipe, hash, salt, user, password
    ("hex(md5(u+p+s))", "29c67a30398638269fe600f73a054934", "111111", "admin", "admin123"),  # RuoYi's first row
    ("cut(h,0,16)+hex(iterate(sha1,1024,unhex(cut(h,0,16))+p))", JEESITE, "", "", "admin"),
    ("hex(md5(p))", MD5_ABC, "", "", "abc"),
    ("hex(md5(p))", MD5_ABC.upper(), "", "", "abc"),
    ("cut(hex(md5(p)),8,24)", MD5_ABC[8:24], "", "", "abc"),
    ("cut(hex(md5(p)),8,24)", MD5_ABC[8:24].upper(), "", "", "abc"),
    ("hex(sm3(p))", SM3_ABC, "", "", "abc"),
    ("base64(sha1(p))", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0", "", "", "abc"),
    ("hex(md5(hex(md5(p))+s))", hashlib.md5((MD5_ABC + "a1b2c3").encode()).hexdigest(), "a1b2c3", "", "abc"),
    ("hex(md5(gbk(p)))", hashlib.md5("密码".encode("gbk")).hexdigest(), "", "", "密码"),
    ("hex(md5(utf16(p)))", hashlib.md5("abc".encode("utf-16-le")).hexdigest(), "", "", "abc"),
    ("hex(sha256(p+'{'+s+'}'))", hashlib.sha256(b"abc{pepper}").hexdigest(), "pepper", "", "abc"),
    (
        "hex(pbkdf2(sha1,p,s,2,20))",
        "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957",  # RFC 6070 §2, second case
        "salt",
        "",
        "password",
    ),
    # RFC 2202 §3, case 2
    ("hex(hmac_sha1(s,p))", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", "Jefe", "", "what do ya want for nothing?"),
    ("ldap", "{SHA}qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "", "", "abc"),
    ("ldap", "{MD5}kAFQmDzST7DWlj99KOF/cg==", "", "", "abc"),
    ("crypt", SHA512_CRYPT, "", "", "Hello world!"),
    ("phpass", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "", "", "test12345"),  # phpass's own test program
    ("bcrypt", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "", "", "U*U"),
    ("mysql", "*0D3CED9BEC10A777AEC23CCC353A8C08A633045E", "", "", "abc"),
]  # fmt: skip


@pytest.mark.parametrize(("recipe", "digest", "salt", "user", "password"), VECTORS)
def test_public_vectors_verify_and_other_passwords_do_not(recipe, digest, salt, user, password):
    """A recipe accepts the password of its public vector and refuses similar ones."""
    secret = LegacySecret(digest, salt, user)
    assert verify(recipe, secret, password)
    assert not verify(recipe, secret, password + "x")


@pytest.mark.parametrize(
    "text",
    [
        "", "p", "hex(p)", "p+s", "h", "cut(h,0,32)", "hex(md5(s))", "h+hex(md5(p))", "p.upper()", "(lambda: p)()",
        "[p for p in s]", "md5(p)*1000000", "md5(p)**9", "open(p)", "__import__('os')", "md5(p", "md5(*p)", "md5(p=p)",
        "p if p else s", "f'{p}'", "iterate(md5,20001,p)", "iterate(md5,10**9,p)", "iterate(sm4,2,p)",
        "pbkdf2(sha1,p,s,9999999,20)",
        "md5(p)[0]", "p == s", "hex(md5(p)) or p", "x:=p", "hex(md5(" * 30 + "p" + "))" * 30, "a" * 500,
        "plaintext",
        "ldap+p", "md5(" * 90 + "p" + ")" * 90, "cut(p,-1,4)", "iterate(md5,True,p)", "\0",
    ],
)  # fmt: skip
def test_whatever_is_not_the_language_is_refused_with_a_cure(text):
    """A recipe cannot run Python, cost without limit, or accept every password."""
    with pytest.raises(RecipeRefused) as refused:
        Recipe.parse(text)
    assert len(refused.value.cure) > 20


@given(st.text(max_size=60))
def test_no_text_is_read_with_another_outcome_than_a_recipe_or_a_refusal(text):
    """Reading a recipe never raises anything but RecipeRefused."""
    try:
        outcome = Recipe.parse(text).text
    except RecipeRefused as refused:
        outcome = refused.cure
    assert outcome


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from([v[0] for v in VECTORS if "crypt" not in v[0]]))
def test_odd_rows_verify_nothing_and_raise_nothing(digest, password, recipe):
    """A garbled hash, a salt that is no hex, a lone surrogate: no password verifies and nothing is raised."""
    assert not verify(recipe, LegacySecret(digest, "zz\ud800", "u"), password)


@pytest.mark.parametrize(
    ("recipe", "digest"),
    [
        ("crypt", "$6$rounds=999999999$saltstring$" + "a" * 86),
        ("bcrypt", "$2a$31$" + "." * 53),
        ("phpass", "$P$Z" + "a" * 30),
        ("ldap", "{PBKDF2-SHA256}999999999$" + "a" * 22 + "$" + "a" * 43),
        ("ldap", "{CRYPT}$6$rounds=999999999$saltstring$" + "a" * 86),
        ("django", "pbkdf2_sha256$999999999$salt$" + "a" * 43 + "="),
    ],
)
def test_a_hostile_hash_cannot_ask_for_endless_work(recipe, digest):
    """Rounds that the stored hash itself names are limited before any work is done."""
    start = time.perf_counter()
    assert not verify(recipe, LegacySecret(digest), "guess")
    assert time.perf_counter() - start < 0.5


def test_an_empty_password_or_an_empty_hash_proves_nothing():
    """A row without a hash and a form without a password are refused."""
    empty = hashlib.md5(b"").hexdigest()
    assert not verify("hex(md5(p))", LegacySecret(empty), "")
    assert not verify("hex(md5(p))", LegacySecret(""), "abc")


def test_every_spelling_of_an_openldap_password_is_read():
    """Salted and plain, SHA-1, SHA-256, SHA-512 and MD5: each scheme of an LDIF file verifies."""
    for name, algorithm in (("SSHA", "sha1"), ("SMD5", "md5"), ("SSHA256", "sha256"), ("SSHA512", "sha512")):
        salt = b"saltsalt"
        value = base64.b64encode(hashlib.new(algorithm, "密码abc".encode() + salt).digest() + salt).decode()
        assert verify("ldap", LegacySecret(f"{{{name}}}{value}"), "密码abc"), name


def test_a_secret_shows_neither_hash_nor_salt():
    """The repr of a secret may be logged by accident."""
    shown = repr(LegacySecret("deadbeef", "pepper", "somebody"))
    assert "deadbeef" not in shown
    assert "pepper" not in shown
    assert "somebody" not in shown


def test_derivable_values_hold_what_import_clerks_use():
    """An attacker knows the number's end, the birth date and the phone's end without guessing."""
    values = set(
        derivable_values(
            number="519999189303071234", phone="+8613900000012", birth_date=date(1893, 3, 7), login_name="wuxy"
        )
    )
    assert {"071234", "03071234", "18930307", "930307", "000012", "123456", "888888", "wuxy"} <= values


def test_a_bcrypt_hash_verifies():
    """The library that libpass needs for bcrypt is installed: without it people would be locked out silently."""
    made = bcrypt.hashpw(b"tea-house", bcrypt.gensalt(5)).decode()
    assert verify("bcrypt", LegacySecret(made), "tea-house")
    assert not verify("bcrypt", LegacySecret(made), "coffee-house")
