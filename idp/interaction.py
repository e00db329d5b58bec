"""The policy of signing in, as a table: what a person must still do before a client gets its answer.

`next_step` is a pure function of values. The first row that is unmet wins; with `prompt=none` its own error goes
to the client instead (OpenID Connect Core §3.1.2.6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from idp import assurance
from idp.oidc.errors import ConsentRequired, LoginRequired, ProtocolError, UnmetAuthenticationRequirements
from idp.sessions import Lifetimes


class Step(StrEnum):
    """One thing the person must still do; its value names the page, the template and the test."""

    LOGIN = "login"  # nobody is signed in here, or not recently, or not as strongly as asked
    CONSENT = "consent"  # the person has not yet seen or agreed to what this client will learn


class ChannelRules(Protocol):
    """What a channel decides; `idp.adapters.channels` holds the values."""

    @property
    def name(self) -> str:
        """One of hall, web, mobile, kiosk, hotline."""

    @property
    def lifetimes(self) -> Lifetimes:
        """How long a session of this channel lasts."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps this channel asks for, in order."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says about how the person is to be asked. `essential_acr` is empty when any will do."""

    created_at: datetime
    prompt: frozenset[str] = frozenset()
    max_age: timedelta | None = None
    essential_acr: tuple[str, ...] = ()
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is here and what they have proven and agreed. `None` stands for: nobody, nothing."""

    auth_time: datetime | None = None
    acr: str | None = None
    sub: str | None = None
    consent_needed: bool = True
    consent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One step, when it is due, and what a client that forbade asking is told. `None`: no step can repair it."""

    step: Step | None
    due: Callable[[Asked, Standing], bool]
    error: type[ProtocolError]
    says: str


def _nobody(_: Asked, standing: Standing) -> bool:
    return standing.auth_time is None


def _asked_again(asked: Asked, standing: Standing) -> bool:
    """A login or choice of account was asked for, and none has happened since the request was made."""
    return bool(asked.prompt & {"login", "select_account"}) and _before(standing.auth_time, asked.created_at)


def _too_long_ago(asked: Asked, standing: Standing) -> bool:
    """Counted back from the request, so that max_age=0 asks once and not for ever."""
    return asked.max_age is not None and _before(standing.auth_time, asked.created_at - asked.max_age)


def _somebody_else(asked: Asked, standing: Standing) -> bool:
    """`id_token_hint` or `claims.id_token.sub` names another person than the one who is here."""
    return asked.subject is not None and asked.subject != standing.sub


def _still_somebody_else(asked: Asked, standing: Standing) -> bool:
    """The person was asked to log in as the one the hint names and came back as another: asking again is a loop."""
    return _somebody_else(asked, standing) and not _before(standing.auth_time, asked.created_at)


def _not_sure_enough(asked: Asked, standing: Standing) -> bool:
    """An essential level that this login does not reach (Core §5.5.1.1); there is no stronger method to ask for yet."""
    return not assurance.meets_any(asked.essential_acr, standing.acr or "")


def _not_seen(_: Asked, standing: Standing) -> bool:
    return standing.consent_needed


def _shown_again(asked: Asked, standing: Standing) -> bool:
    return "consent" in asked.prompt and _before(standing.consent_at, asked.created_at)


def _before(moment: datetime | None, limit: datetime) -> bool:
    return moment is None or moment < limit


ROWS: tuple[Row, ...] = (
    Row(
        Step.LOGIN, _nobody, LoginRequired, "nobody is signed in in this browser; send the request without prompt=none"
    ),
    Row(Step.LOGIN, _asked_again, LoginRequired, "prompt=login cannot be answered silently"),
    Row(Step.LOGIN, _too_long_ago, LoginRequired, "the login is older than max_age; send it without prompt=none"),
    Row(None, _still_somebody_else, LoginRequired, "the person who logged in is not the one the hint names"),
    Row(Step.LOGIN, _somebody_else, LoginRequired, "another person is signed in than the hint names"),
    Row(None, _not_sure_enough, UnmetAuthenticationRequirements, "no login here reaches the essential acr"),
    Row(Step.CONSENT, _not_seen, ConsentRequired, "the person has not agreed to this yet; send it without prompt=none"),
    Row(Step.CONSENT, _shown_again, ConsentRequired, "prompt=consent cannot be answered silently"),
)


def next_row(asked: Asked, standing: Standing, steps: tuple[Step, ...]) -> Row | None:
    """The first row that is due among a channel's steps, or None when nothing is left to ask."""
    return next((row for row in ROWS if (row.step is None or row.step in steps) and row.due(asked, standing)), None)


def next_step(asked: Asked, standing: Standing, channel: ChannelRules) -> Step | None:
    """What the person must do next, or None.

    Raises the row's error where the client said prompt=none, or where no step can repair what is missing.
    """
    row = next_row(asked, standing, channel.steps)
    if row is None:
        return None
    if row.step is None or "none" in asked.prompt:
        raise row.error(row.says)
    return row.step
