"""The policy of signing in, as a table: what a person must still do before a client gets its answer.

`next_step` is a pure function of values. The first rule that is due wins. With `prompt=none` its error goes to the
client instead (OpenID Connect Core §3.1.2.6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from idp.login.sessions import SessionLifetimes
from idp.oidc import assurance
from idp.oidc.errors import (
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    ProtocolError,
    UnmetAuthenticationRequirements,
)

_TWO_FACTORS = 2  # as an authentication assurance level


class Step(StrEnum):
    """One thing that the person must still do. Its value names the page, the template and the test."""

    LOGIN = "login"  # nobody is signed in, or not recently enough, or another person than the hint names
    SECOND_FACTOR = "second_factor"  # the service, or the person's own choice, asks for more than one factor
    REPRESENT = "represent"  # the person must choose to act for themselves or for an organisation
    CONSENT = "consent"  # the person has not yet seen or agreed to what this client will learn


class ChannelRules(Protocol):
    """What a channel decides. `idp.adapters.channels` holds the values."""

    @property
    def name(self) -> str:
        """One of hall, web, mobile, kiosk, hotline."""

    @property
    def lifetimes(self) -> SessionLifetimes:
        """How long a session of this channel lasts."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that this channel asks for."""


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """What a request says about how to ask the person. `essential_acr` is empty if any level is enough."""

    created_at: datetime
    prompt: frozenset[str] = frozenset()
    max_age: timedelta | None = None
    essential_acr: tuple[str, ...] = ()
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class AuthenticationState:
    """Who is signed in, what they have proven and what they agreed to. `None` means nobody or nothing."""

    auth_time: datetime | None = None
    acr: str | None = None
    sub: str | None = None
    knows_whom_for: bool = True
    has_authenticator: bool = False
    consent_needed: bool = True
    consent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One step, when it is due, and the error for a client that forbade asking. `step` is None if no step can help."""

    step: Step | None
    due: Callable[[PromptRequest, AuthenticationState], bool]
    error: type[ProtocolError]
    description: str


def _not_signed_in(_: PromptRequest, state: AuthenticationState) -> bool:
    return state.auth_time is None


def _prompt_asks_again(prompt: PromptRequest, state: AuthenticationState) -> bool:
    """A login or a choice of account was requested, and none has happened since the request."""
    return bool(prompt.prompt & {"login", "select_account"}) and _before(state.auth_time, prompt.created_at)


def _older_than_max_age(prompt: PromptRequest, state: AuthenticationState) -> bool:
    """The age is counted back from the request, so that max_age=0 asks once and not for ever."""
    return prompt.max_age is not None and _before(state.auth_time, prompt.created_at - prompt.max_age)


def _other_subject(prompt: PromptRequest, state: AuthenticationState) -> bool:
    """`id_token_hint` or `claims.id_token.sub` names another person than the one who is signed in."""
    return prompt.subject is not None and prompt.subject != state.sub


def _still_other_subject(prompt: PromptRequest, state: AuthenticationState) -> bool:
    """The hint names one person, and another logged in after the request: to ask again would be a loop."""
    return _other_subject(prompt, state) and not _before(state.auth_time, prompt.created_at)


def _second_factor_missing(prompt: PromptRequest, state: AuthenticationState) -> bool:
    """Only one factor was proven, and the person has an authenticator, or an essential level needs a second factor.

    A level that no second factor reaches is left to the next rule.
    """
    proven = assurance.parse(state.acr or "")
    if proven is None or proven.aal >= _TWO_FACTORS:
        return False
    with_it = str(assurance.Acr(proven.ial, _TWO_FACTORS))
    needed = _below_essential_acr(prompt, state) and assurance.meets_any(prompt.essential_acr, with_it)
    return state.has_authenticator or needed


def _below_essential_acr(prompt: PromptRequest, state: AuthenticationState) -> bool:
    """This login does not reach an essential level (Core §5.5.1.1), and nothing that can be asked here does."""
    return not assurance.meets_any(prompt.essential_acr, state.acr or "")


def _whom_for_is_open(_: PromptRequest, state: AuthenticationState) -> bool:
    """The client serves organisations, and more than one answer is possible, or none."""
    return not state.knows_whom_for


def _consent_missing(_: PromptRequest, state: AuthenticationState) -> bool:
    return state.consent_needed


def _consent_asked_again(prompt: PromptRequest, state: AuthenticationState) -> bool:
    return "consent" in prompt.prompt and _before(state.consent_at, prompt.created_at)


def _before(moment: datetime | None, limit: datetime) -> bool:
    return moment is None or moment < limit


RULES: tuple[Rule, ...] = (
    Rule(
        Step.LOGIN,
        _not_signed_in,
        LoginRequired,
        "nobody is signed in in this browser; send the request without prompt=none",
    ),
    Rule(Step.LOGIN, _prompt_asks_again, LoginRequired, "prompt=login cannot be answered silently"),
    Rule(
        Step.LOGIN, _older_than_max_age, LoginRequired, "the login is older than max_age; send it without prompt=none"
    ),
    Rule(None, _still_other_subject, LoginRequired, "the person who logged in is not the one the hint names"),
    Rule(Step.LOGIN, _other_subject, LoginRequired, "another person is signed in than the hint names"),
    Rule(
        Step.SECOND_FACTOR,
        _second_factor_missing,
        LoginRequired,
        "a second factor is needed; send the request without prompt=none",
    ),
    Rule(None, _below_essential_acr, UnmetAuthenticationRequirements, "no login here reaches the essential acr"),
    Rule(
        Step.REPRESENT,
        _whom_for_is_open,
        InteractionRequired,
        "the person must choose for whom they act; send it without prompt=none",
    ),
    Rule(
        Step.CONSENT,
        _consent_missing,
        ConsentRequired,
        "the person has not agreed to this yet; send it without prompt=none",
    ),
    Rule(Step.CONSENT, _consent_asked_again, ConsentRequired, "prompt=consent cannot be answered silently"),
)


def first_applicable(prompt: PromptRequest, state: AuthenticationState, steps: tuple[Step, ...]) -> Rule | None:
    """The first rule that is due among a channel's steps, or None if nothing is left to ask."""
    return next((row for row in RULES if (row.step is None or row.step in steps) and row.due(prompt, state)), None)


def next_step(prompt: PromptRequest, state: AuthenticationState, channel: ChannelRules) -> Step | None:
    """The step that is pending, or None.

    Raises the rule's error when the client sent prompt=none, or when no step can repair what is missing.
    """
    row = first_applicable(prompt, state, channel.steps)
    if row is None:
        return None
    if row.step is None or "none" in prompt.prompt:
        raise row.error(row.description)
    return row.step
