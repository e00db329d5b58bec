"""Who is at the browser, how that changes, and the way back.

A page needs `due` or `signed_in` to learn who is there, `sign_in` and `sign_out` to change that, and
`redirect_to_dispatcher` or `redirect_to_path` to leave. No page links to another page of a journey.
"""

from __future__ import annotations

import re
from typing import Any

import flask
from werkzeug.wrappers import Response

from accounts import audit
from accounts.authentication import Authenticated
from idp.login import dispatcher, pending, sessions, signing_in
from idp.login.interaction import Step
from idp.login.pending import PendingInteraction
from idp.oidc.messages import Reply
from idp.oidc.tokens.secret import is_handle
from idp.services import unit_of_work
from idp.web import session_expiry
from idp.web.cookies import FLASH, give_cookie, sent_cookie
from idp.web.views import SAFE_METHODS

# One slash, then nothing a browser could read as an authority or a new header: no second slash, backslash or control.
_OWN_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9_\-./?=&%]{0,500}", re.ASCII)


class LoginRequiredHere(Exception):
    """The view is for signed-in people and nobody is; `path` is where the person wanted to go."""

    def __init__(self, path: str) -> None:
        super().__init__("sign in first")
        self.path = path


def require_step(request_id: str, step: Step, *, or_done: bool = False) -> PendingInteraction:
    """The request that this browser answers, when `step` is pending, or is done already where `or_done` is set.

    `idp.web.errors` answers all that is raised, so a view lets it pass: StepNotPending (back to the dispatcher),
    RequestGone (expired, answered or unknown: a page with a way on), BrowserMismatch (it was started elsewhere).
    """
    work = unit_of_work()
    flask.g.leads_out = True
    found = dispatcher.require_step(
        work.services, work.reading, work.request, request_id, step, work.now, or_done=or_done
    )
    if found.session is not None:
        flask.g.current_session = found.session
    return found


def current_session() -> sessions.Session | None:
    """The live session of this browser, read once a request; None when nobody is signed in."""
    if "current_session" not in flask.g:
        work = unit_of_work()
        flask.g.current_session = signing_in.session_of(work.services, work.reading, work.request, work.now)
    found: sessions.Session | None = flask.g.current_session
    return found


def signed_in() -> sessions.Session:
    """The live session of this browser. Raises LoginRequiredHere, answered by the login page and then the way back."""
    found = current_session()
    if found is None:
        raise LoginRequiredHere(flask.request.path if flask.request.method in SAFE_METHODS else "/account")
    return found


def why_signed_out() -> str | None:
    """Why nobody is signed in who was: one of idp.web.session_expiry's codes; None where nobody had been."""
    work = unit_of_work()
    handle = work.request.cookies.get(sessions.cookie_name(secure=work.services.settings.is_secure), "")
    if not is_handle(handle) or current_session() is not None:
        return None
    return session_expiry.why_over(work.reading, handle, work.services.channels[pending.WEB].lifetimes, work.now)


def session_expires() -> session_expiry.Expiry | None:
    """When the session ends that this request has read; None where it read none."""
    found: sessions.Session | None = flask.g.get("current_session")
    if found is None:
        return None
    return session_expiry.expiry(found, unit_of_work().services.channels[pending.WEB].lifetimes)


def sign_in(authenticated: Authenticated, record: dict[str, Any]) -> sessions.Session:
    """This browser has a session under a new handle, and the cookie goes out with the response.

    A session the browser already had ends when it was another person's, and is stepped up when it was the same
    person's: either way the old handle opens nothing any more (ASVS 7.2.4). `record` is the audit's row of the proof.
    """
    work = unit_of_work()
    audit.record(work.c, record)
    opened = signing_in.sign_in(work.services, work.c, work.request, authenticated, work.now)
    _remember(opened)
    return opened.session


def _remember(opened: sessions.NewSession) -> None:
    flask.g.current_session = opened.session
    flask.g.session_handle = opened.handle


def sign_out(reason: str = "signed_out") -> None:
    """This browser's session, if any, is ended everywhere it was used, and its cookie is removed."""
    work, here = unit_of_work(), current_session()
    if here is not None:
        sessions.end(work.c, here.id, work.now, reason)
    flask.g.current_session = None
    flask.g.session_handle = ""


def flash(*codes: str) -> None:
    """The page this browser sees next may say something: only codes go out, in a cookie that lives a minute."""
    give_cookie(FLASH, ".".join(codes), age=60)


def has_flashes() -> bool:
    """Whether `tell_next` left something for this page."""
    return bool(sent_cookie(FLASH))


def flashed() -> tuple[str, ...]:
    """The codes `tell_next` left for this page, once. Whoever forges them only tells themselves something."""
    codes = sent_cookie(FLASH)
    if codes:
        give_cookie(FLASH, "", age=0)
    return tuple(dict.fromkeys(codes.split("."))) if codes else ()


def redirect_to_dispatcher(request_id: str) -> Response:
    """The browser asks the dispatcher what comes next: how a step's page ends (303)."""
    return flask.redirect(f"/continue/{request_id}", 303)


def sign_in_and_redirect(
    answered: PendingInteraction, authenticated: Authenticated, record: dict[str, Any]
) -> Response:
    """Signed in, and where the request goes next, without asking the browser to come back for it.

    A page that sends itself on to the service is reached by GET as ever: reloading it must send no password again.
    """
    if answered.request.response_mode == "form_post":
        sign_in(authenticated, record)
        return redirect_to_dispatcher(answered.request.id)
    work = unit_of_work()
    at_once = signing_in.sign_in_and_answer(work.services, work.request, answered, authenticated, record, work.now)
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


def can_be_opened(path: str) -> bool:
    """Whether a page of ours answers there; a form's own address may take what is posted and nothing else."""
    return flask.current_app.url_map.bind("").test(path, "GET")


def answer(reply: Reply) -> Response:
    """A protocol reply as Flask's response."""
    response = Response(reply.body, reply.status)
    response.headers.clear()
    for name, value in reply.headers:
        response.headers.add(name, value)
    return response
