"""What every page of ours relies on in the browser: declared views, cookies, CSRF, security headers, the way back.

A page needs `view` to register, `due` or `signed_in` to learn who is there, `sign_in` and `sign_out` to change that,
and `redirect_to_dispatcher` or `redirect_to_path` to leave. No page links to another page of a journey.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

import flask
from werkzeug.wrappers import Response

from accounts import audit
from accounts.authentication import Authenticated
from idp import dispatcher, form_tokens, sessions
from idp.dispatcher import Due
from idp.interaction import Step
from idp.oidc.messages import Reply, Request
from idp.services import Services, UnitOfWork, unit_of_work

_View = TypeVar("_View", bound=Callable[..., Any])
_RULES = "__yitong_view__"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# One slash, then nothing a browser could read as an authority or a new header: no second slash, backslash or control.
_OWN_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9_\-./?=&%]{0,500}", re.ASCII)
_SELF_SITES = frozenset({"same-origin", "none"})


class Audience(StrEnum):
    """For whom a view is."""

    ANYONE = "anyone"  # who is there does not matter: errors, health, language, signed out
    PERSON = "person"  # a person answering a client's request; `due` checks the request, the browser and the step
    SIGNED_IN = "signed_in"  # a person with a session; the view never runs without one
    RELYING_SYSTEM = "relying_system"  # sent here by a client through the browser; protocol checks apply


class Csrf(StrEnum):
    """What proves that a POST comes from our own page."""

    FORM = "form"  # a hidden `csrf_token` field, and an Origin and Sec-Fetch-Site that do not say otherwise
    READ_ONLY = "read_only"  # answers GET only and changes nothing
    PROTOCOL = "protocol"  # a client may send it cross-site by specification; it changes nothing by itself


@dataclass(frozen=True, slots=True)
class ViewRules:
    """What a view declared. `role` is `none` until the console brings administrators' roles."""

    audience: Audience
    csrf: Csrf
    role: str


class UndeclaredView(Exception):
    """A view has no declared audience, role and CSRF mode, or takes POST while declared read-only."""


class ForeignForm(Exception):
    """A POST that does not come from a page of ours, or from one too old. Nothing was changed."""


class SignInFirst(Exception):
    """The view is for signed-in people and nobody is; `path` is where the person wanted to go."""

    def __init__(self, path: str) -> None:
        super().__init__("sign in first")
        self.path = path


def view(*, audience: Audience, csrf: Csrf, role: str = "none") -> Callable[[_View], _View]:
    """The decorated function may be registered as a view; put it below the route decorator.

    Example::

        @login.post("/login/<request_id>")
        @view(audience=Audience.PERSON, csrf=Csrf.FORM)
        def submit(request_id: str) -> ResponseReturnValue: ...

    A view without it does not register: `create_app` raises UndeclaredView (DESIGN §4 rule 11).
    """

    def declare(function: _View) -> _View:
        setattr(function, _RULES, ViewRules(audience, csrf, role))
        return function

    return declare


def rules_of(function: Callable[..., Any]) -> ViewRules:
    """What the view declared. Raises UndeclaredView when it declared nothing."""
    rules = getattr(function, _RULES, None)
    if not isinstance(rules, ViewRules):
        raise UndeclaredView(f"{function.__module__}.{function.__qualname__} needs @view(audience=…, csrf=…)")
    return rules


class DeclaredFlask(flask.Flask):
    """A Flask application in which an undeclared view cannot be registered."""

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        provide_automatic_options: bool | None = None,  # noqa: FBT001 - Flask's own signature
        **options: Any,
    ) -> None:
        """The view answers at `rule`. Raises UndeclaredView where its declaration is missing or contradicts it."""
        if view_func is not None:
            rules = rules_of(view_func)
            writes = set(options.get("methods") or ()) - _SAFE_METHODS
            if writes and rules.csrf is Csrf.READ_ONLY:
                raise UndeclaredView(f"{rule} takes {', '.join(sorted(writes))} but is declared read-only")
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)


# Who is there -------------------------------------------------------------------------------------------------------


def due(request_id: str, step: Step) -> Due:
    """The request this browser is answering, when `step` is what it must do next.

    Raises dispatcher.NotDue (answered by going back to the dispatcher), dispatcher.RequestGone (expired, answered
    or unknown: a page with a way on) and dispatcher.OtherBrowser (it was started elsewhere). All are answered by
    `idp.errors`; a view lets them pass.
    """
    work = unit_of_work()
    flask.g.leads_out = True
    return dispatcher.due(work.services, work.reading, work.request, request_id, step, work.now)


