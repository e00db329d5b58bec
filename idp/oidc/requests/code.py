"""The authorization code: a secret that carries, sealed, what it answers for.

Whoever redeems it need not read the request first: the code opens, the checks are made, and one statement spends it.
The row stays the only judge of whether it may be spent. What would make a code too long for an address is left in the
row, and such a code carries only the row's key (docs/decisions/0034-a-code-carries-its-request.md).
A request that was answered without a page has no row until its code is spent: spending writes it
(docs/decisions/0051-a-silent-login-is-written-when-it-is-collected.md).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from accounts.database import microseconds, moment
from accounts.errors import SealBroken
from accounts.vault import Vault
from idp.oidc.requests import request_store
from idp.oidc.requests.authorization_request import Approval, AuthorizationRequest
from idp.oidc.tokens.keys import encoded
from idp.oidc.vocabulary import CODE_PREFIX

IN_A_CODE = "authorization_code"  # the place of the seal; it lies in no table
_SHORTEST = 200  # characters of a code with facts; one that only names its row has some 140 at most
_LONGEST = 1200  # bytes of facts: a code of some 1,700 characters


@dataclass(frozen=True, slots=True)
class Unstored:
    """What is still to be written of an approval when its code is spent: its record, and the session's client."""

    channel: str
    joins_session: bool  # whether the session did not know the client


@dataclass(frozen=True, slots=True)
class Redeemable:
    """What a code answers for, as it was when it was approved. Whether it still does, the row knows."""

    id: str
    client_id: str
    redirect_uri: str
    code_challenge: str | None
    nonce: str | None
    scopes: tuple[str, ...]
    claims: Mapping[str, Any]
    released: tuple[str, ...]
    person_id: str
    session_id: str | None
    grant_id: str | None
    sub: str
    amr: tuple[str, ...]
    acr: str | None
    auth_time: datetime | None
    expires_at: datetime
    unstored: Unstored | None = None


def new_code(vault: Vault, request: AuthorizationRequest, approval: Approval, expires_at: datetime) -> str:
    """A code nobody can guess or make, for this request with this approval."""
    facts = orjson.dumps(_facts(request, approval, expires_at))
    return _sealed(vault, facts if len(facts) <= _LONGEST else orjson.dumps([request.id]))


def code_without_row(
    vault: Vault, request: AuthorizationRequest, approval: Approval, expires_at: datetime, unstored: Unstored
) -> str | None:
    """The same for a request that no table holds; None where its facts are too long, and it must be stored."""
    facts = orjson.dumps([*_facts(request, approval, expires_at), unstored.channel, unstored.joins_session])
    return _sealed(vault, facts) if len(facts) <= _LONGEST else None


def _sealed(vault: Vault, facts: bytes) -> str:
    return _spelt(vault.seal(facts.decode(), place=IN_A_CODE))


def _spelt(sealed: bytes) -> str:
    return CODE_PREFIX + encoded(sealed).decode()


def names_its_row_only(code: str) -> bool:
    """Whether whoever redeems this code of ours must read the request."""
    return len(code) < _SHORTEST


def answers_for(vault: Vault, code: str, stored: Callable[[str], Any]) -> Redeemable | None:
    """What the code stands for; None when we did not make it, or another version of us did.

    `stored` finds an approved request's row by its key, where the code carries no more than that.
    """
    try:
        sealed = base64.b64decode(code.removeprefix(CODE_PREFIX) + "==", altchars=b"-_")
        if code != _spelt(sealed):  # base64 has several spellings of one value; a replay is known by the one we sent
            return None
        request_id, *facts = orjson.loads(vault.open(sealed, place=IN_A_CODE))
        if not facts:
            return _of_row(vault, stored(request_id))
        unstored = Unstored(*facts[_OF_REQUEST:]) if len(facts) > _OF_REQUEST else None
        *texts, scopes, claims, released, amr, auth_time, expires_at = facts[:_OF_REQUEST]
        times = moment(auth_time), moment(expires_at)
        return _redeemable([request_id, *texts], scopes, claims, released, amr, *times, unstored)
    except (SealBroken, binascii.Error, ValueError, TypeError):
        return None


def _of_row(vault: Vault, row: Any) -> Redeemable | None:
    if row is None:
        return None
    _, nonce, _ = request_store.worded(vault, row)
    texts = [nonce if name == "nonce" else getattr(row, name) for name in _TEXTS]
    return _redeemable(texts, row.scopes, row.claims, row.released, row.amr, row.auth_time, row.expires_at)


_TEXTS = (
    "id", "client_id", "redirect_uri", "code_challenge", "nonce", "person_id", "session_id", "grant_id", "sub", "acr",
)  # fmt: skip


_OF_REQUEST = len(_TEXTS) - 1 + 6  # facts of any code beside its request's key; more follow in one without a row


def _facts(request: AuthorizationRequest, approval: Approval, expires_at: datetime) -> list[Any]:
    proven = approval.authentication
    return [
        *(request.id, request.client_id, request.redirect_uri, request.code_challenge, request.nonce),
        *(approval.person_id, approval.session_id, approval.grant_id, approval.sub, proven.acr),
        *(request.scopes, request.claims, approval.released, proven.amr),
        *(microseconds(proven.auth_time), microseconds(expires_at)),
    ]


def _redeemable(
    texts: list[Any],
    scopes: Any,
    claims: Any,
    released: Any,
    amr: Any,
    auth_time: Any,
    expires_at: Any,
    unstored: Unstored | None = None,
) -> Redeemable:
    known: dict[str, Any] = dict(zip(_TEXTS, texts, strict=True))
    return Redeemable(
        **known,
        scopes=tuple(scopes),
        claims=claims,
        released=tuple(released),
        amr=tuple(amr),
        auth_time=auth_time,
        expires_at=expires_at,
        unstored=unstored,
    )
