import secrets

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SM3, Hash
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import SealBroken
from accounts.vault import MOST_KEYS, Vault

KEY = secrets.token_bytes(32)
OTHER = secrets.token_bytes(32)
PROFILES = ("international", "gm")
VAULTS = {name: Vault.from_keys([("k1", KEY)], profile=name) for name in PROFILES}
profiles = st.sampled_from(PROFILES)
texts = st.text(st.characters(exclude_categories=["Cs"]))


def test_sm3_of_the_standards_example():
    """The SM3 that we use gives the standard's digest of abc."""
    digest = Hash(SM3())
    digest.update(b"abc")
    assert digest.finalize().hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def test_sm4_of_the_standards_example():
    """The SM4 that we use gives the standard's block."""
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    block = Cipher(algorithms.SM4(key), modes.ECB()).encryptor()
    assert (block.update(key) + block.finalize()).hex() == "681edf34d206965e86b3e94f536e4246"


@given(profiles, texts)
def test_what_was_sealed_opens(profile, text):
    """A sealed text opens to the same text, in both profiles."""
    vault = VAULTS[profile]
    assert vault.open(vault.seal(text, place="p"), place="p") == text


@given(profiles, texts, st.data())
def test_a_changed_bit_never_opens(profile, text, data):
    """With one changed bit in header, nonce, text or tag the seal is broken."""
    vault = VAULTS[profile]
    sealed = bytearray(vault.seal(text, place="p"))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        vault.open(bytes(sealed), place="p")


@given(st.binary(max_size=80))
def test_noise_is_a_broken_seal(noise):
    """Bytes that were never sealed raise SealBroken and no other error."""
    with pytest.raises(SealBroken):
        VAULTS["gm"].open(noise, place="p")


@pytest.mark.parametrize("profile", PROFILES)
def test_another_place_does_not_open(profile):
    """A value copied to another column does not open there."""
    vault = VAULTS[profile]
    with pytest.raises(SealBroken):
        vault.open(vault.seal("x", place="a"), place="b")


@pytest.mark.parametrize("profile", PROFILES)
def test_equal_texts_seal_differently(profile):
    """Two seals of one text differ, so the database does not show which texts are equal."""
    vault = VAULTS[profile]
    assert vault.seal("x", place="p") != vault.seal("x", place="p")


@pytest.mark.parametrize("before", PROFILES)
@pytest.mark.parametrize("after", PROFILES)
def test_rotation_opens_and_finds_what_the_old_key_wrote(before, after):
    """After a new key, even with a new profile, old seals open, are stale, and old indexes are searched."""
    old = Vault.from_keys([("k1", KEY)], profile=before)
    new = Vault.from_keys([("k2", OTHER), ("k1", KEY)], profile=after)
    sealed = old.seal("x", place="p")
    assert new.open(sealed, place="p") == "x"
    assert new.is_stale(sealed)
    assert not new.is_stale(new.seal("x", place="p"))
    assert old.index("x", kind="k") in new.indexes("x", kind="k")
    assert new.indexes("x", kind="k")[0] == new.index("x", kind="k")


def test_a_retired_key_opens_nothing():
    """A value sealed with a retired key raises SealBroken."""
    with pytest.raises(SealBroken):
        Vault.from_keys([("k2", OTHER)]).open(VAULTS["international"].seal("x", place="p"), place="p")


@pytest.mark.parametrize("profile", PROFILES)
def test_indexes_are_told_apart_by_kind_key_and_purpose(profile):
    """One value has a different index for each kind and key, and a pepper equals none of them."""
    vault, other = VAULTS[profile], Vault.from_keys([("k1", OTHER)], profile=profile)
    made = [vault.index("x", kind="a"), vault.index("x", kind="b"), other.index("x", kind="a")]
    made += [vault.pepper(b"x", purpose="a"), vault.pepper(b"x", purpose="index/a")]
    assert len(set(made)) == len(made)
    assert vault.index("x", kind="a") == made[0]


def test_a_signature_holds_for_its_bytes_and_purpose_after_rotation():
    """A signature names its key: it stays valid after a rotation, only for its bytes and purpose."""
    signature = VAULTS["international"].sign(b"x", purpose="a")
    later = Vault.from_keys([("k2", OTHER), ("k1", KEY)])
    assert later.signed(b"x", signature, purpose="a")
    assert not later.signed(b"y", signature, purpose="a")
    assert not later.signed(b"x", signature, purpose="b")
    assert not later.signed(b"x", b"", purpose="a")


@pytest.mark.parametrize(
    "keys",
    [[], [("a", b"short")], [("a", KEY), ("a", OTHER)], [("é", KEY)], [(str(i), KEY) for i in range(MOST_KEYS + 1)]],
)
def test_unfit_keys_are_refused(keys):
    """A vault is not created with unfit keys."""
    with pytest.raises(ValueError, match=r"key"):
        Vault.from_keys(keys)


def test_repr_shows_no_key():
    """The vault's repr shows only the profile and the number of keys."""
    assert repr(VAULTS["gm"]) == "<Vault gm, 1 keys>"
