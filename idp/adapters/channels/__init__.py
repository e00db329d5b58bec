"""CHANNELS: every place where people use the service. Only `web` is served so far; the others are the agreed limits."""

from __future__ import annotations

from datetime import timedelta

from idp.adapters.channels.channel import Channel
from idp.adapters.channels.web import WEB
from idp.login.interaction import Step
from idp.login.sessions import SessionLifetimes
from idp.oidc.assurance import Acr

_STEPS = (Step.LOGIN, Step.SECOND_FACTOR, Step.CONSENT)

MOBILE = Channel("mobile", _STEPS, SessionLifetimes(idle=timedelta(days=30), absolute=timedelta(days=30)))
HALL = Channel("hall", _STEPS, SessionLifetimes(idle=timedelta(minutes=5), absolute=timedelta(minutes=10)))
KIOSK = Channel(
    "kiosk", _STEPS, SessionLifetimes(idle=timedelta(seconds=60), absolute=timedelta(minutes=10)), ceiling=Acr(3, 2)
)
HOTLINE = Channel(
    "hotline", _STEPS, SessionLifetimes(idle=timedelta(minutes=30), absolute=timedelta(minutes=30)), ceiling=Acr(4, 2)
)

CHANNELS: tuple[Channel, ...] = (
    WEB,
    MOBILE,
    HALL,
    KIOSK,
    HOTLINE,
)