def current_session() -> sessions.Session | None:
    """The live session of this browser, read once a request; None when nobody is signed in."""
    if "session_here" not in flask.g:
        work = unit_of_work()
        flask.g.session_here = dispatcher.session_of(work.services, work.reading, work.request, work.now)
    found: sessions.Session | None = flask.g.session_here
    return found


def signed_in() -> sessions.Session:
    """The live session of this browser. Raises SignInFirst, answered by the login page and then the way back."""
    found = current_session()
    if found is None:
        raise SignInFirst(flask.request.path if flask.request.method in _SAFE_METHODS else "/account")
    return found


def sign_in(authenticated: Authenticated, record: dict[str, Any]) -> sessions.Session:
    """This browser has a session under a new handle, and the cookie goes out with the response.

    A session the browser already had ends when it was another person's, and is stepped up when it was the same
    person's: either way the old handle opens nothing any more (ASVS 7.2.4). `record` is the audit's row of the proof.
    """
    work = unit_of_work()
    audit.record(work.c, record)
    opened = dispatcher.sign_in(work.services, work.c, work.request, authenticated, work.now)
    _remember(opened)
    return opened.session


def _remember(opened: sessions.Opened) -> None:
    flask.g.session_here = opened.session
    flask.g.session_handle = opened.handle


def sign_out(reason: str = "signed_out") -> None:
    """This browser's session, if any, is ended everywhere it was used, and its cookie is removed."""
    work, here = unit_of_work(), current_session()
    if here is not None:
        sessions.end(work.c, here.id, work.now, reason)
    flask.g.session_here = None
    flask.g.session_handle = ""


def tell_next(*codes: str) -> None:
    """The page this browser sees next may say something: only codes go out, in a cookie that lives a minute."""
    _give_cookie(_NOTICE, ".".join(codes), age=60)


def told() -> tuple[str, ...]:
    """The codes `tell_next` left for this page, once. Whoever forges them only tells themselves something."""
    codes = flask.request.cookies.get(_cookie_name(_NOTICE), "")
    if codes:
        _give_cookie(_NOTICE, "", age=0)
    return tuple(dict.fromkeys(codes.split("."))) if codes else ()


# The way back -------------------------------------------------------------------------------------------------------


def redirect_to_dispatcher(request_id: str) -> Response:
    """The browser asks the dispatcher what comes next: how a step's page ends (303)."""
    return flask.redirect(f"/continue/{request_id}", 303)


def sign_in_and_go_on(answered: Due, authenticated: Authenticated, record: dict[str, Any]) -> Response:
    """Signed in, and where the request goes next, without asking the browser to come back for it.

    A page that sends itself on to the service is reached by GET as ever: reloading it must send no password again.
    """
    if answered.request.response_mode == "form_post":
        sign_in(authenticated, record)
        return redirect_to_dispatcher(answered.request.id)
    work = unit_of_work()
    at_once = dispatcher.sign_in_at_once(work.services, work.request, answered, authenticated, record, work.now)
    if at_once is None:
        sign_in(authenticated, record)
        return answer(dispatcher.resume_as(work.services, work.c, answered, flask.g.session_handle, work.now))
    opened, reply = at_once
    _remember(opened)
    return answer(reply)


def redirect_to_path(text: str | None, otherwise: str = "/account") -> Response:
    """The browser goes to that path of ours, or to `otherwise` where the text is no such path (303)."""
    return flask.redirect(own_path(text) or otherwise, 303)


def own_path(text: str | None) -> str | None:
    """The text, when it is a path on this site that a browser cannot read as another site; otherwise None."""
    if text is None or not _OWN_PATH.fullmatch(text):
        return None
    return text


def answer(reply: Reply) -> Response:
    """A protocol reply as Flask's response."""
    response = Response(reply.body, reply.status)
    response.headers.clear()
    for name, value in reply.headers:
        response.headers.add(name, value)
    return response


# Every request and response ------------------------------------------------------------------------------------------


