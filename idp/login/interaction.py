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
from idp.oidc.consent.refusals import ASKED_AT_MOST
from idp.oidc.errors import (
    AccessDenied,
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
    PASSWORD = "password"  # the password of this login is known to guessers, or too old  # noqa: S105 - a step
    PROOFING = "proofing"  # the service needs to be surer who the person is than any check so far shows
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

    @property
    def ceiling(self) -> assurance.Acr:
        """The highest assurance that a login there may claim."""


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
    """Who is signed in, what they have proven and what they agreed to. `None` means nobody or nothing.

    `acr` counts only checks that are as recent as the request demands. `provable_ial` is the highest level that this
    person can prove in this channel now.
    """

    auth_time: datetime | None = None
    methods: tuple[str, ...] = ()
    acr: str | None = None
    password_due: bool = False
    provable_ial: int = 0
    sub: str | None = None
    knows_whom_for: bool = True
    has_authenticator: bool = False
    lacks_cryptographic_factor: bool = False
    consent_needed: bool = True
    consent_at: datetime | None = None
    refusals: int = 0


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

    Staff always need two, one of them cryptographic.
    """
    proven = assurance.parse(state.acr or "")
    if proven is not None and state.lacks_cryptographic_factor:
        return True
    if proven is None or proven.aal >= _TWO_FACTORS or "otp" in state.methods:
        return False
    return state.has_authenticator or (
        not assurance.meets_any(prompt.essential_acr, _reachable(state))
        and assurance.meets_any(prompt.essential_acr, _reachable(state, aal=_TWO_FACTORS))
    )


def _below_essential_acr(prompt: PromptRequest, state: AuthenticationState) -> bool:
    """This login does not reach an essential level (Core §5.5.1.1)."""
    return not assurance.meets_any(prompt.essential_acr, state.acr or "")


def _beyond_reach(prompt: PromptRequest, state: AuthenticationState) -> bool:
    """No essential level can be reached here: not even a further check of who the person is would be enough."""
    return not assurance.meets_any(prompt.essential_acr, _reachable(state))


def _reachable(state: AuthenticationState, aal: int = 0) -> str:
    """The level of this login once everything that the person can prove here is proven, and `aal` is reached."""
    reached = assurance.parse(state.acr or "")
    return str(assurance.Acr(max(reached.ial, state.provable_ial), max(reached.aal, aal))) if reached else ""


def _password_due(_: PromptRequest, state: AuthenticationState) -> bool:
    return state.password_due


def _code_is_too_little(prompt: PromptRequest, state: AuthenticationState) -> bool:
    """This login was a code to a phone, which gives IAL1 at most, or an account of a platform, which is no factor.

    With a password the level may be reached.
    """
    is_weak = assurance.is_by_others_alone(state.methods)
    return is_weak and (state.lacks_cryptographic_factor or _below_essential_acr(prompt, state))


def _whom_for_is_open(_: PromptRequest, state: AuthenticationState) -> bool:
    """The client serves organisations, and more than one answer is possible, or none."""
    return not state.knows_whom_for


def _consent_missing(_: PromptRequest, state: AuthenticationState) -> bool:
    return state.consent_needed


def _refused_before(prompt: PromptRequest, state: AuthenticationState) -> bool:
    """The person refused: nothing asks again by itself, and after a second refusal no login does."""
    counts = state.refusals >= (1 if "none" in prompt.prompt else ASKED_AT_MOST)
    return state.consent_needed and counts and "consent" not in prompt.prompt


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
        Step.LOGIN,
        _code_is_too_little,
        UnmetAuthenticationRequirements,
        "this login does not reach the essential acr; send it without prompt=none",
    ),
    Rule(
        Step.SECOND_FACTOR,
        _second_factor_missing,
        LoginRequired,
        "a second factor is needed; send the request without prompt=none",
    ),
    Rule(None, _beyond_reach, UnmetAuthenticationRequirements, "no login here reaches the essential acr"),
    Rule(
        Step.PROOFING,
        _below_essential_acr,
        UnmetAuthenticationRequirements,
        "the person has not proven enough for the essential acr; send it without prompt=none",
    ),
    Rule(None, _refused_before, AccessDenied, "the person has refused; send prompt=consent when they want to be asked"),
    Rule(
        Step.PASSWORD, _password_due, InteractionRequired, "the password must be changed; send it without prompt=none"
    ),
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
