import threading
from pathlib import Path

import argon2

from accounts.credentials import password
from accounts.credentials.password import LONGEST, PasswordHasher

FAST = {"memory_kib": 64, "passes": 1, "concurrent": 2}
HASHER = PasswordHasher(**FAST)


def test_the_right_password_verifies_and_others_do_not():
    """Only the password that was hashed verifies."""
    encoded = HASHER.hash("correct horse 7")
    assert HASHER.verify(encoded, "correct horse 7")
    assert not HASHER.verify(encoded, "Correct horse 7")
    assert not HASHER.verify(encoded, "")


def test_one_word_typed_two_ways_is_one_password():
    """NFKC makes full-width and half-width, composed and decomposed spellings one password."""
    assert HASHER.verify(HASHER.hash("ａｂｃ１２３é"), "abc123é")


def test_the_hash_is_argon2id():
    """The stored hash is Argon2id with our parameters."""
    assert HASHER.hash("x").startswith("$argon2id$v=19$m=64,t=1,p=1$")


def test_nothing_verifies_nothing():
    """A check against the stand-in hash is always False, even for the password behind it."""
    assert HASHER.verify_nothing("no password is this one") is False


def test_an_unreadable_hash_verifies_nothing():
    """A damaged hash verifies no password and raises nothing."""
    assert HASHER.verify("$argon2id$broken", "x") is False


def test_a_long_password_is_not_cut():
    """Two passwords of the greatest length that differ in the last character are different."""
    encoded = HASHER.hash("a" * (LONGEST - 1) + "b")
    assert not HASHER.verify(encoded, "a" * LONGEST)
    assert HASHER.verify(encoded, "a" * (LONGEST - 1) + "b")


def test_other_parameters_ask_for_a_new_hash():
    """A hash with older parameters needs a new one; a fresh one does not."""
    assert PasswordHasher(memory_kib=64, passes=2).needs_rehash(HASHER.hash("x"))
    assert not HASHER.needs_rehash(HASHER.hash("x"))


def test_the_default_is_owasps_minimum():
    """The default parameters are not weaker than OWASP's minimum."""
    assert argon2.extract_parameters(PasswordHasher().hash("x")).memory_cost == 19456


def test_checks_have_threads_of_their_own():
    """A password check does not run in the thread that answers the request, so it does not use its memory."""
    seen = []
    hasher = PasswordHasher(**FAST)
    hasher._argon2 = type("Watched", (), {"hash": lambda _, password: seen.append(threading.get_ident()) or "x"})()
    assert hasher.hash("x") == "x"
    assert seen != [threading.get_ident()]


def test_a_native_build_is_told_by_the_mark_its_script_leaves():
    """`yitong check` and scripts/native-argon2 recognise the same build."""
    script = Path(__file__).parents[3] / "scripts" / "native-argon2"
    mark = password._NATIVE.removeprefix("Build: ")
    assert f"mark={mark}\n" in script.read_text()
