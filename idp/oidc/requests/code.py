"""The authorization code: a secret that carries the sealed facts of its request.

The token endpoint need not read the request first: it opens the code and checks it, and one statement spends it. Only
the row decides whether the code may be spent. Facts that would make a code too long for a URL stay in the row, and such
a code carries only the row's key (docs/decisions/0034-a-code-carries-its-request.md). A request that was answered
without a page has no row until its code is spent, which writes it
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
from idp.oidc import representation
from idp.oidc.representation import ActsFor
from idp.oidc.requests import request_store
from idp.oidc.requests.authorization_request import Approval, AuthorizationRequest
from idp.oidc.tokens.keys import encoded
from idp.oidc.vocabulary import CODE_PREFIX

IN_A_CODE = "authorization_code"  # the place of the seal; no table has it
_SHORTEST = 200  # characters of a code with facts; a code with only a key has about 140 at most
_LONGEST = 1200  # bytes of facts: a code of some 1,700 characters


@dataclass(frozen=True, slots=True)
class Unstored:
    """What is written of an approval only when its code is spent: its record, and the session's client."""

    channel: str
    joins_session: bool  # True if the client is new in the session


@dataclass(frozen=True, slots=True)
class Redeemable:
    """What a code was approved for. Only the row knows whether it is still valid."""

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
    represents: ActsFor | None = None


def new_code(vault: Vault, request: AuthorizationRequest, approval: Approval, expires_at: datetime) -> str:
    """A code that nobody can guess or forge, for this request with this approval."""
    facts = orjson.dumps(_facts(request, approval, expires_at))
    return _sealed(vault, facts if len(facts) <= _LONGEST else orjson.dumps([request.id]))


def code_without_row(
    vault: Vault, request: AuthorizationRequest, approval: Approval, expires_at: datetime, unstored: Unstored
) -> str | None:
    """The same for a request without a row. None if its facts are too long: then it must be stored."""
    facts = orjson.dumps(_facts(request, approval, expires_at, unstored))
    return _sealed(vault, facts) if len(facts) <= _LONGEST else None


def _sealed(vault: Vault, facts: bytes) -> str:
    return _spelt(vault.seal(facts.decode(), place=IN_A_CODE))


def _spelt(sealed: bytes) -> str:
    return CODE_PREFIX + encoded(sealed).decode()


def names_its_row_only(code: str) -> bool:
    """True if redeeming this code of ours needs the request's row."""
    return len(code) < _SHORTEST


def answers_for(vault: Vault, code: str, stored: Callable[[str], Any]) -> Redeemable | None:
    """The facts of the code. None if we did not make it, or another version of us did.

    `stored` finds an approved request's row by its key, for a code that carries only the key.
    """
    try:
        sealed = base64.b64decode(code.removeprefix(CODE_PREFIX) + "==", altchars=b"-_")
        if code != _spelt(sealed):  # base64 has several spellings; a replay is recognised by the one we sent
            return None
        request_id, *facts = orjson.loads(vault.open(sealed, place=IN_A_CODE))
        if not facts:
            return _of_row(vault, stored(request_id))
        unstored, represents = _beyond(facts[_OF_REQUEST:])
        *texts, scopes, claims, released, amr, auth_time, expires_at = facts[:_OF_REQUEST]
        times = moment(auth_time), moment(expires_at)
        return _redeemable([request_id, *texts], scopes, claims, released, amr, *times, unstored, represents)
    except (SealBroken, binascii.Error, ValueError, TypeError):
        return None


def _of_row(vault: Vault, row: Any) -> Redeemable | None:
    if row is None:
        return None
    _, nonce, _ = request_store.worded(vault, row)
    texts = [nonce if name == "nonce" else getattr(row, name) for name in _TEXTS]
    return _redeemable(
        texts, row.scopes, row.claims, row.released, row.amr, row.auth_time, row.expires_at, None, row.represents
    )


_TEXTS = (
    "id", "client_id", "redirect_uri", "code_challenge", "nonce", "person_id", "session_id", "grant_id", "sub", "acr",
)  # fmt: skip


_OF_REQUEST = len(_TEXTS) - 1 + 6  # facts of every code besides the key; some codes have more


def _beyond(more: list[Any]) -> tuple[Unstored | None, Any]:
    """The facts of a code without a row (two), and of one in which a person acts for an organisation (the last)."""
    represents = more.pop() if len(more) % 2 else None
    return Unstored(*more) if more else None, represents


def _facts(
    request: AuthorizationRequest, approval: Approval, expires_at: datetime, unstored: Unstored | None = None
) -> list[Any]:
    proven = approval.authentication
    return [
        *(request.id, request.client_id, request.redirect_uri, request.code_challenge, request.nonce),
        *(approval.person_id, approval.session_id, approval.grant_id, approval.sub, proven.acr),
        *(request.scopes, request.claims, approval.released, proven.amr),
        *(microseconds(proven.auth_time), microseconds(expires_at)),
        *(() if unstored is None else (unstored.channel, unstored.joins_session)),
        *(() if approval.represents is None else (approval.represents.stored(),)),
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
    represents: Any = None,
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
        represents=representation.read(represents),
    )
