"""What an authenticator answered, verified as WebAuthn Level 3 demands (§7.1 registration, §7.2 login).

The only module that imports py_webauthn, and only when an answer arrives: the library brings formats of attestation and
OpenSSL along, which most processes never need.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from accounts.errors import NotProven

LONGEST = 16_384  # characters of an answer; an assertion has about 700, a registration about 900
_TRANSPORTS = ("usb", "nfc", "ble", "smart-card", "hybrid", "internal")
# COSE algorithms (RFC 9053): ES256, EdDSA, RS256. What browsers are asked for, and what is accepted.
ALGORITHMS = (-7, -8, -257)


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who we are to authenticators: the RP ID is a host name, the origin is what browsers report. Empty: nowhere."""

    rp_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page sent: `PublicKeyCredential` as JSON (WebAuthn §5.1), read but not verified."""

    credential: Mapping[str, Any] = field(repr=False)
    credential_id: bytes = field(repr=False)
    user_handle: bytes = field(repr=False)
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential that an authenticator has made for us, with the person present and verified."""

    credential_id: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    sign_count: int
    aaguid: str
    is_backup_eligible: bool
    is_backed_up: bool


@dataclass(frozen=True, slots=True)
class Assertion:
    """A challenge of ours was signed by the key that we know, with the person present. The caller judges the rest."""

    sign_count: int
    is_user_verified: bool
    is_backup_eligible: bool
    is_backed_up: bool


def parse(text: str) -> Answer:
    """The answer in the text. Raises NotProven for anything that is none."""
    try:
        credential = orjson.loads(text[:LONGEST])
        response = credential["response"]
        if _client_data(response).get("crossOrigin"):
            raise NotProven(detail="asked for by a page inside another page")
        told = response.get("transports") or ()
        transports = tuple(name for name in _TRANSPORTS if name in told)
        handle = decoded(response.get("userHandle") or "")
        return Answer(credential, decoded(credential["rawId"]), handle, transports)
    except (KeyError, TypeError, AttributeError, ValueError) as malformed:
        raise NotProven(detail="not an answer of an authenticator") from malformed


def verify_registration(answer: Answer, challenge: bytes, party: RelyingParty) -> NewCredential:
    """The credential that the answer registers. Raises NotProven.

    Attestation is neither asked for nor accepted: a statement about the maker of a key identifies its model, and nobody
    here decides by it.
    """
    from webauthn import verify_registration_response  # noqa: PLC0415 - heavy, see the module's text
    from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography  # noqa: PLC0415
    from webauthn.helpers.cose import COSEAlgorithmIdentifier  # noqa: PLC0415

    try:
        found = verify_registration_response(
            credential=dict(answer.credential),
            expected_challenge=challenge,
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(each) for each in ALGORITHMS],
        )
        decoded_public_key_to_cryptography(decode_credential_public_key(found.credential_public_key))
    except Exception as refused:  # parsers that read a stranger's bytes fail in more ways than they document
        raise NotProven(detail=type(refused).__name__) from refused
    if found.fmt != "none" or found.credential_id != answer.credential_id:
        raise NotProven(detail="attested, or two credential ids")
    return NewCredential(
        credential_id=found.credential_id,
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        aaguid=found.aaguid,
        is_backup_eligible=found.credential_device_type.value == "multi_device",
        is_backed_up=found.credential_backed_up,
    )


def verify_assertion(answer: Answer, challenge: bytes, party: RelyingParty, public_key: bytes) -> Assertion:
    """What the owner of that key has signed. Raises NotProven unless challenge, origin, RP ID and signature fit.

    The library would refuse a missing verification of the person, and a counter that went back, before it has checked
    the signature. Then a stranger could cause their records. Here the caller judges both, about signed facts only.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415 - heavy, see the module's text

    try:
        found = verify_authentication_response(
            credential=dict(answer.credential),
            expected_challenge=challenge,
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
        )
    except Exception as refused:  # as above
        raise NotProven(detail=type(refused).__name__) from refused
    return Assertion(
        sign_count=found.new_sign_count,
        is_user_verified=found.user_verified,
        is_backup_eligible=found.credential_device_type.value == "multi_device",
        is_backed_up=found.credential_backed_up,
    )


def _client_data(response: Mapping[str, Any]) -> Mapping[str, Any]:
    read: Mapping[str, Any] = orjson.loads(decoded(response["clientDataJSON"]))
    return read


def encoded(raw: bytes) -> str:
    """The bytes in base64url without padding, as WebAuthn writes them in JSON."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes of such a text. Raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as malformed:
        raise ValueError from malformed
