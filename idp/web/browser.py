"""Who is at the browser, how that changes, and the way back.

A page calls `require_step` or `signed_in` to learn who is there, `sign_in` and `sign_out` to change that, and
`redirect_to_dispatcher` or `redirect_to_path` to leave. No page links to another page of a journey.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlencode

import flask
from werkzeug.wrappers import Response

from accounts import audit
from accounts.authentication import Authenticated
from accounts.credentials import totp
from accounts.ports import StaffMember
from idp.i18n.labels import HELP_LINE
from idp.login import dispatcher, pending, second_factors, sessions, signing_in
from idp.login.interaction import Step
from idp.login.pending import PendingInteraction
from idp.login.user_agent import known_names
from idp.oidc import assurance
from idp.oidc.messages import Reply
from idp.oidc.tokens.secret import is_handle
from idp.rights import notices
from idp.services import unit_of_work
from idp.staff import members
from idp.staff import sessions as staff_sessions
from idp.staff.sessions import StaffSession
from idp.staff.signing_in import StaffAuthentication
from idp.web import session_expiry
from idp.web.cookies import FLASH, STAFF, give_cookie, sent_cookie
from idp.web.views import SAFE_METHODS

# One slash, then nothing a browser could read as an authority or a new header: no second slash, backslash or control.
_OWN_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9_\-./?=&%]{0,500}", re.ASCII)

RECENT = timedelta(minutes=20)


class NotSignedIn(Exception):
    """The view is for signed-in people and nobody is signed in. `path` is where the person wanted to go."""

    def __init__(self, path: str) -> None:
        super().__init__("sign in first")
        self.path = path


class SecondFactorNeeded(Exception):
    """The person has an authenticator and this session has not used it. `path` is where the person wanted to go."""

    def __init__(self, path: str) -> None:
        super().__init__("prove a second factor first")
        self.path = path


class StaffNotSignedIn(Exception):
    """The view is for staff, and this browser has no live session of a member whom the directory knows."""


class StaffSecondFactorNeeded(Exception):
    """The member of staff has proven the office password alone."""


class RecentLoginNeeded(NotSignedIn):
    """The view changes how the person signs in, and the login is older than RECENT."""


def require_step(request_id: str, step: Step, *, or_done: bool = False) -> PendingInteraction:
    """The request that this browser answers, with `step` pending. With `or_done` the step need not be pending.

    A view catches none of these, because `idp.web.errors` answers them: StepNotPending (back to the dispatcher),
    RequestGone (expired, answered or unknown: a page with a way on), BrowserMismatch (another browser started the
    request).
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
    """The live session of this browser, or None. It is read once for each request."""
    if "current_session" not in flask.g:
        work = unit_of_work()
        flask.g.current_session = signing_in.session_of(work.services, work.reading, work.request, work.now)
    found: sessions.Session | None = flask.g.current_session
    return found


def signed_in() -> sessions.Session:
    """The live session of this browser, with every factor that its person has set up.

    Raises NotSignedIn or SecondFactorNeeded: the person proves what is missing and then comes back.
    """
    found = signed_in_with_one_factor()
    if found.authentication.aal == 1 and "otp" not in found.amr and _has_authenticator(found.person_id):
        raise SecondFactorNeeded(_wanted_path())
    return found


def _has_authenticator(person_id: str) -> bool:
    """Read once for each request."""
    if "has_authenticator" not in flask.g:
        flask.g.has_authenticator = bool(totp.of(unit_of_work().reading, person_id))
    has: bool = flask.g.has_authenticator
    return has


def signed_in_with_one_factor() -> sessions.Session:
    """The live session of this browser, whatever it has proven. Raises NotSignedIn."""
    found = current_session()
    if found is None:
        raise NotSignedIn(_wanted_path())
    return found


def signed_in_recently(back: str = "") -> sessions.Session:
    """The same as `signed_in`, after a login that `is_recent`, for acts that matter. The way there leads to `back`.

    Raises RecentLoginNeeded, too, and SecondFactorNeeded also for a person who has a passkey alone beside the password:
    whoever learned the password could otherwise leave a factor of their own behind.
    """
    found, path = signed_in(), back or _wanted_path()
    is_one_factor = found.authentication.aal == 1 and "otp" not in found.amr
    if is_one_factor and second_factors.held(unit_of_work().reading, found.person_id):
        raise SecondFactorNeeded(path)
    if not is_recent(found):
        raise RecentLoginNeeded(path)
    return found


