"""The vault: numbers, names and phones are encrypted at rest and found by keyed blind indexes. Keys rotate online.

Two profiles stand behind one class: `international` (AES-256-GCM, HMAC-SHA-256) and `gm` (SM4-GCM, HMAC-SM3). New
values use the chosen profile and the first key. Values that either profile wrote under a live key still open.

A sealed value is: version, profile, length of the key id, key id, nonce (12 bytes), ciphertext, tag (16 bytes). The
header and the place are associated data, so a value that was copied to another column, or got another header, does not
open.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SM3, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from accounts.errors import SealBroken

MOST_KEYS = 4  # each live key costs two more terms in every search by blind index (accounts.vault.blind_index)
_VERSION = 1
_NONCE = 12
_TAG = 16
_KEY_BYTES = 32


class _Aead(Protocol):
    """Authenticated encryption under one key."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """Ciphertext and tag."""
        ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        """The plaintext; raises InvalidTag."""
        ...


class _Profile(Protocol):
    """The primitives of one crypto profile."""

    number: int
    name: str
    key_length: int

    def hash(self) -> HashAlgorithm:
        """The hash under HMAC and HKDF."""
        ...

    def aead(self, key: bytes) -> _Aead:
        """The cipher under one key. It is expanded once and used by every thread."""
        ...


class _International:
    number, name, key_length = 1, "international", 32

    def hash(self) -> HashAlgorithm:
        return SHA256()

    def aead(self, key: bytes) -> _Aead:
        return AESGCM(key)


class _Gm:
    number, name, key_length = 2, "gm", 16

    def hash(self) -> HashAlgorithm:
        return SM3()

    def aead(self, key: bytes) -> _Aead:
        return _Sm4Gcm(key)


class _Sm4Gcm:
    """SM4-GCM (RFC 8998) with the calls of the library's AESGCM."""

    def __init__(self, key: bytes) -> None:
        self._cipher = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        encryptor = Cipher(self._cipher, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(associated_data)
        return encryptor.update(data) + encryptor.finalize() + encryptor.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        decryptor = Cipher(self._cipher, modes.GCM(nonce, data[-_TAG:])).decryptor()
        decryptor.authenticate_additional_data(associated_data)
        return decryptor.update(data[:-_TAG]) + decryptor.finalize()


PROFILES: tuple[_Profile, ...] = (_International(), _Gm())


class _KeyInProfile:
    """One root key in one profile: it has a separate key for each purpose, and none reveals another."""

    def __init__(self, key_id: str, root: bytes, profile: _Profile) -> None:
        name = key_id.encode()
        self.profile = profile
        self.header = bytes((_VERSION, profile.number, len(name))) + name
        self._root = root
        self._purposes: dict[str, bytes] = {}

    @cached_property
    def sealing(self) -> _Aead:
        """The AEAD under its own key."""
        return self.profile.aead(self._derive("seal", self.profile.key_length))

    def digest(self, data: bytes, purpose: str) -> bytes:
        """HMAC of `data` under the purpose's own key: 32 bytes."""
        key = self._purposes.get(purpose)
        if key is None:
            key = self._purposes.setdefault(purpose, self._derive(purpose, _KEY_BYTES))
        mac = HMAC(key, self.profile.hash())
        mac.update(data)
        return mac.finalize()

    def _derive(self, purpose: str, length: int) -> bytes:
        info = f"yitong/1/{self.profile.name}/{purpose}".encode()
        return HKDF(self.profile.hash(), length, None, info).derive(self._root)


class Vault:
    """Seals and indexes under the first key; opens and searches under every live one. Threads may share it."""

    def __init__(self, current: _KeyInProfile, live: Sequence[_KeyInProfile]) -> None:
        self._current = current
        self._live = (current, *(key for key in live if key is not current))
        self._by_header = {key.header: key for key in self._live}

    @classmethod
    def from_keys(cls, keys: Sequence[tuple[str, bytes]], *, profile: str = "international") -> Vault:
        """A vault with these root keys, the current one first: (key id of 1-32 ASCII characters, 32 random bytes).

        Raises ValueError for no key, more than four keys, a repeated id, a short key or an unknown profile.
        """
        _check(keys)
        chosen = next((p for p in PROFILES if p.name == profile), None)
        if chosen is None:
            raise ValueError(f"unknown crypto profile; choose one of {', '.join(p.name for p in PROFILES)}")
        live = [_KeyInProfile(key_id, root, p) for key_id, root in keys for p in PROFILES]
        current = next(key for key in live if key.profile is chosen)
        return cls(current, live)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The id of every live key, the current one first."""
        return tuple(dict.fromkeys(key.header[3:].decode() for key in self._live))

    @property
    def profile(self) -> str:
        """The crypto profile under which it seals."""
        return self._current.profile.name

    def check_value(self, key_id: str, profile: str) -> bytes | None:
        """What only the holder of that key can make, and what tells nothing of it: 32 bytes. None for no such key."""
        for key in self._live:
            if key.header[3:].decode() == key_id and key.profile.name == profile:
                return key.digest(b"", "check")
        return None

    def __repr__(self) -> str:
        """Without any key."""
        return f"<Vault {self._current.profile.name}, {len(self._live) // len(PROFILES)} keys>"

    def seal(self, plaintext: str, *, place: str) -> bytes:
        """The sealed text; it opens only with the same place, e.g. `natural_persons.attributes`."""
        key = self._current
        nonce = secrets.token_bytes(_NONCE)
        sealed = key.sealing.encrypt(nonce, plaintext.encode(), key.header + place.encode())
        return key.header + nonce + sealed

    def open(self, sealed: bytes, *, place: str) -> str:
        """The text that was sealed. Raises SealBroken: unknown key, another place, or a changed byte."""
        key, body = self._read(sealed)
        try:
            opened = key.sealing.decrypt(body[:_NONCE], body[_NONCE:], key.header + place.encode())
        except InvalidTag:
            raise SealBroken(detail=place) from None
        return opened.decode()

    def is_stale(self, sealed: bytes) -> bool:
        """Whether sealing the text again would use another key or profile. Raises SealBroken if it is no seal."""
        return self._read(sealed)[0] is not self._current

    def knows(self, sealed: bytes) -> bool:
        """Whether a live key made this seal or signature, according to its header. It may still be broken."""
        try:
            self._read(sealed)
        except SealBroken:
            return False
        return True

    def index(self, value: str, *, kind: str) -> bytes:
        """The blind index of a value under the current key: 32 bytes, equal for equal values of the same kind."""
        return self._current.digest(value.encode(), f"index/{kind}")

    def indexes(self, value: str, *, kind: str) -> tuple[bytes, ...]:
        """The blind indexes that a row may have, under every live key and profile, the current one first."""
        data = value.encode()
        return tuple(key.digest(data, f"index/{kind}") for key in self._live)

    def pepper(self, data: bytes, *, purpose: str) -> bytes:
        """A digest of 32 bytes that only the current key can make."""
        return self._current.digest(data, f"pepper/{purpose}")

    def sign(self, data: bytes, *, purpose: str) -> bytes:
        """A keyed signature that names its key, so that `signed` verifies it after a rotation."""
        return self._current.header + self._current.digest(data, f"sign/{purpose}")

    def signed(self, data: bytes, signature: bytes, *, purpose: str) -> bool:
        """Whether `signature` is what `sign` returned for these bytes and this purpose."""
        try:
            key, body = self._read(signature)
        except SealBroken:
            return False
        return hmac.compare_digest(body, key.digest(data, f"sign/{purpose}"))

    def _read(self, sealed: bytes) -> tuple[_KeyInProfile, bytes]:
        size = 3 + sealed[2] if len(sealed) > 2 else 0  # noqa: PLR2004 - version, profile, length of the key id
        key = self._by_header.get(bytes(sealed[:size]))
        if key is None or len(sealed) < size + _NONCE + _TAG:
            raise SealBroken(detail="no live key opens it")
        return key, bytes(sealed[size:])


def _check(keys: Sequence[tuple[str, bytes]]) -> None:
    if not 1 <= len(keys) <= MOST_KEYS:
        raise ValueError(f"a vault takes 1 to {MOST_KEYS} keys; reseal, then retire the oldest")
    names = [key_id for key_id, _ in keys]
    if len(set(names)) != len(names) or not all(0 < len(n) <= _KEY_BYTES and n.isascii() for n in names):
        raise ValueError("key ids must be different, of 1 to 32 ASCII characters")
    if any(len(root) != _KEY_BYTES for _, root in keys):
        raise ValueError("each vault key must be 32 random bytes: python -c 'import secrets; ...token_bytes(32)'")
