"""Channel: where a person meets us, as data. What differs between counters, browsers and phones is a value here."""

from __future__ import annotations

from dataclasses import dataclass

from idp.login.interaction import Step
from idp.login.sessions import SessionLifetimes
from idp.oidc.assurance import HIGHEST_AAL, HIGHEST_IAL, Acr

EARNED = Acr(HIGHEST_IAL, HIGHEST_AAL)


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. `ceiling` caps what is claimed of a login there; `shares_session` is single sign-on."""

    name: str
    steps: tuple[Step, ...]
    lifetimes: SessionLifetimes
    ceiling: Acr = EARNED
    shares_session: bool = False
