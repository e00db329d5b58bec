"""The web channel: the browser at home. Only this channel has single sign-on across services."""

from __future__ import annotations

from datetime import timedelta

from idp.adapters.channels.channel import Channel
from idp.login.interaction import Step
from idp.login.sessions import SessionLifetimes

WEB = Channel(
    name="web",
    steps=(Step.LOGIN, Step.SECOND_FACTOR, Step.PROOFING, Step.PASSWORD, Step.REPRESENT, Step.CONSENT),
    lifetimes=SessionLifetimes(idle=timedelta(minutes=15), absolute=timedelta(hours=12)),
    shares_session=True,
)
