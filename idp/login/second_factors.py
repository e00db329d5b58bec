"""SECOND_FACTORS: what a person may prove beside a password, and the session that has proven it.

The page of the step chooses among them with `way`. A second factor never starts a session: it raises one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from accounts import audit
from accounts.credentials import passkeys, recovery_codes, totp
from accounts.credentials import password as passwords
from accounts.database import Connection
from accounts.vault import Vault
from idp.login import sessions
from idp.oidc import assurance


class SpendCode(Protocol):
    """Spends a code that the person typed, and writes `record` with it."""

    def __call__(
        self, c: Connection, vault: Vault, person_id: str, code: str, /, *, now: datetime, record: Mapping[str, Any]
    ) -> bool:
        """True if the code was the person's and unused. Raises Throttled."""
        ...


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """One kind. `method` is its RFC 8176 value; `spend` is None for a kind that is not a typed code.

    A passkey is signed for and not typed, and its key decides between two methods (accounts.credentials.passkeys).
    """

    name: str
    method: str | None
    event: str
    is_held: Callable[[Connection, str], bool]
    spend: SpendCode | None = None


def _has_codes_left(c: Connection, person_id: str) -> bool:
    codes = recovery_codes.of(c, person_id)
    return codes is not None and codes.left > 0


SECOND_FACTORS: tuple[SecondFactor, ...] = (
    SecondFactor(
        "totp", "otp", "person:authentication:totp", lambda c, person_id: bool(totp.of(c, person_id)), totp.spend
    ),
    SecondFactor("passkey", None, "person:authentication:passkey", passkeys.is_held),
    SecondFactor("recovery_code", "otp", "person:authentication:recovery_code", _has_codes_left, recovery_codes.spend),
)


def may_set_up(c: Connection, person_id: str) -> bool:
    """False for an account that an older system's password opened.

    Somebody may have opened the older account under another person's number. Their password ends when a counter has
    seen the person or the merge is undone. Their authenticator would stay, and keep the person out.
    """
    return passwords.is_chosen(c, person_id)


def held(c: Connection, person_id: str) -> tuple[SecondFactor, ...]:
    """The kinds that the person can prove now, the best first."""
    return tuple(each for each in SECOND_FACTORS if each.is_held(c, person_id))


def prove(
    c: Connection,
    vault: Vault,
    session: sessions.Session,
    factor: SecondFactor,
    code: str,
    *,
    source: str | None,
    now: datetime,
) -> sessions.NewSession | None:
    """The session with this factor, under a new handle. None if the code is wrong or the session has ended.

    `source` is where the code came from, which may not be where the session began. Raises Throttled. The caller's
    transaction must commit in every case, so that attempts count.
    """
    facts = audit.row(factor.event, now=now, person=session.person_id, channel=session.channel, source=source)
    if (
        factor.spend is None
        or factor.method is None
        or not factor.spend(c, vault, session.person_id, code, now=now, record=facts)
    ):
        audit.record(c, facts | {"outcome": "failure"})
        return None
    return raised(c, session, factor.method, now)


def raised(c: Connection, session: sessions.Session, method: str, now: datetime) -> sessions.NewSession | None:
    """The same session with one more method proven. `auth_time` stays: it says since when all of them hold."""
    proven = assurance.authentication((*session.amr, method), session.auth_time, session.ial)
    return sessions.step_up(c, session, proven, now)
