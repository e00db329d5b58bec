"""The one gate: whether this client may act for this person at all, now.

It is asked when a request starts and again whenever something is redeemed, read or refreshed, so that disabling,
merging or death ends everything at once. A test walks the sources and lists its callers.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Refusal(StrEnum):
    """Why not; the value is for the operator's log, the caller answers with its own error."""

    CLIENT_DISABLED = "client_disabled"
    PERSON_UNKNOWN = "person_unknown"
    PERSON_NOT_ACTIVE = "person_not_active"
    GRANT_WITHDRAWN = "grant_withdrawn"


class Admitted(Protocol):
    """What the gate asks of a client."""

    @property
    def status(self) -> str:
        """`active` or `disabled`."""


def may_proceed(*, client: Admitted, person_status: str | None, grant_withdrawn: bool) -> Refusal | None:
    """None when the way is open, otherwise the first reason it is not. Anything unknown is a refusal."""
    if client.status != "active":
        return Refusal.CLIENT_DISABLED
    if person_status is None:
        return Refusal.PERSON_UNKNOWN
    if person_status != "active":
        return Refusal.PERSON_NOT_ACTIVE
    return Refusal.GRANT_WITHDRAWN if grant_withdrawn else None


def may_act_alone(client: Admitted) -> Refusal | None:
    """The same for a client that acts for nobody but itself (client credentials)."""
    return None if client.status == "active" else Refusal.CLIENT_DISABLED
