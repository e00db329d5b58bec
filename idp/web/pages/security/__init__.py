"""The pages of the ways to sign in: each adds, changes or removes one. SECURITY_PAGES lists their blueprints."""

from __future__ import annotations

import flask

from idp.web.pages.security.overview import security
from idp.web.pages.security.passkeys import passkeys
from idp.web.pages.security.password import password
from idp.web.pages.security.phones import phones
from idp.web.pages.security.platforms import platforms

SECURITY_PAGES: tuple[flask.Blueprint, ...] = (
    security,
    passkeys,
    password,
    phones,
    platforms,
)
