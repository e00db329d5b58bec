"""Changing one's own password: the new one, the present one where the login is not recent, and who stays signed in."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.credentials.known_browsers import KNOWN_FOR
from accounts.credentials.password import LONGEST
from accounts.credentials.password_rules import change
from accounts.credentials.password_rules.change import NewPassword
from accounts.errors import CredentialRefused, NotProven
from accounts.identifiers import Mobile
from idp.delivery import outbox
from idp.i18n import N_
from idp.i18n.labels import PASSWORD_REFUSALS
from idp.login import sessions
from idp.login.pending import WEB
from idp.login.sessions import Session
from idp.services import unit_of_work
from idp.web import browser
from idp.web.cookies import KNOWN_BROWSERS, give_cookie, sent_cookie
from idp.web.pages.layout import HELP_LINE
from idp.web.views import Audience, Csrf, view

password = flask.Blueprint("password", __name__)

_HERE = "/account/password"
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
    here = browser.signed_in()
    codes = browser.flashed()
    errors = [{"field": _PROBLEMS[code][0], "text": gettext(_PROBLEMS[code][1])} for code in codes if code in _PROBLEMS]
    return flask.render_template(
        "pages/password.html",
        errors=errors,
        asks_current=not _is_recent(here),
        least=unit_of_work().services.password_policy.profile.least,
        done="changed" in codes,
    )


@password.post(_HERE)
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def submit() -> ResponseReturnValue:
    """The person has the new password, or sees what to correct. Other sessions have ended if the person wants it."""
    here, form = browser.signed_in(), flask.request.form
    missing = _missing(here)
    if missing:
        return _again(*missing)
    work = unit_of_work()
    work.commit()  # no transaction stays open while hashes are computed
    try:
        knew_old = _confirmed(here) or "pwd" in here.amr
        new = work.services.password_change.prepare(work.reading, here.person_id, form[_NEW], knew_old=knew_old)
    except NotProven:
        return _again("current_wrong")
    except CredentialRefused as refused:
        return _again(refused.code)
    if not _stored(here, new):
        return _again("meanwhile")
    return _again("changed")


def _is_recent(here: Session) -> bool:
    return change.is_recent(here.amr, here.auth_time, unit_of_work().now)


def _missing(here: Session) -> list[str]:
    """The codes of what is not filled in. The new password is asked for twice where no script can show it."""
    form = flask.request.form
    codes = [] if form.get(_CURRENT) or _is_recent(here) else ["no_current"]
    if not form.get(_NEW):
        codes.append("no_new")
    elif form.get(_AGAIN, form[_NEW]) != form[_NEW]:
        codes.append("differs")
    return codes


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
    if phone is not None:
        text = gettext("您的密码刚刚改过。如果不是您本人改的，请马上拨打 %(number)s。", number=HELP_LINE)
        outbox.send_sms(work.c, services.vault, phone=Mobile.parse(phone.canonical), text=text, now=work.now)


def _again(*codes: str) -> ResponseReturnValue:
    browser.flash(*codes)
    return flask.redirect(_HERE, 303)