def protect(app: flask.Flask, services: Services) -> None:
    """Every request has its unit of work and is checked; every response is committed before it is sent.

    A view for signed-in people never runs without one.
    """

    @app.before_request
    def begin() -> None:
        flask.g.unit_of_work = work = UnitOfWork(services, _plain_request())
        if flask.request.method not in _SAFE_METHODS:  # only now: also a body we do not take is answered with a page
            work.request = replace(work.request, body=flask.request.get_data())
        refuse_foreign_form(services.settings.origin)
        function = app.view_functions.get(flask.request.endpoint or "")
        if function is not None and rules_of(function).audience is Audience.SIGNED_IN:
            signed_in()

    @app.after_request
    def finish(response: Response) -> Response:
        if "unit_of_work" in flask.g:
            unit_of_work().commit()
        _set_cookies(response, services)
        return harden(response, secure=services.settings.is_secure)

    @app.teardown_request
    def close(_: BaseException | None) -> None:
        if "unit_of_work" in flask.g:
            unit_of_work().roll_back()

    @app.context_processor
    def frame() -> dict[str, Any]:
        return {"csrf_token": csrf_token, "csp_nonce": csp_nonce}


def abandon() -> None:
    """Nothing this request wrote remains, and no handle of a session that was not written goes out."""
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


def refuse_foreign_form(origin: str) -> None:
    """The request may change something, or ForeignForm is raised and nothing was."""
    function = flask.current_app.view_functions.get(flask.request.endpoint or "")
    if function is None or flask.request.method in _SAFE_METHODS:
        return
    if rules_of(function).csrf is Csrf.PROTOCOL:
        return
    sent = flask.request.headers
    if sent.get("Sec-Fetch-Site", "same-origin") not in _SELF_SITES or sent.get("Origin", origin) != origin:
        raise ForeignForm("sent from another site")
    cookie = flask.request.cookies.get(_cookie_name(_FORM), "")
    if not form_tokens.is_of(unit_of_work().services.vault, cookie, flask.request.form.get("csrf_token", "")):
        raise ForeignForm("no valid token")


def csrf_token() -> str:
    """What the forms of this response carry; the cookie it belongs to goes out with it where there is none yet."""
    if "csrf_token" not in flask.g:
        cookie = flask.request.cookies.get(_cookie_name(_FORM), "")
        if not form_tokens.is_cookie(cookie):
            cookie = form_tokens.new_cookie()
            _give_cookie(_FORM, cookie)
        flask.g.csrf_token = form_tokens.token(unit_of_work().services.vault, cookie)
    return str(flask.g.csrf_token)


def csp_nonce() -> str:
    """This response's nonce, for `<script nonce>`; the same throughout one response."""
    if "csp_nonce" not in flask.g:
        flask.g.csp_nonce = secrets.token_urlsafe(16)
    return str(flask.g.csp_nonce)


def harden(response: Response, *, secure: bool) -> Response:
    """The response with the headers every page of ours has; what a view has set stays."""
    there = {name.lower() for name, _ in response.headers}
    ours = (*_HEADERS, ("Content-Security-Policy", _policy()), *(_OVER_HTTPS if secure else ()))
    response.headers.extend([(name, value) for name, value in ours if name.lower() not in there])
    return response


def _policy() -> str:
    """Chromium applies `form-action` to every redirect after a POST, also to the relying system's own ones.

    So pages whose form ends at a relying system go without it (docs/decisions); all others keep 'self'.
    """
    script = f"'nonce-{flask.g.csp_nonce}'" if "csp_nonce" in flask.g else "'none'"  # only pages have one
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
_FORM, _NOTICE = "yt_form", "yt_notice"


def _cookie_name(name: str) -> str:
    return f"__Host-{name}" if unit_of_work().services.settings.is_secure else name


def _give_cookie(name: str, value: str, *, age: int | None = None) -> None:
    """The response sets it. One a browser gives back to this host only, to no script and in no cross-site post."""
    flask.g.setdefault("cookies", []).append((_cookie_name(name), value, age))


def _set_cookies(response: Response, services: Services) -> None:
    cookies = flask.g.pop("cookies", [])
    handle = flask.g.get("session_handle")
    if handle is not None:
        name = sessions.cookie_name(secure=services.settings.is_secure)
        cookies.append((name, handle, None if handle else 0))
    for name, value, age in cookies:
        response.set_cookie(
            name, value, max_age=age, path="/", secure=services.settings.is_secure, httponly=True, samesite="Lax"
        )
