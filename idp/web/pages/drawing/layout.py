"""What every page has: its language, its view (standard, elder, largest), the help line, and the way back here.

Both choices are in cookies of their own, so that they hold before the login and after the sign-out.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import flask
from flask_babel import Babel, format_datetime

from idp import i18n
from idp.i18n.labels import HELP_LINE
from idp.services import unit_of_work
from idp.web.browser import can_be_opened, own_path, session_expires
from idp.web.session_expiry import WARNING

VIEW_COOKIE = "yt_view"
LANGUAGE_COOKIE = "yt_lang"
VIEWS = ("standard", "elder", "largest")


def install(app: flask.Flask) -> None:
    """Every template of the application gets its language, view, help line and way back."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(i18n.CATALOGUES)
    Babel(  # type: ignore[no-untyped-call]
        app,
        default_locale=i18n.SOURCE,
        default_timezone="Asia/Shanghai",
        locale_selector=lambda: i18n.LANGUAGES[language()],
    )
    app.context_processor(layout)


def use_ui_locales(ui_locales: tuple[str, ...]) -> None:
    """The page follows the client's `ui_locales` unless the reader has chosen a language. Call it before rendering."""
    flask.g.ui_locales = " ".join(ui_locales)
    flask.g.pop("language", None)


def language() -> str:
    """The reader's language: chosen here, else requested by the client, else by the browser, else zh-CN."""
    if "language" not in flask.g:
        chosen = flask.request.cookies.get(LANGUAGE_COOKIE, "")
        accepted = flask.request.headers.get("Accept-Language", "")
        flask.g.language = i18n.choose_language(chosen, flask.g.get("ui_locales", ""), accepted[:200])
    return str(flask.g.language)


def view() -> str:
    """The reader's view: one of VIEWS."""
    chosen = flask.request.cookies.get(VIEW_COOKIE, "")
    return chosen if chosen in VIEWS else VIEWS[0]


def layout() -> dict[str, Any]:
    """The values that base.html needs on every page."""
    return {
        "lang": language(),
        "view": view(),
        "help_line": HELP_LINE,
        "return_to": return_to(),
        "preferences_at": preferences_at(),
        "session_ends": session_ends(),
    }


def session_ends() -> dict[str, Any] | None:
    """When the session of this page's reader ends by itself, for the notice and its dialog. None on other pages."""
    ends = session_expires()
    if ends is None:
        return None
    return {
        "at": str(format_datetime(ends.at, "HH:mm")),  # type: ignore[no-untyped-call]
        "seconds": max(0, int((ends.at - unit_of_work().now).total_seconds())),
        "warning": int(WARNING.total_seconds()),
        "is_extendable": ends.is_extendable,
        "is_of_staff": ends.is_of_staff,
    }


def preferences_at() -> str:
    """The address of the page of both choices. After a choice the person comes back here, even during a login."""
    here = return_to()
    return (
        f"/preferences?next={quote(here, safe='/')}" if here and not here.startswith("/preferences") else "/preferences"
    )


def return_to() -> str:
    """The way back to this page after a choice. Empty if the address is not safe to repeat.

    A form's own address may not open by GET. If the answer to a form is shown there, for example a refusal, the way
    leads to the account.
    """
    if flask.request.method == "POST" and not can_be_opened(flask.request.path):
        return "/account"
    query = flask.request.query_string.decode("latin-1")  # werkzeug fails at bytes that are not UTF-8
    return own_path(f"{flask.request.path}?{query}".rstrip("?")) or ""
