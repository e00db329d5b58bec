"""One file for each step or citizen page. PAGES lists all their blueprints; none registers itself."""

from __future__ import annotations

import flask

from idp.web.pages.account import ACCOUNT_PAGES
from idp.web.pages.consent import consent
from idp.web.pages.login import LOGIN_PAGES
from idp.web.pages.organisations.mine import organisations
from idp.web.pages.organisations.one import organisation
from idp.web.pages.organisations.represent import represent
from idp.web.pages.preferences import preferences
from idp.web.pages.proofing import proofing
from idp.web.pages.recovery import RECOVERY_PAGES
from idp.web.pages.sandbox import sandbox
from idp.web.pages.security import SECURITY_PAGES
from idp.web.pages.session import session
from idp.web.pages.sign_out import sign_out
from idp.web.pages.sign_up import sign_up
from idp.web.pages.staff import STAFF_PAGES

PAGES: tuple[flask.Blueprint, ...] = (
    *LOGIN_PAGES,
    sign_up,
    *RECOVERY_PAGES,
    proofing,
    represent,
    consent,
    *ACCOUNT_PAGES,
    organisations,
    organisation,
    *SECURITY_PAGES,
    preferences,
    *STAFF_PAGES,
    session,
    sign_out,
    sandbox,
)
