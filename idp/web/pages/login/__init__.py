"""Logging in: one page for each way to prove who is there, and the page of the second factor."""

from __future__ import annotations

import flask

from idp.web.pages.login.by_passkey import passkey_login
from idp.web.pages.login.by_password import login
from idp.web.pages.login.by_phone import phone_login
from idp.web.pages.login.by_platform import federated_login
from idp.web.pages.login.second_factor import second_factor

LOGIN_PAGES: tuple[flask.Blueprint, ...] = (login, passkey_login, phone_login, federated_login, second_factor)
