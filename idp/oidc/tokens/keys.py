"""Signing keys: sealed in the database, imported once a process, published before their use and after it.

A key is published first, signs from `active_from`, then retires and stays published until every token that it signed
has expired. This module makes the compact signature by hand (cached header, one ECDSA call), because that halves its
cost: an access token takes 219 µs, of which the ECDSA call takes 164, where joserfc takes 422 µs on the same machine.
joserfc does verification and key formats, and tests compare each with the other.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from joserfc import jwk

from accounts.database import Connection, Database
from accounts.errors import Unavailable
from accounts.vault import Vault
from idp.oidc.tokens import signed_jwt, token_store
from idp.oidc.vocabulary import SIGNING_ALGORITHMS

PLACE = "signing_keys.private"
JWKS_MAX_AGE = timedelta(minutes=10)
PUBLISHED_BEFORE_USE = 2 * JWKS_MAX_AGE
PUBLISHED_AFTER_USE = timedelta(hours=24)  # longer than the life of any token we sign
_ECDSA = ec.ECDSA(hashes.SHA256())
_P256_BYTES = 32
_SOON = 0.03  # seconds


class NotSignedByUs(Exception):
    """The token's signature, algorithm, type or shape is not ours. No details are given, as an attacker reads it."""


def encoded(data: bytes) -> bytes:
    """base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key, imported. `removed_at` and `retired_at` are None while it is in use."""

    kid: str
    alg: str
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)
    public: Mapping[str, Any]
    active_from: datetime
    retired_at: datetime | None
    removed_at: datetime | None

    def is_active(self, now: datetime) -> bool:
        """True if it may sign."""
        return self.active_from <= now and (self.retired_at is None or now < self.retired_at)

    def is_published(self, now: datetime) -> bool:
        """True if relying systems see it."""
        return self.removed_at is None or now < self.removed_at

    def sign(self, data: bytes) -> bytes:
        """The JWS signature over `data` (RFC 7518 §3.3, §3.4)."""
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            return concatenated(self.private.sign(data, _ECDSA))
        return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())


