"""MATTERS: the kinds of business a delegation can be limited to. A delegation without a list covers all of them.

A token carries the codes. The service knows which of its acts belong to which matter, so the list is short and the
same for the whole city.
"""

from __future__ import annotations

MATTERS: tuple[str, ...] = (
    "registration",
    "tax",
    "social_insurance",
    "housing_fund",
    "permits",
    "construction",
    "real_estate",
    "bidding",
    "other",
)
Matters = frozenset[str] | None  # None: every matter


def shared(first: Matters, second: Matters) -> Matters:
    """The matters that both allow."""
    if first is None or second is None:
        return second if first is None else first
    return first & second