def is_recent(session: sessions.Session) -> bool:
    """Whether its login is within RECENT (ASVS 7.5.1) and was more than a code to a phone or a platform's word."""
    return session.auth_time > unit_of_work().now - RECENT and not assurance.is_by_others_alone(session.amr)


def _wanted_path() -> str:
    """The page that the person wanted, with where they go from there; for a form, its page if it can be opened."""
    request = flask.request
    if request.method not in SAFE_METHODS:
        return request.path if can_be_opened(request.path) else "/account"
    after = own_path(request.args.get("next"))
    return f"{request.path}?{urlencode({'next': after})}" if after else request.path


def why_signed_out() -> str | None:
    """Why this browser's session is over, as a code of idp.web.session_expiry. None if there is none or it is live."""
    work = unit_of_work()
    handle = work.request.cookies.get(sessions.cookie_name(secure=work.services.settings.is_secure), "")
    if not is_handle(handle) or current_session() is not None:
        return None
    return session_expiry.why_over(work.reading, handle, work.services.channels[pending.WEB].lifetimes, work.now)


def session_expires() -> session_expiry.Expiry | None:
    """When the session that this request has read ends. None if it has read none."""
    staff: StaffSession | None = flask.g.get("staff_session")
    if staff is not None:
        return session_expiry.of_staff(staff)
    found: sessions.Session | None = flask.g.get("current_session")
    if found is None:
        return None
    return session_expiry.expiry(found, unit_of_work().services.channels[pending.WEB].lifetimes)


def sign_in(authenticated: Authenticated, record: dict[str, Any]) -> sessions.Session:
    """This browser has a session under a new handle, and the response sets the cookie.

    A session that the browser had before ends if it belongs to another person, and is stepped up if it belongs to the
    same person. The old handle opens nothing in either case (ASVS 7.2.4). `record` is the audit row of the proof.
    """
    work = unit_of_work()
    audit.record(work.c, record)
    opened = signing_in.sign_in(work.services, work.c, work.request, authenticated, work.now)
    _remember(opened)
    _tell_of_new_browser(opened.session)
    return opened.session


def stepped_up(renewed: sessions.NewSession) -> None:
    """This browser's session has proven more and has a new handle. The response sets its cookie."""
    _remember(renewed)


def _tell_of_new_browser(session: sessions.Session) -> None:
    """The person's verified phone is told of a login from a browser that is new to them, where there is a gateway."""
    if session.is_new_browser:
        work = unit_of_work()
        notices.to_phone(
            work.services, session.person_id, "new_browser", now=work.now, write=lambda: work.c, help_line=HELP_LINE
        )


def _remember(opened: sessions.NewSession) -> None:
    flask.g.current_session = opened.session
    flask.g.session_handle = opened.handle


def sign_out(reason: str = "signed_out") -> None:
    """This browser's session, if any, has ended everywhere it was used. The response removes its cookie."""
    work, here = unit_of_work(), current_session()
    if here is not None:
        sessions.end(work.c, here.id, work.now, reason)
    flask.g.current_session = None
    flask.g.session_handle = ""


def staff() -> StaffAuthentication:
    """The directory of staff. Without one there is no page of staff: 404."""
    found = unit_of_work().services.staff
    return flask.abort(404) if found is None else found


def staff_session() -> StaffSession | None:
    """The live staff session of this browser, whatever it has proven. It is read once for each request."""
    if "staff_session" not in flask.g:
        work, handle = unit_of_work(), sent_cookie(STAFF)
        is_there = work.services.staff is not None and is_handle(handle)
        flask.g.staff_session = (
            staff_sessions.read(work.reading, work.services.vault, handle, work.now) if is_there else None
        )
    found: StaffSession | None = flask.g.staff_session
    return found


def staff_with_one_factor() -> StaffSession:
    """The same while the second factor is missing. Raises StaffNotSignedIn also for a session that has both."""
    staff()
    found = staff_session()
    if found is None or found.proven_at is not None:
        raise StaffNotSignedIn
    return found


