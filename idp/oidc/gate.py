"""The one gate: whether this client may act for this person now.

It is asked when a request starts, and again whenever a code or token is redeemed, read or refreshed. So disabling,
merging or death ends all access at once. A test walks the sources and lists its callers.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Refusal(StrEnum):
    """The reason for a refusal. The value is for the operator's log; the caller answers with its own error."""

    CLIENT_DISABLED = "client_disabled"
    PERSON_UNKNOWN = "person_unknown"
    PERSON_NOT_ACTIVE = "person_not_active"
    GRANT_WITHDRAWN = "grant_withdrawn"


class HasStatus(Protocol):
    """The part of a client that the gate reads."""

    @property
    def status(self) -> str:
        """`active` or `disabled`."""


def may_proceed(*, client: HasStatus, person_status: str | None, grant_withdrawn: bool) -> Refusal | None:
    """None if the client may act, otherwise the first reason against it. Anything unknown is a refusal."""
    if client.status != "active":
        return Refusal.CLIENT_DISABLED
    if person_status is None:
        return Refusal.PERSON_UNKNOWN
    if person_status != "active":
        return Refusal.PERSON_NOT_ACTIVE
    return Refusal.GRANT_WITHDRAWN if grant_withdrawn else None


def may_act_alone(client: HasStatus) -> Refusal | None:
    """The same for a client that acts only for itself (client credentials)."""
    return None if client.status == "active" else Refusal.CLIENT_DISABLED


def is_token_active(token: Any, client: HasStatus, now: datetime) -> bool:
    """True if an access or refresh token is valid now: not expired, and all that it depends on is valid.

    `token` is a row that `token_store` found, together with what it depends on, in one statement. So the end of a
    person, client, grant, session or login needs no sweep, and a token that is issued at that moment does not escape.
    """
    if now >= token.expires_at:
        return False
    if token.person_id is None:
        return may_act_alone(client) is None
    if not token.bought_stands:
        return False
    withdrawn = token.grant_withdrawn_at is not None
    return may_proceed(client=client, person_status=token.person_status, grant_withdrawn=withdrawn) is None
