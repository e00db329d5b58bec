"""AuthorizationRequest: what a client asks for, from the asking to the collecting, as one value and one state table.

    OPEN ── approve ──▶ APPROVED ── redeem (once) ──▶ REDEEMED
      │                  └─◀─ approve ─┘
      └──── deny ─────▶ DENIED ◀── deny ── APPROVED

Approved again it has a new code, and the code before is none any more: whoever presses a button twice throws the first
answer away, and must not be left standing. The browser that asked may do that, until somebody collects or a minute
after the request's time; until then a no takes the yes back.
A request that is answered without a page is stored when its code is spent, REDEEMED from the start (decision 51).
"Expired" is no state but a question asked of `expires_at`. The database holds the same table as conditions of its
UPDATEs (`request_store`), so that two answers racing for one request cannot both win.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from idp.oidc.assurance import Authentication
from idp.oidc.requests import claims_parameter


class RequestKind(StrEnum):
    """How the person is reached and with which handle the client collects. One kind so far: this browser, a code."""

    BROWSER = "browser"


class RequestState(StrEnum):
    """Where the request stands."""

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

# An elder with a phone in the other hand needs minutes; nothing is granted while a request is open.
OPEN_FOR = timedelta(minutes=30)
# ASVS 5.0 V10.4.3, level 3: a code lives for at most one minute.
CODE_FOR = timedelta(seconds=60)


class WrongState(Exception):
    """An event that this state does not know: a programming error, for the database asks the question that races."""


def next_state(state: RequestState, event: RequestEvent) -> RequestState:
    """The state after the event. Raises WrongState for what the table does not list."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise WrongState(f"{event} of a request that is {state}") from None


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A validated request of one client. Nothing in it is trusted more than the client is.

    `claims` is the `claims` parameter; `claims["id_token"]["sub"]["value"]` is also where an `id_token_hint` ends up,
    for both say the same: this person or nobody.
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

    @property
    def essential_acr(self) -> tuple[str, ...]:
        """The `acr` values of which one must be met, or the answer is an error; empty when any will do."""
        return claims_parameter.essential_acr(self.claims)

    @property
    def requested_acr(self) -> tuple[str, ...]:
        """The `acr` values the client would like, in its order of preference, essential or not."""
        return tuple(dict.fromkeys((*claims_parameter.requested_acr(self.claims), *self.acr_values)))

    @property
    def requested_subject(self) -> str | None:
        """The `sub` the client insists on (`id_token_hint` or the `claims` parameter), or None."""
        return claims_parameter.requested_subject(self.claims)

    @property
    def may_be_approved(self) -> bool:
        """Whether the browser that asked may still get an answer: nobody has said no, or collected."""
        return (self.state, RequestEvent.APPROVE) in TRANSITIONS

    @property
    def may_ask(self) -> bool:
        """Whether a page may be shown: false for `prompt=none`."""
        return "none" not in self.prompt

    def is_expired(self, now: datetime) -> bool:
        """Whether it is too late to answer. Approving again and again keeps no request, and no `max_age`, open."""
        return now >= min(self.expires_at, self.created_at + OPEN_FOR + CODE_FOR)


@dataclass(frozen=True, slots=True)
class Approval:
    """The person's yes: who, proven how, in which session, under which grant, and the claims it lets go."""

    person_id: str
    session_id: str
    authentication: Authentication
    grant_id: str
    sub: str
    released: tuple[str, ...]
