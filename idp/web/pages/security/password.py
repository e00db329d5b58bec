"""Changing one's own password: the new one, the present one where the login is not recent, and who stays signed in.

The same form is a step of a login whose password guessers know, or which is too old for staff.
"""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.authentication import COMPROMISED, EXPIRED
from accounts.credentials.known_browsers import KNOWN_FOR
from accounts.credentials.password import LONGEST
from accounts.credentials.password_rules import change
from accounts.credentials.password_rules.change import NewPassword
from accounts.errors import CredentialRefused, NotProven
from accounts.identifiers import Mobile
from idp.delivery import outbox
from idp.delivery.messages import short_message
from idp.i18n import N_
from idp.i18n.labels import HELP_LINE, PASSWORD_REFUSALS
from idp.login import dispatcher, sessions
from idp.login.interaction import Step
from idp.login.pending import WEB, PendingInteraction, StepNotPending
from idp.login.sessions import Session
from idp.services import unit_of_work
from idp.web import browser
from idp.web.cookies import KNOWN_BROWSERS, give_cookie, sent_cookie
from idp.web.pages.drawing.formatting import localized_name, masked
from idp.web.pages.drawing.layout import language, use_ui_locales
from idp.web.views import Audience, Csrf, view

password = flask.Blueprint("password", __name__)

_HERE = "/account/password"
_REASONS = {
    COMPROMISED: N_("您登录用的密码在别人会猜的密码里，不安全。请先改一个新的，再接着办理。"),
    EXPIRED: N_("按照规定，工作人员的密码要定期更换。请先改密码，再接着办理。"),
}
_NEW, _CURRENT, _AGAIN = "new_password", "current_password", "new_password_again"
_PROBLEMS = {
    "no_current": (_CURRENT, N_("请填现在的密码。")),
    "current_wrong": (_CURRENT, N_("现在的密码不对，请检查后再试。")),
    "no_new": (_NEW, N_("请填新密码。")),
    "differs": (_AGAIN, N_("两次填的新密码不一样，请再填一次。")),
    "meanwhile": (_NEW, N_("密码刚刚在别处改过，这一次没有改成。请再试一次。")),
    **{code: (_NEW, text) for code, text in PASSWORD_REFUSALS.items()},
}


@password.get(_HERE)
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The form. After a change, the page that says so."""
    return _page(browser.signed_in(), _HERE)


@password.post(_HERE)
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def submit() -> ResponseReturnValue:
    """The person has the new password, or sees what to correct. Other sessions have ended if the person wants it."""
    codes = _changed(browser.signed_in())
    browser.flash(*codes or ("changed",))
    return flask.redirect(_HERE, 303)


@password.get("/password/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY)
def show_step(request_id: str) -> ResponseReturnValue:
    """The same form as a step of a client's request, with the reason."""
    due = browser.require_step(request_id, Step.PASSWORD)
    use_ui_locales(due.request.ui_locales)
    return _page(_session_of(due), f"/password/{request_id}", localized_name(due.client.name, due.client.name_en))


@password.post("/password/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit_step(request_id: str) -> ResponseReturnValue:
    """The person has the new password and goes on, or sees what to correct, or has declined."""
    due, work = browser.require_step(request_id, Step.PASSWORD), unit_of_work()
    use_ui_locales(due.request.ui_locales)
    if flask.request.form.get("answer") == "cancel":
        return browser.answer(dispatcher.decline(work.services, work.c, due, work.now))
    codes = _changed(_session_of(due))
    if codes:
        browser.flash(*codes)
        return flask.redirect(f"/password/{request_id}", 303)
    return browser.redirect_to_dispatcher(request_id)


def _page(here: Session, action: str, client_name: str = "") -> ResponseReturnValue:
    codes, work = browser.flashed(), unit_of_work()
    errors = [{"field": _PROBLEMS[code][0], "text": gettext(_PROBLEMS[code][1])} for code in codes if code in _PROBLEMS]
    profile = work.services.password_change.profile_of(work.reading, here.person_id)
    return flask.render_template(
        "pages/password.html",
        action=action,
        client_name=client_name,
        reason=gettext(_REASONS[here.password_due]) if here.password_due in _REASONS else "",
        errors=errors,
        asks_current=not _is_recent(here),
        least=profile.least,
        classes=profile.classes,
        done="changed" in codes,
    )


def _session_of(due: PendingInteraction) -> Session:
    """The session in which the step is pending: no session has no password to change."""
    if due.session is None:
        raise StepNotPending(due.request.id)
    return due.session


def _changed(here: Session) -> tuple[str, ...]:
    """Nothing if the person has the new password now; otherwise the codes of what they must correct."""
    missing = _missing(here)
    if missing:
        return missing
    work, form = unit_of_work(), flask.request.form
    work.commit()  # no transaction stays open while hashes are computed
    try:
        knew_old = _confirmed(here) or "pwd" in here.amr
        new = work.services.password_change.prepare(work.reading, here.person_id, form[_NEW], knew_old=knew_old)
    except NotProven:
        return ("current_wrong",)
    except CredentialRefused as refused:
        return (refused.code,)
    return () if _stored(here, new) else ("meanwhile",)


def _is_recent(here: Session) -> bool:
    return change.is_recent(here.amr, here.auth_time, unit_of_work().now)


def _missing(here: Session) -> tuple[str, ...]:
    """The codes of what is not filled in. The new password is asked for twice where no script can show it."""
    form = flask.request.form
    codes = [] if form.get(_CURRENT) or _is_recent(here) else ["no_current"]
    if not form.get(_NEW):
        codes.append("no_new")
    elif form.get(_AGAIN, form[_NEW]) != form[_NEW]:
        codes.append("differs")
    return tuple(codes)


def _confirmed(here: Session) -> bool:
    """Whether the present password was asked for, and was right. Raises NotProven if it was wrong."""
    if _is_recent(here):
        return False
    work = unit_of_work()
    work.services.passwords.confirm(
        work.services.database,
        here.person_id,
        flask.request.form.get(_CURRENT, "")[: LONGEST + 1],
        source=work.request.source,
        channel=WEB,
        now=work.now,
        known_browsers=sent_cookie(KNOWN_BROWSERS),
    )
    return True


def _stored(here: Session, new: NewPassword) -> bool:
    """The change with its consequences, in one transaction."""
    work = unit_of_work()
    services, c, now = work.services, work.c, work.now
    if not services.password_change.store(c, new, channel=WEB, source=work.request.source, now=now):
        return False
    sessions.touch(c, here.id, now)
    sessions.password_changed(c, here.person_id)
    if flask.request.form.get("elsewhere") == "sign_out":
        sessions.end_others_of(c, here, now, "password changed")
    known = services.passwords.remember(c, here.person_id, sent_cookie(KNOWN_BROWSERS), now)
    give_cookie(KNOWN_BROWSERS, known, age=int(KNOWN_FOR.total_seconds()))
    _tell(here)
    return True


def _tell(here: Session) -> None:
    """A message to the person's verified phone, where this deployment sends messages.

    Whoever stole a session can neither read it nor stop it.
    """
    work = unit_of_work()
    services = work.services
    if not services.sends_messages:
        return
    phone = next((each for each in services.people.phones(work.c, here.person_id) if each.verified_at), None)
    person = services.people.by_id(work.c, here.person_id)
    if phone is not None and person is not None:
        words = {"service": gettext("一通"), "help_line": HELP_LINE}
        name = masked(services.people.attributes(person.attributes).name)
        message = short_message("password_changed", language(), person=name, **words)
        outbox.send_sms(work.c, services.vault, phone=Mobile(phone.canonical), message=message, now=work.now)
