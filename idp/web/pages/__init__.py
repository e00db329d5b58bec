"""One file for each step or citizen page. PAGES lists all their blueprints; none registers itself."""

from __future__ import annotations

import flask

from idp.web.pages.account import account
from idp.web.pages.consent import consent
from idp.web.pages.login import login
from idp.web.pages.organisations.mine import organisations
from idp.web.pages.organisations.one import organisation
from idp.web.pages.organisations.represent import represent
from idp.web.pages.preferences import preferences
from idp.web.pages.sandbox import sandbox
from idp.web.pages.second_factor import second_factor
from idp.web.pages.security import security
from idp.web.pages.session import session
from idp.web.pages.sign_out import sign_out

PAGES: tuple[flask.Blueprint, ...] = (
    login,
    second_factor,
    represent,
    consent,
    account,
    organisations,
    organisation,
    security,
    preferences,
    session,
    sign_out,
    sandbox,
)
