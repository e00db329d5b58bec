"""Profiles of the password policy, as data: what citizens and staff must do with a password.

NIST SP 800-63B-4 asks for length and a list of breached passwords, and against composition rules and forced periodic
change. GB/T 22239-2019 §8.1.4.1, which holds for staff, demands both, and two factors of which one is cryptographic.
So there are two profiles (docs/decisions/0072-two-password-profiles.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class PolicyProfile:
    """The rules of one kind of account. Every profile also has the lists and the checks of `policy`.

    `classes`: kinds of characters that a password must have, of upper case, lower case, digits, signs and other
    letters. `history`: how many former passwords may not come back. `max_age`: None means no forced change by time.
    `cryptographic_factor`: a login needs two factors, one of them cryptographic.
    """

    name: str
    least: int
    classes: int = 1
    history: int = 0
    max_age: timedelta | None = None
    cryptographic_factor: bool = False

    def is_due(self, changed_at: datetime, now: datetime) -> bool:
        """Whether a password set at that moment must be changed by now."""
        return self.max_age is not None and now - changed_at >= self.max_age


CITIZEN = PolicyProfile("citizen", least=10)
MLPS3 = PolicyProfile("mlps3", least=12, classes=3, history=5, max_age=timedelta(days=90), cryptographic_factor=True)
PROFILES: tuple[PolicyProfile, ...] = (CITIZEN, MLPS3)
# RFC 8176 names of methods that an assessor counts as cryptographic. A text message is none.
CRYPTOGRAPHIC = frozenset({"otp", "swk", "hwk", "sc"})