class KeyRing:
    """Every key of the provider, reloaded when the table changes, at most once in `lifetime`."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        lifetime: timedelta = timedelta(seconds=1),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._vault = vault
        self._lifetime = lifetime.total_seconds()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._fresh_until = float("-inf")
        self._stamps: list[Any] = []
        self._keys: tuple[SigningKey, ...] = ()
        self._headers: dict[tuple[str, str], bytes] = {}
        self._published: tuple[tuple[str, ...], bytes] = ((), b"")
        self._asked_at = float("-inf")

    def signed(self, claims: Mapping[str, Any], *, alg: str, typ: str, now: datetime) -> str:
        """A compact JWS of the claims by the current key of that algorithm. Its header has `kid` and `typ`."""
        key = self.current(alg, now)
        header = self._headers.get((key.kid, typ)) or self._header(key, typ)
        data = header + b"." + encoded(orjson.dumps(claims))
        return (data + b"." + encoded(key.sign(data))).decode()

    def current(self, alg: str, now: datetime) -> SigningKey:
        """The newest key of that algorithm that may sign. Raises LookupError before the first `ensure`."""
        for key in reversed(self._loaded()):
            if key.alg == alg and key.is_active(now):
                return key
        raise LookupError(f"no active {alg} key; run `yitong keys rotate`")

    def verified(self, token: str, *, typ: str, now: datetime) -> dict[str, Any]:
        """The claims of a token that one of our published keys signed as that type. Raises NotSignedByUs.

        The caller checks time, issuer and audience, because each reader has its own.
        """
        try:
            header = signed_jwt.header_of(token)
            key = next(k for k in self._loaded() if k.kid == header.get("kid") and k.is_published(now))
            if str(header.get("typ")).lower() != typ.lower() or header.get("alg") != key.alg:
                raise NotSignedByUs
            return signed_jwt.claims_of(token, jwk.import_key(dict(key.public)), (key.alg,))
        except (signed_jwt.UnreadableJwt, StopIteration) as error:
            raise NotSignedByUs from error

    def jwks(self, now: datetime) -> bytes:
        """The published keys as a JWK Set (RFC 7517 §5). While the database does not answer, the last known set."""
        published = [k for k in self._remembered() if k.is_published(now)]
        kids = tuple(k.kid for k in published)
        if self._published[0] != kids:
            self._published = (kids, orjson.dumps({"keys": [dict(k.public) for k in published]}))
        return self._published[1]

    def derived(self, data: bytes, *, purpose: str) -> bytes:
        """32 bytes that only this provider can make of `data`."""
        return self._vault.pepper(data, purpose=purpose)

    def ensure(self, c: Connection, now: datetime) -> None:
        """Each algorithm has a key that may sign. A missing one is made, and is active at once."""
        for alg in SIGNING_ALGORITHMS:
            if not any(row.alg == alg and row.retired_at is None for row in c.rows(token_store.ALL_KEYS)):
                self._make(c, alg, published_at=now, active_from=now)
        self._forget()

    def rotate(self, c: Connection, now: datetime, *, lead: timedelta = PUBLISHED_BEFORE_USE) -> tuple[str, ...]:
        """New keys are published now and sign after `lead`. The old ones retire then and stay published for a day.

        A `lead` of zero is for an emergency: relying systems that cached the old set fail until they fetch it again.
        """
        starts = now + lead
        old = [row.kid for row in c.rows(token_store.ALL_KEYS) if row.retired_at is None]
        made = tuple(self._make(c, alg, published_at=now, active_from=starts) for alg in SIGNING_ALGORITHMS)
        for kid in old:
            c.execute(token_store.RETIRE_KEY, of_kid=kid, retire_at=starts, remove_at=starts + PUBLISHED_AFTER_USE)
        self._forget()
        return made

    def _make(self, c: Connection, alg: str, *, published_at: datetime, active_from: datetime) -> str:
        key = jwk.ECKey.generate_key("P-256") if alg == "ES256" else jwk.RSAKey.generate_key(2048)
        kid = key.thumbprint()
        public = {**key.as_dict(private=False), "kid": kid, "alg": alg, "use": "sig"}
        sealed = self._vault.seal(key.as_pem(private=True).decode(), place=PLACE)
        c.execute(
            token_store.INSERT_KEY,
            kid=kid,
            alg=alg,
            private_sealed=sealed,
            public=public,
            published_at=published_at,
            active_from=active_from,
            retired_at=None,
            removed_at=None,
        )
        return kid

    def _header(self, key: SigningKey, typ: str) -> bytes:
        header = encoded(orjson.dumps({"alg": key.alg, "typ": typ, "kid": key.kid}))
        self._headers[key.kid, typ] = header
        return header

    def _forget(self) -> None:
        self._fresh_until = float("-inf")

    def _loaded(self) -> tuple[SigningKey, ...]:
        if self._monotonic() < self._fresh_until:
            return self._keys
        with self._lock:
            if self._monotonic() >= self._fresh_until:
                self._reload()
        return self._keys

    def _remembered(self) -> tuple[SigningKey, ...]:
        """The keys, after a wait of _SOON at most: the published set may be a little old.

        Only signing and verifying need fresh keys.
        """
        if not self._keys or self._fresh_until == float("-inf"):
            return self._loaded()
        if self._monotonic() >= max(self._fresh_until, self._asked_at + self._lifetime):
            self._asked_at = self._monotonic()
            asking = threading.Thread(target=self._reread, name="keys", daemon=True)
            asking.start()
            asking.join(_SOON)
        return self._keys

    def _reread(self) -> None:
        with suppress(Unavailable):
            self._loaded()
        self._database.release()

    def _reload(self) -> None:
        c = self._database.connection()
        stamps = c.rows(token_store.KEY_STAMPS)
        if stamps != self._stamps:
            known = {key.kid: key.private for key in self._keys}
            self._keys = tuple(self._imported(row, known) for row in c.rows(token_store.ALL_KEYS))
            self._stamps = stamps
        self._fresh_until = self._monotonic() + self._lifetime

    def _imported(self, row: Any, known: Mapping[str, Any]) -> SigningKey:
        """The row's key. One already imported is kept, because an RSA import checks the primes for 70 ms."""
        private = known.get(row.kid) or self._opened(row.private_sealed)
        return SigningKey(row.kid, row.alg, private, row.public, row.active_from, row.retired_at, row.removed_at)

    def _opened(self, sealed: bytes) -> Any:
        pem = self._vault.open(sealed, place=PLACE)
        return serialization.load_pem_private_key(pem.encode(), password=None)


def concatenated(der: bytes) -> bytes:
    """A P-256 signature in DER, in the form of JWS: r and s, 32 bytes each (RFC 7518 §3.4).

    All its lengths are below 128, so each takes one byte. Cutting takes 4.6 µs. Making integers of both and bytes again
    takes 7.3 µs. A test compares it with the library's own reading.
    """
    end = 4 + der[3]
    return b"".join(number[-_P256_BYTES:].rjust(_P256_BYTES, b"\0") for number in (der[4:end], der[end + 2 :]))


def left_half(token: str) -> str:
    """`at_hash` of a token signed with a 256-bit hash (OpenID Connect Core §3.1.3.6)."""
    return encoded(hashlib.sha256(token.encode()).digest()[:16]).decode()
