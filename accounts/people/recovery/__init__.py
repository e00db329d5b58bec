"""Recovery: a person who lost the password proves who they are, and sets a new one at once or after a wait.

What has been shown decides (NIST SP 800-63B-4, section 4.2). Two different things of the account, or a code that two
clerks handed out, are enough at once. One thing alone begins a wait, with notices and a way to cancel. A code to a
phone alone is never more than whoever holds the SIM card today (docs/decisions/0076-recovery.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from accounts.errors import NotProven


class ProofKind(StrEnum):
    """What a person has shown in a recovery."""

    SMS = "sms"  # a code to a phone that only this person verified
    SHARED_SMS = "shared_sms"  # the same, with a phone that others verified, too
    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"
    COUNTER = "counter"  # the code that two clerks handed out


PHONES = frozenset({ProofKind.SMS, ProofKind.SHARED_SMS})


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a recovery waits: with a code to a phone alone, and with something stronger alone."""

    weak: timedelta = timedelta(hours=72)
    stronger: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class AccountStrength:
    """What an account would lose: its identity level, and whether it has second factors."""

    level: int
    has_second_factor: bool


def waiting_time(proofs: frozenset[ProofKind], account: AccountStrength, waits: Waits) -> timedelta | None:
    """How long the person must wait after these proofs. None if they may set a password at once.

    A code to a phone is enough at once only where it opens as much as a login with such a code: IAL1, no second factor
    and no other holder. Raises NotProven without a proof.
    """
    if not proofs:
        raise NotProven
    is_phone_enough = proofs == {ProofKind.SMS} and account.level <= 1 and not account.has_second_factor
    if ProofKind.COUNTER in proofs or _different_things(proofs) > 1 or is_phone_enough:
        return None
    return waits.weak if proofs <= PHONES else waits.stronger


def _different_things(proofs: frozenset[ProofKind]) -> int:
    return len(proofs - PHONES) + bool(proofs & PHONES)
