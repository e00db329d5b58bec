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
    """Full-width and half-width, composed and decomposed: NFKC makes them one password."""
    assert HASHER.verify(HASHER.hash("ａｂｃ１２３é"), "abc123é")


def test_the_hash_is_argon2id():
    """What is stored is Argon2id with our parameters."""
    assert HASHER.hash("x").startswith("$argon2id$v=19$m=64,t=1,p=1$")


def test_nothing_verifies_nothing():
    """A password checked for nobody is never right, not even the one behind the stand-in."""
    assert HASHER.verify_nothing("no password is this one") is False


def test_an_unreadable_hash_verifies_nothing():
    """A damaged hash refuses, it does not raise."""
    assert HASHER.verify("$argon2id$broken", "x") is False


def test_a_long_password_is_not_cut():
    """Two passwords of the greatest length that differ in the last character are different."""
    encoded = HASHER.hash("a" * (LONGEST - 1) + "b")
    assert not HASHER.verify(encoded, "a" * LONGEST)
    assert HASHER.verify(encoded, "a" * (LONGEST - 1) + "b")


def test_other_parameters_ask_for_a_new_hash():
    """A hash made under older parameters says so; a fresh one does not."""
    assert PasswordHasher(memory_kib=64, passes=2).needs_rehash(HASHER.hash("x"))
    assert not HASHER.needs_rehash(HASHER.hash("x"))


def test_the_default_is_owasps_minimum():
    """Nobody gets weaker parameters by saying nothing."""
    assert argon2.extract_parameters(PasswordHasher().hash("x")).memory_cost == 19456


def test_checks_have_threads_of_their_own():
    """The thread that answers a request lends its memory to no password check."""
    seen = []
    hasher = PasswordHasher(**FAST)
    hasher._argon2 = type("Watched", (), {"hash": lambda _, password: seen.append(threading.get_ident()) or "x"})()
    assert hasher.hash("x") == "x"
    assert seen != [threading.get_ident()]


def test_a_native_build_is_told_by_the_mark_its_script_leaves():
    """`yitong check` and scripts/native-argon2 mean the same build."""
    script = Path(__file__).parents[3] / "scripts" / "native-argon2"
    mark = password._NATIVE.removeprefix("Build: ")
    assert f"mark={mark}\n" in script.read_text()
