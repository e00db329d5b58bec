import threading
from datetime import timedelta

import argon2

from accounts.credentials.password import LONGEST, PasswordHasher
from accounts.errors import Busy

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


def test_a_full_bulkhead_says_busy_and_recovers():
    """When every turn is taken a call waits briefly and is told Busy; afterwards turns are free again."""
    slow = PasswordHasher(memory_kib=65536, passes=8, concurrent=1, wait=timedelta(milliseconds=5))
    started, outcome = threading.Event(), []

    def hold():
        started.set()
        slow.hash("x")

    holder = threading.Thread(target=hold)
    holder.start()
    started.wait()
    while holder.is_alive() and not outcome:
        try:
            with slow._turn():
                pass
        except Busy as busy:
            outcome.append(busy)
    holder.join()
    assert outcome
    assert slow.hash("y")