def staff_signed_in() -> StaffSession:
    """The live staff session with both factors, used now. The directory was asked within CHECK_EVERY.

    Raises StaffNotSignedIn, StaffSecondFactorNeeded, and what stops the directory from answering: then nothing opens.
    """
    if flask.g.get("staff_admitted"):
        return cast("StaffSession", flask.g.staff_session)
    asked, found, work = staff(), staff_session(), unit_of_work()
    if found is None:
        raise StaffNotSignedIn
    if found.proven_at is None:
        raise StaffSecondFactorNeeded
    checked_at = found.checked_at
    if found.is_due(work.now):
        told, checked_at = asked.find(found.member.staff_id), work.now
        if told is None:
            end_staff_session("directory")
            raise StaffNotSignedIn
        members.remember(work.c, work.services.vault, told, now=work.now)
    if not staff_sessions.use(work.c, found, checked_at=checked_at, now=work.now):
        raise StaffNotSignedIn
    flask.g.staff_admitted = True
    flask.g.staff_session = replace(found, seen_at=work.now)
    return cast("StaffSession", flask.g.staff_session)


def begin_staff_session(told: StaffMember) -> None:
    """This browser has a staff session that has proven the office password alone. An earlier one of it has ended."""
    work = unit_of_work()
    end_staff_session("signed in again")
    member = members.remember(work.c, work.services.vault, told, now=work.now)
    agent = known_names(work.request.headers.get("user-agent"))
    source = work.request.source
    give_cookie(STAFF, staff_sessions.open_session(work.c, member, user_agent=agent, source=source, now=work.now))


def staff_proven(session: StaffSession) -> None:
    """The staff session of this browser has both factors, under a new handle. Raises StaffNotSignedIn if it is over."""
    work = unit_of_work()
    handle = staff_sessions.prove(work.c, session, source=work.request.source, now=work.now)
    if handle is None:
        raise StaffNotSignedIn
    give_cookie(STAFF, handle)


def end_staff_session(reason: str) -> None:
    """The staff session of this browser, if any, opens nothing any more. A citizen's session stays as it is."""
    work, here = unit_of_work(), staff_session()
    if here is not None:
        staff_sessions.end(work.c, here, reason=reason, source=work.request.source, now=work.now)
    flask.g.staff_session = None
    give_cookie(STAFF, "", age=0)


def flash(*codes: str) -> None:
    """The next page of this browser shows these messages. Only codes are sent, in a cookie that lives for a minute."""
    give_cookie(FLASH, ".".join(codes), age=60)


def has_flashes() -> bool:
    """Whether `flash` left codes for this page."""
    return bool(sent_cookie(FLASH))


def flashed() -> tuple[str, ...]:
    """The codes that `flash` left for this page, once. A person who forges them deceives only themselves."""
    codes = sent_cookie(FLASH)
    if codes:
        give_cookie(FLASH, "", age=0)
    return tuple(dict.fromkeys(codes.split("."))) if codes else ()


def redirect_to_dispatcher(request_id: str) -> Response:
    """303 to the dispatcher, which decides what comes next. A step's page ends with it."""
    return flask.redirect(f"/continue/{request_id}", 303)


def sign_in_and_redirect(
    answered: PendingInteraction, authenticated: Authenticated, record: dict[str, Any]
) -> Response:
    """The person is signed in. The response leads to where the request goes next, without a stop at the dispatcher.

    With `response_mode=form_post` it leads to the dispatcher: the page that posts itself to the service must be reached
    by GET, because reloading it must not send the password again.
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
    _tell_of_new_browser(opened.session)
    return answer(reply)


def redirect_to_path(text: str | None, otherwise: str = "/account") -> Response:
    """303 to that path on this site, or to `otherwise` if the text is no such path."""
    return flask.redirect(own_path(text) or otherwise, 303)


def own_path(text: str | None) -> str | None:
    """The text if it is a path on this site that no browser can read as another site; otherwise None."""
    if text is None or not _OWN_PATH.fullmatch(text):
        return None
    return text


def can_be_opened(path: str) -> bool:
    """Whether GET opens a page at this path. The address of a form may accept POST only."""
    return flask.current_app.url_map.bind("").test(path, "GET")


def answer(reply: Reply) -> Response:
    """A protocol reply as Flask's response."""
    response = Response(reply.body, reply.status)
    response.headers.clear()
    for name, value in reply.headers:
        response.headers.add(name, value)
    return response
