"""One file per step or citizen page. PAGES is every blueprint the application registers; nothing registers itself."""

from __future__ import annotations

import flask

from idp.pages.account import account
from idp.pages.consent import consent
from idp.pages.login import login
from idp.pages.preferences import preferences
from idp.pages.sandbox import sandbox
from idp.pages.sign_out import sign_out

PAGES: tuple[flask.Blueprint, ...] = (login, consent, account, preferences, sign_out, sandbox)
