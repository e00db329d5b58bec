"""The browser at home: the one channel with single sign-on across services."""

from __future__ import annotations

from datetime import timedelta

from idp.adapters.channels.channel import Channel
from idp.interaction import Step
from idp.sessions import Lifetimes

WEB = Channel(
    name="web",
    steps=(Step.LOGIN, Step.CONSENT),
    lifetimes=Lifetimes(idle=timedelta(minutes=15), absolute=timedelta(hours=12)),
    shares_session=True,
)
