"""Channel: where a person uses the service, as data. Counters, browsers and phones differ only in its values."""

from __future__ import annotations

from dataclasses import dataclass

from idp.login.interaction import Step
from idp.login.sessions import SessionLifetimes
from idp.oidc.assurance import HIGHEST_AAL, HIGHEST_IAL, Acr

EARNED = Acr(HIGHEST_IAL, HIGHEST_AAL)


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. `ceiling` limits the assurance that a login there may claim; `shares_session` is single sign-on."""

    name: str
    steps: tuple[Step, ...]
    lifetimes: SessionLifetimes
    ceiling: Acr = EARNED
    shares_session: bool = False
