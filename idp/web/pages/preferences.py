"""Preferences: language and size of text, for this device, with or without a login."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue

from idp import i18n
from idp.services import unit_of_work
from idp.web.browser import own_path, redirect_to_path
from idp.web.pages.drawing.layout import LANGUAGE_COOKIE, VIEW_COOKIE, VIEWS
from idp.web.views import Audience, Csrf, view

preferences = flask.Blueprint("preferences", __name__)

_YEAR = 365 * 24 * 3600
_CHOICES = (("view", VIEW_COOKIE, VIEWS), ("language", LANGUAGE_COOKIE, tuple(i18n.LANGUAGES)))


@preferences.get("/preferences")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The page with both choices."""
    after = own_path(flask.request.args.get("next")) or ""
    return flask.render_template("pages/preferences.html", saved="saved" in flask.request.args, next=after)


@preferences.post("/preferences")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def save() -> ResponseReturnValue:
    """The choices hold for a year on this device. A choice that was not on the form stays as it was."""
    response = redirect_to_path(flask.request.form.get("next"), "/preferences?saved=yes")
    secure = unit_of_work().services.settings.is_secure
    for field, cookie, known in _CHOICES:
        value = flask.request.form.get(field)
        if value in known:
            response.set_cookie(cookie, value, max_age=_YEAR, secure=secure, httponly=True, samesite="Lax")
    return response
