"""The one gate: whether this client may act for this person at all, now.

It is asked when a request starts and again whenever something is redeemed, read or refreshed, so that disabling,
merging or death ends everything at once. A test walks the sources and lists its callers.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Refusal(StrEnum):
    """Why not; the value is for the operator's log, the caller answers with its own error."""

    CLIENT_DISABLED = "client_disabled"
    PERSON_UNKNOWN = "person_unknown"
    PERSON_NOT_ACTIVE = "person_not_active"
    GRANT_WITHDRAWN = "grant_withdrawn"


class HasStatus(Protocol):
    """What the gate asks of a client."""

    @property
    def status(self) -> str:
        """`active` or `disabled`."""


def may_proceed(*, client: HasStatus, person_status: str | None, grant_withdrawn: bool) -> Refusal | None:
    """None when the way is open, otherwise the first reason it is not. Anything unknown is a refusal."""
    if client.status != "active":
        return Refusal.CLIENT_DISABLED
    if person_status is None:
        return Refusal.PERSON_UNKNOWN
    if person_status != "active":
        return Refusal.PERSON_NOT_ACTIVE
    return Refusal.GRANT_WITHDRAWN if grant_withdrawn else None


def may_act_alone(client: HasStatus) -> Refusal | None:
    """The same for a client that acts for nobody but itself (client credentials)."""
    return None if client.status == "active" else Refusal.CLIENT_DISABLED


def is_token_active(token: Any, client: HasStatus, now: datetime) -> bool:
    """Whether an access or refresh token is good for anything now: it has not run out, and all it depends on stands.

    `token` is a row that `store` found: what it depends on was read in the same statement. So nothing has to be swept
    when a person, client, grant, session or login ends, and nothing that is being bought at that moment escapes.
    """
    if now >= token.expires_at:
        return False
    if token.person_id is None:
        return may_act_alone(client) is None
    if not token.bought_stands:
        return False
    withdrawn = token.grant_withdrawn_at is not None
    return may_proceed(client=client, person_status=token.person_status, grant_withdrawn=withdrawn) is None
