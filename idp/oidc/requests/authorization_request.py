"""AuthorizationRequest: a client's request from its arrival to its redemption, as one value and one state table.

    OPEN ── approve ──▶ APPROVED ── redeem (once) ──▶ REDEEMED
      │                  └─◀─ approve ─┘
      └──── deny ─────▶ DENIED ◀── deny ── APPROVED

A second approval makes a new code, and the first code becomes invalid: a person who presses a button twice loses the
first answer and must still get one. The browser that asked may approve again until the code is redeemed, or until a
minute after the request's time. Until then it may also deny. A request that is answered without a page is stored when
its code is spent, and is REDEEMED from the start (decision 51). "Expired" is not a state but a comparison with
`expires_at`. The database holds the same table as conditions of its UPDATEs (`request_store`), so that of two
concurrent answers to one request only one succeeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from idp.oidc.assurance import Authentication
from idp.oidc.representation import ActsFor
from idp.oidc.requests import claims_parameter


class RequestKind(StrEnum):
    """How the person is reached and how the client collects the answer. One kind so far: this browser, a code."""

    BROWSER = "browser"


class RequestState(StrEnum):
    """The state of the request."""

    OPEN = "open"
    APPROVED = "approved"
    REDEEMED = "redeemed"
    DENIED = "denied"


class RequestEvent(StrEnum):
    """What can happen to a request."""

    APPROVE = "approve"
    DENY = "deny"
    REDEEM = "redeem"


TRANSITIONS: Mapping[tuple[RequestState, RequestEvent], RequestState] = {
    (RequestState.OPEN, RequestEvent.APPROVE): RequestState.APPROVED,
    (RequestState.OPEN, RequestEvent.DENY): RequestState.DENIED,
    (RequestState.APPROVED, RequestEvent.APPROVE): RequestState.APPROVED,
    (RequestState.APPROVED, RequestEvent.DENY): RequestState.DENIED,
    (RequestState.APPROVED, RequestEvent.REDEEM): RequestState.REDEEMED,
}

# An old person with a phone in the other hand needs minutes. An open request grants nothing.
OPEN_FOR = timedelta(minutes=30)
# ASVS 5.0 V10.4.3, level 3: a code lives for at most one minute.
CODE_FOR = timedelta(seconds=60)


class WrongState(Exception):
    """This state does not allow the event. It is a programming error, because the database decides races."""


def next_state(state: RequestState, event: RequestEvent) -> RequestState:
    """The state after the event. Raises WrongState for a pair that the table does not list."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise WrongState(f"{event} of a request that is {state}") from None


@dataclass(frozen=True, slots=True)
class ActingAs:
    """For whom a person chose to act: who chose, and an organisation or person, or None for themselves."""

    person_id: str
    represented_id: str | None


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A validated request of one client. It is trusted no more than the client is.

    `claims` is the `claims` parameter. Its `claims["id_token"]["sub"]["value"]` also holds the subject of an
    `id_token_hint`, because both require the same: this person.
    """

    id: str
    client_id: str
    redirect_uri: str
    response_mode: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    kind: RequestKind = RequestKind.BROWSER
    state: RequestState = RequestState.OPEN
    claims: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    client_state: str | None = field(default=None, repr=False)
    nonce: str | None = field(default=None, repr=False)
    code_challenge: str | None = field(default=None, repr=False)
    acr_values: tuple[str, ...] = ()
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    ui_locales: tuple[str, ...] = ()
    browser_binding: bytes | None = field(default=None, repr=False)
    acting_as: ActingAs | None = None

    @property
    def essential_acr(self) -> tuple[str, ...]:
        """The `acr` values of which one must be met, or the answer is an error. Empty if any will do."""
        return claims_parameter.essential_acr(self.claims)

    @property
    def essential_evidence_age(self) -> timedelta | None:
        """How old the evidence for an essential `acr` may be at the request. None if any age will do."""
        return claims_parameter.essential_evidence_age(self.claims)

    @property
    def requested_acr(self) -> tuple[str, ...]:
        """The `acr` values the client would like, in its order of preference, essential or not."""
        return tuple(dict.fromkeys((*claims_parameter.requested_acr(self.claims), *self.acr_values)))

    @property
    def requested_subject(self) -> str | None:
        """The `sub` that the client requires (`id_token_hint` or the `claims` parameter), or None."""
        return claims_parameter.requested_subject(self.claims)

    @property
    def may_be_approved(self) -> bool:
        """True if the browser that asked may still get an answer: neither denied nor redeemed."""
        return (self.state, RequestEvent.APPROVE) in TRANSITIONS

    @property
    def may_ask(self) -> bool:
        """True if a page may be shown. False for `prompt=none`."""
        return "none" not in self.prompt

    def is_expired(self, now: datetime) -> bool:
        """True if it is too late to answer. Repeated approvals cannot keep a request, or its `max_age`, open."""
        return now >= min(self.expires_at, self.created_at + OPEN_FOR + CODE_FOR)


@dataclass(frozen=True, slots=True)
class Approval:
    """The person's approval: who, how authenticated, session, grant, released claims, and for whom they act."""

    person_id: str
    session_id: str
    authentication: Authentication
    grant_id: str
    sub: str
    released: tuple[str, ...]
    represents: ActsFor | None = None
