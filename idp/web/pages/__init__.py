"""One file for each step or citizen page. PAGES lists all their blueprints; none registers itself."""

from __future__ import annotations

import flask

from idp.web.pages.account import account
from idp.web.pages.consent import consent
from idp.web.pages.login import login
from idp.web.pages.preferences import preferences
from idp.web.pages.proofing import proofing
from idp.web.pages.sandbox import sandbox
from idp.web.pages.second_factor import second_factor
from idp.web.pages.security import security
from idp.web.pages.session import session
from idp.web.pages.sign_out import sign_out
from idp.web.pages.sign_up import sign_up

PAGES: tuple[flask.Blueprint, ...] = (
    login,
    sign_up,
    proofing,
    second_factor,
    consent,
    account,
    security,
    preferences,
    session,
    sign_out,
    sandbox,
)
