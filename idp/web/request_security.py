"""What protects every page: one transaction for each request, forms from this site only, and the headers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flask
from werkzeug.wrappers import Response

from idp.oidc.messages import Request
from idp.services import Services, UnitOfWork, unit_of_work
from idp.web import csrf
from idp.web.browser import signed_in, signed_in_with_one_factor, staff_signed_in, staff_with_one_factor
from idp.web.cookies import FORM, give_cookie, sent_cookie, set_cookies
from idp.web.views import SAFE_METHODS, Audience, Csrf, rules_of

_SELF_SITES = frozenset({"same-origin", "none"})


class CsrfError(Exception):
    """The POST does not come from a page of this site, or its page is too old. Nothing was changed."""


_REQUIRED: dict[Audience, Callable[[], object]] = {
    Audience.SIGNED_IN: signed_in,
    Audience.ONE_FACTOR: signed_in_with_one_factor,
    Audience.STAFF: staff_signed_in,
    Audience.STAFF_ONE_FACTOR: staff_with_one_factor,
}


def protect(app: flask.Flask, services: Services) -> None:
    """Every request gets its unit of work and is checked. Every response is committed before it is sent.

    A view for signed-in people runs only if somebody is signed in.
    """

    @app.before_request
    def begin() -> None:
        flask.g.unit_of_work = work = UnitOfWork(services, _plain_request())
        if flask.request.method not in SAFE_METHODS:  # not earlier: the page for a refused body needs it, too
            work.request = replace(work.request, body=flask.request.get_data())
        refuse_unreadable_query()
        check_csrf(services.settings.origin)
        function = app.view_functions.get(flask.request.endpoint or "")
        if function is not None and (require := _REQUIRED.get(rules_of(function).audience)):
            require()

    @app.after_request
    def finish(response: Response) -> Response:
        if "unit_of_work" in flask.g:
            unit_of_work().commit()
        set_cookies(response, services)
        return harden(response, secure=services.settings.is_secure)

    @app.teardown_request
    def close(_: BaseException | None) -> None:
        if "unit_of_work" in flask.g:
            unit_of_work().roll_back()

    @app.context_processor
    def frame() -> dict[str, Any]:
        return {"csrf_token": csrf_token, "csp_nonce": csp_nonce}


def roll_back() -> None:
    """Nothing that this request wrote remains. No handle of an unwritten session is sent."""
    if "unit_of_work" in flask.g:
        unit_of_work().roll_back()
    flask.g.pop("session_handle", None)


def _plain_request() -> Request:
    """The request as the protocol reads it, without its body."""
    incoming = flask.request
    environ = incoming.environ
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
    return Request(
        method=incoming.method,
        path=incoming.path,
        query=environ.get("QUERY_STRING", ""),
        headers=headers | {"content-type": environ.get("CONTENT_TYPE", "")},
        source=incoming.remote_addr or "",
    )


def refuse_unreadable_query() -> None:
    """Answers 400 unless the query is UTF-8: werkzeug's reader of parameters fails at anything else."""
    try:
        flask.request.query_string.decode()
    except UnicodeDecodeError:
        flask.abort(400)


def check_csrf(origin: str) -> None:
    """Raises CsrfError when the request may not change anything. Nothing was changed then."""
    function = flask.current_app.view_functions.get(flask.request.endpoint or "")
    if function is None or flask.request.method in SAFE_METHODS:
        return
    if rules_of(function).csrf is Csrf.PROTOCOL:
        return
    sent = flask.request.headers
    if sent.get("Sec-Fetch-Site", "same-origin") not in _SELF_SITES or sent.get("Origin", origin) != origin:
        raise CsrfError("sent from another site")
    if not csrf.matches(unit_of_work().services.vault, sent_cookie(FORM), flask.request.form.get("csrf_token", "")):
        raise CsrfError("no valid token")


def csrf_token() -> str:
    """The token for the forms of this response."""
    if "csrf_token" not in flask.g:
        flask.g.csrf_token = csrf.token(unit_of_work().services.vault, form_cookie())
    return str(flask.g.csrf_token)


def form_cookie() -> str:
    """What only this browser holds, for the forms of its pages. The response sets the cookie if it has none yet."""
    if "form_cookie" not in flask.g:
        held = sent_cookie(FORM)
        if not csrf.is_cookie(held):
            held = csrf.new_cookie()
            give_cookie(FORM, held)
        flask.g.form_cookie = held
    return str(flask.g.form_cookie)


def csp_nonce() -> str:
    """The nonce of this response, for `<script nonce>`. It is the same throughout one response."""
    if "csp_nonce" not in flask.g:
        flask.g.csp_nonce = secrets.token_urlsafe(16)
    return str(flask.g.csp_nonce)


def harden(response: Response, *, secure: bool) -> Response:
    """The response with the headers of every page. What a view has set stays."""
    there = {name.lower() for name, _ in response.headers}
    ours = (*_HEADERS, ("Content-Security-Policy", _policy()), *(_OVER_HTTPS if secure else ()))
    response.headers.extend([(name, value) for name, value in ours if name.lower() not in there])
    return response


def _policy() -> str:
    """The policy for this response. Pages whose form leads to a relying system have no `form-action`.

    Chromium applies `form-action` to every redirect after a POST, including redirects of the relying system itself
    (docs/decisions). All other pages have 'self'.
    """
    script = f"'nonce-{flask.g.csp_nonce}'" if "csp_nonce" in flask.g else "'none'"  # only pages have a nonce
    form = "" if flask.g.get("leads_out") else " form-action 'self';"
    return _POLICY.format(script=script, form=form)


_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; manifest-src 'self'; "
    "script-src {script};{form} base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # Not no-referrer: with it browsers send `Origin: null` on our own forms, and a null origin proves nothing.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Cache-Control", "no-store"),
)


_OVER_HTTPS = (("Strict-Transport-Security", "max-age=63072000; includeSubDomains"),)
