"""Error pages: what a reader sees for an error (title, cause and cure), with separate words for the integrator.

Each page has a number to read out on the telephone; the log has the code under that number. The log holds the type and
the place of a failure and never its text, which may name a person.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from accounts.errors import Busy, RegistryUnavailable, Throttled, Unavailable
from idp.i18n import N_
from idp.i18n.labels import client_name
from idp.login.browser_binding import BrowserMismatch
from idp.login.pending import RESTRICTION_PAGE, PersonRestricted, RequestGone, StepNotPending
from idp.oidc.clients.client import Client
from idp.oidc.errors import RefusedToPerson
from idp.services import unit_of_work
from idp.web import browser, request_security
from idp.web.browser import (
    NotSignedIn,
    RecentLoginNeeded,
    SecondFactorNeeded,
    StaffNotSignedIn,
    StaffSecondFactorNeeded,
)
from idp.web.cookies import STAFF, sent_cookie
from idp.web.request_security import CsrfError
from idp.web.session_expiry import LOGIN_AGAIN

_log = logging.getLogger("idp.web.errors")
_HERE = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Message:
    """What a person reads about an error: source texts for the catalogues."""

    title: str
    cause: str
    cure: str


_NOT_CONNECTED = Message(
    N_("我们不认识这个网站"),
    N_("要您来登录的网站没有在我们这里登记，或者登记的信息对不上。"),
    N_("请从官方网站重新进入。不要在那个网站填写密码。"),
)
_UNREADABLE = Message(
    N_("这个请求无法处理"),
    N_("把您带到这里的网站发来的内容不完整。您的账号没有问题。"),
    N_("请回到您要办事的网站，再试一次。如果还是这样，请告诉那个网站。"),
)
MESSAGES: dict[str, Message] = {
    "client_missing": _NOT_CONNECTED,
    "client_unknown": _NOT_CONNECTED,
    "client_disabled": Message(
        N_("这个服务暂停使用统一登录"),
        N_("这个服务的统一登录已经停用。您的账号没有问题。"),
        N_("请拨打服务热线询问，或者到政务服务大厅人工窗口办理。"),
    ),
    "redirect_uri_missing": _NOT_CONNECTED,
    "redirect_uri_unregistered": _NOT_CONNECTED,
    "post_logout_redirect_uri_unregistered": _NOT_CONNECTED,
    "logout_client_mismatch": _UNREADABLE,
    "request_unreadable": _UNREADABLE,
    "foreign_form": Message(
        N_("这个页面打开太久了"),
        N_("为了安全，我们没有接受刚才的提交，什么也没有改变。"),
        N_("请重新打开这一页，再试一次。如果还是这样，请确认浏览器没有禁用 Cookie。"),
    ),
    "other_browser": Message(
        N_("请回到原来的浏览器"),
        N_("这个登录是在另一个浏览器或另一台设备上开始的，或者浏览器的 Cookie 被清除了，不能在这里继续。"),
        N_("请回到原来的浏览器继续，或者在这里从您要办事的网站重新点登录。如果链接是别人发给您的，请不要登录。"),
    ),
    "cookies_unreadable": Message(
        N_("浏览器里有读不出的 Cookie"),
        N_("另一个网站在您的浏览器里留下了我们读不出的 Cookie，所以认不出是您在操作。您的账号没有问题。"),
        N_("请清除浏览器里本市网站的 Cookie，或者用无痕窗口、换一个浏览器，从您要办事的网站重新进入。"),
    ),
    "not_found": Message(
        N_("没有这个页面"), N_("网址可能不完整，或者页面已经搬走。"), N_("请从您要办事的网站重新进入。")
    ),
    "method_not_allowed": Message(
        N_("这个网址不能直接打开"),
        N_("它要通过页面上的按钮打开。什么也没有改变。"),
        N_("请从您要办事的网站重新进入。"),
    ),
    "too_large": Message(
        N_("发来的内容太多"),
        N_("这一次发来的内容超过了我们能接收的大小，没有处理。您的账号没有问题。"),
        N_("请返回上一页，少填一些再试。如果还是这样，请拨打热线。"),
    ),
    "bad_request": _UNREADABLE,
    "busy": Message(
        N_("现在人多，请稍等"),
        N_("同时登录的人太多，您的这一次没有办成。您填的内容没有问题，也不算试错。"),
        N_("请过几秒钟再试一次。"),
    ),
    "unavailable": Message(
        N_("系统正忙，请稍等"), N_("我们暂时无法处理您的请求，什么也没有改变。"), N_("请过几秒钟再试一次。")
    ),
    "registry_unavailable": Message(
        N_("另一个系统没有回应"),
        N_("办这一步要问另一个系统，它暂时没有回应。您填的内容没有问题，也不算试错。"),
        N_("请过一会儿再试一次。"),
    ),
    "server_error": Message(
        N_("出错了，是我们的问题"),
        N_("系统发生了意外，什么也没有改变。您的账号没有问题。"),
        N_("请过一会儿再试。打电话求助时，请报下面的编号。"),
    ),
}


PAGES_OF_THEIR_OWN = ("request_expired", "request_collected", "throttled")  # codes whose texts are in their templates
# Refusals of HTTP itself: code, and what the integrator reads.
_OF_HTTP = {
    400: ("bad_request", "The request is cut short or malformed; send it again, whole."),
    404: ("not_found", "There is no such page; check the address."),
    405: ("method_not_allowed", "This address does not take this method; the Allow header lists those it takes."),
    413: ("too_large", "The body exceeds 64 kB; send less."),
}
_BOUND = "The request is bound to the browser that made it; start again at /authorize in this one."
_NOT_ASCII = (
    "The Cookie header is not ASCII, so none of it was read; whoever sets that cookie for this domain must encode it."
)
_KINDS = ((Busy, "busy"), (RegistryUnavailable, "registry_unavailable"))
_WAITING = {
    "registry_unavailable": "An outside system does not answer; send the same again after Retry-After.",
    "busy": "More password checks are waiting than this machine can do; send the same again after Retry-After.",
    "unavailable": "The database does not answer; send the same again after Retry-After. Operators: `yitong check`.",
}


def new_log_id() -> str:
    """A number that a person reads out on the telephone and an operator finds in the log: nine digits, in threes.

    It has digits only, because some people read no Latin letters. If two errors of one day have the same number, their
    time tells them apart.
    """
    digits = f"{secrets.randbelow(10**9):09}"
    return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"


def error_page(
    code: str, status: int, *, description: str = "", client: Client | None = None, retry_to: str = ""
) -> ResponseReturnValue:
    """The page for that code, or JSON if the request prefers it. The log has it under the id on the page."""
    log_id = _noted(code, status)
    message = MESSAGES.get(code, MESSAGES["bad_request"])
    if _wants_json():
        return {"error": code, "error_description": description or message.cause, "log_id": log_id}, status
    page = flask.render_template(
        "pages/error.html",
        title=gettext(message.title),
        cause=gettext(message.cause),
        cure=gettext(message.cure),
        code=code,
        description=description,
        log_id=log_id,
        home_uri=client.home_uri or "" if client else "",
        client_name=_name(client),
        retry_to=retry_to,
    )
    return page, status


def _noted(code: str, status: int) -> str:
    """The log id of the entry that says what was answered."""
    log_id = new_log_id()
    _log.info("refused code=%s status=%s log_id=%s endpoint=%s", code, status, log_id, flask.request.endpoint)
    return log_id


def register(app: flask.Flask) -> None:
    """Every error that reaches the application is answered with one of these pages."""
    app.register_error_handler(RefusedToPerson, _refused)
    app.register_error_handler(RequestGone, _gone)
    app.register_error_handler(BrowserMismatch, _browser_mismatch)
    app.register_error_handler(PersonRestricted, _restricted)
    app.register_error_handler(StepNotPending, _step_not_pending)
    app.register_error_handler(NotSignedIn, _login_required)
    app.register_error_handler(SecondFactorNeeded, _second_factor_needed)
    app.register_error_handler(StaffNotSignedIn, _staff_login_required)
    app.register_error_handler(StaffSecondFactorNeeded, _staff_second_factor_needed)
    app.register_error_handler(CsrfError, _csrf_error)
    app.register_error_handler(Throttled, _throttled)
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _failed)


def _refused(error: RefusedToPerson) -> ResponseReturnValue:
    if error.code == "request_answered":
        return _gone(RequestGone(None))
    return error_page(error.code, 400, description=error.description)


def _gone(error: RequestGone) -> ResponseReturnValue:
    page = flask.render_template(
        "pages/expired.html",
        home_uri=error.client.home_uri or "" if error.client else "",
        client_name=_name(error.client),
        collected=error.collected,
        log_id=_noted("request_collected" if error.collected else "request_expired", 410),
    )
    return page, 410


def _browser_mismatch(error: BrowserMismatch) -> ResponseReturnValue:
    return _cookies_lost() or error_page("other_browser", 403, description=_BOUND, client=error.client)


def _step_not_pending(error: StepNotPending) -> ResponseReturnValue:
    _tell_why_signed_out()
    return browser.redirect_to_dispatcher(error.request_id)


def _restricted(_: PersonRestricted) -> ResponseReturnValue:
    return flask.redirect(RESTRICTION_PAGE, 303)


def _login_required(error: NotSignedIn) -> ResponseReturnValue:
    if isinstance(error, RecentLoginNeeded):
        browser.flash(LOGIN_AGAIN)
    else:
        _tell_why_signed_out()
    return flask.redirect(f"/login?next={quote(error.path)}", 303)


def _second_factor_needed(error: SecondFactorNeeded) -> ResponseReturnValue:
    return flask.redirect(f"/second_factor?next={quote(error.path)}", 303)


def _staff_login_required(_: StaffNotSignedIn) -> ResponseReturnValue:
    if sent_cookie(STAFF) and browser.staff_session() is None:
        browser.flash("staff_ended")
    return flask.redirect("/staff/login", 303)


def _staff_second_factor_needed(_: StaffSecondFactorNeeded) -> ResponseReturnValue:
    return flask.redirect("/staff/second-factor", 303)


def _tell_why_signed_out() -> None:
    """The login page that comes next says why a person who was signed in must log in again."""
    reason = browser.why_signed_out()
    if reason is not None:
        browser.flash(reason)


def _cookies_lost() -> ResponseReturnValue | None:
    """The page for a browser that sent cookies of which none arrived. None for any other browser.

    granian passes a header that is not ASCII on as an empty one, and any site of the same domain may set such a cookie.
    """
    if flask.request.environ.get("HTTP_COOKIE") != "":
        return None
    return error_page("cookies_unreadable", 400, description=_NOT_ASCII)


def _csrf_error(error: CsrfError) -> ResponseReturnValue:
    description = f"The form was refused: {error}. Load its page again."
    return _cookies_lost() or error_page("foreign_form", 403, description=description, retry_to=_way_back())


def _throttled(error: Throttled) -> ResponseReturnValue:
    seconds = int(error.retry_after.total_seconds())
    until = unit_of_work().now + timedelta(seconds=seconds)
    page = flask.render_template(
        "pages/throttled.html",
        minutes=-(-seconds // 60),
        until=_clock_time(until),
        retry_to=_way_back(),
        log_id=_noted("throttled", 429),
    )
    return page, 429, {"Retry-After": str(seconds)}


def _unavailable(error: Unavailable) -> ResponseReturnValue:
    code = next((code for kind, code in _KINDS if isinstance(error, kind)), "unavailable")
    if code != "busy":
        request_security.roll_back()
        _log.warning("unavailable code=%s", error.code)
    seconds = max(1, int(error.retry_after.total_seconds()))
    page = flask.render_template(
        "pages/busy.html",
        title=gettext(MESSAGES[code].title),
        cause=gettext(MESSAGES[code].cause),
        seconds=seconds,
        retry_to=_way_back(),
        code=code,
        description=_WAITING[code],
        log_id=_noted(code, 503),
    )
    return page, 503, {"Retry-After": str(seconds)}


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None:
        return error.response
    status = error.code or 500
    code, description = _OF_HTTP.get(status, ("bad_request", f"{error.name}."))
    answer = flask.make_response(error_page(code, status, description=description))
    _keep_allow(error, answer)
    return answer


def _keep_allow(error: HTTPException, answer: Response) -> None:
    """The answer keeps the Allow header: a 405 names what is allowed (RFC 9110 §15.5.6)."""
    for name, value in error.get_headers():
        if name == "Allow":
            answer.headers[name] = value


def _failed(error: Exception) -> ResponseReturnValue:
    request_security.roll_back()
    log_id, trace = new_log_id(), error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
    _log.error("server_error log_id=%s type=%s place=%s", log_id, type(error).__name__, place)
    message = MESSAGES["server_error"]
    page = flask.render_template(
        "pages/error.html",
        title=gettext(message.title),
        cause=gettext(message.cause),
        cure=gettext(message.cure),
        code="server_error",
        description="The provider failed; the log holds the place under this id.",
        log_id=log_id,
        home_uri="",
        client_name="",
        retry_to="",
    )
    return page, 500


def _way_back() -> str:
    """Where a retry leads: to the same request, or to the page of the form, or to the account if there is none.

    Empty for what a client posted: only the client's own page has the form.
    """
    path = browser.own_path(flask.request.path) or "/account"
    if flask.request.method == "GET":
        query = flask.request.query_string.decode("latin-1")
        return f"{path}?{query}" if query else path
    if flask.request.endpoint in ("routes.authorize", "routes.end_session"):
        return ""
    return path if browser.can_be_opened(path) else "/account"


def _clock_time(moment: datetime) -> str:
    return moment.astimezone(_HERE).strftime("%H:%M")


def _name(client: Client | None) -> str:
    return client_name(client.name, client.name_en) if client else ""


def _wants_json() -> bool:
    accepted = flask.request.accept_mimetypes
    return accepted.best_match(("text/html", "application/json")) == "application/json"
