"""A person's passkeys: the list, a new one, and the removal of one.

Whoever is at the browser of somebody else must not be able to leave a key behind. So a change needs a recent login with
a second factor if the person has one: a password alone neither adds the next key nor removes the last.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.credentials.passkeys import Passkey
from accounts.credentials.passkeys.challenges import ChallengeOver
from accounts.errors import CredentialRefused, NotProven
from idp.i18n import N_
from idp.login import pending, sessions
from idp.login.sessions import Session
from idp.login.user_agent import known_names
from idp.rights import notices
from idp.services import unit_of_work
from idp.web import browser, request_security
from idp.web.pages.drawing.formatting import device, masked, moment
from idp.web.views import Audience, Csrf, view

passkeys = flask.Blueprint("passkeys", __name__)

_LIST = "/account/passkeys"
_DONE = {
    "added": N_("通行密钥已经添加。下次登录可以用它。"),
    "removed": N_("通行密钥已经移除，不能再用来登录。请在那个设备的密码设置里也删掉它。"),
}
_PROBLEMS = {
    "passkey_wrong": N_("没有添加成功。请再试一次。"),
    "passkey_old": N_("那一页打开太久了，没有添加。请再试一次。"),
    "known_passkey": N_("这个通行密钥已经添加过了。"),
    "too_many_passkeys": N_("通行密钥最多可以有 10 个。请先移除不用的。"),
    "only_passkeys": N_("请先设置密码，再添加通行密钥。只有通行密钥的话，设备丢了就登录不了。"),
    "unproven_account": N_("您是用原来系统的密码登录的。请先带身份证到人工窗口核验身份，再添加通行密钥。"),
    "last_way": N_("没有移除：这是您唯一的登录方式。"),
}
_ROAMING = frozenset({"usb", "nfc", "ble", "smart-card"})


@passkeys.get("/account/passkeys")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The passkeys of the person who is signed in."""
    here, work = browser.signed_in(), unit_of_work()
    held = work.services.passkeys.of_person(work.reading, here.person_id)
    codes = browser.flashed()
    return flask.render_template(
        "pages/passkeys.html",
        passkeys=[_shown(each, work.now) for each in held],
        is_offered=work.services.passkeys.is_offered,
        done=gettext(_DONE[done]) if (done := flask.request.args.get("done", "")) in _DONE else "",
        errors=[{"field": "", "text": gettext(_PROBLEMS[code])} for code in codes if code in _PROBLEMS],
    )


@passkeys.get("/account/passkeys/add")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show_add() -> ResponseReturnValue:
    """The page whose button asks the device for a new passkey, after a recent login."""
    here, work = browser.signed_in_recently(), unit_of_work()
    services = work.services
    if not services.passkeys.is_offered:
        flask.abort(404)
    try:
        offer = services.passkeys.offer(work.reading, here.person_id, request_security.form_cookie(), work.now)
    except CredentialRefused as refused:
        return _back(refused.code)
    person = services.people.by_id(work.reading, here.person_id)
    return flask.render_template(
        "pages/add_passkey.html",
        offer=offer,
        rp_id=services.passkeys.party.rp_id,
        person=masked(services.people.attributes(person.attributes).name if person else ""),
    )


@passkeys.post("/account/passkeys/add")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def add() -> ResponseReturnValue:
    """The person has the passkey that their device has just made, or the list says why not."""
    here = browser.signed_in_recently()
    try:
        _register(here)
    except ChallengeOver:
        return _back("passkey_old")
    except NotProven:
        return _back("passkey_wrong")
    except CredentialRefused as refused:
        return _back(refused.code)
    return flask.redirect(f"{_LIST}?done=added", 303)


@passkeys.post("/account/passkeys/remove")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def remove() -> ResponseReturnValue:
    """The chosen passkey of this person opens nothing any more, unless it is their last way to sign in.

    What is not theirs is answered as if it did not exist.
    """
    here, work = browser.signed_in_recently(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    chosen, held = flask.request.form.get("passkey", ""), work.services.passkeys.of_person(work.c, here.person_id)
    if chosen not in {each.id for each in held}:
        flask.abort(404)
    if not work.services.passkeys.remove(work.c, here.person_id, chosen, channel=pending.WEB, now=work.now):
        return _back("last_way")
    notices.sign_in_changed(work.services, work.c, here.person_id, now=work.now)
    return flask.redirect(f"{_LIST}?done=removed", 303)


def _register(here: Session) -> None:
    work, form = unit_of_work(), flask.request.form
    verified = work.services.passkeys.verify_registration(
        form.get("credential", ""),
        form.get("challenge", ""),
        form.get("user_handle", ""),
        person_id=here.person_id,
        browser=request_security.form_cookie(),
        now=work.now,
    )
    sessions.touch(work.c, here.id, work.now)
    made_on = known_names(work.request.headers.get("user-agent"))
    work.services.passkeys.register(
        work.c, here.person_id, verified, made_on=made_on, channel=pending.WEB, now=work.now
    )
    notices.sign_in_changed(work.services, work.c, here.person_id, now=work.now)


def _back(code: str) -> ResponseReturnValue:
    browser.flash(code)
    return flask.redirect(_LIST, 303)


def _shown(held: Passkey, now: datetime) -> dict[str, Any]:
    return {
        "id": held.id,
        "name": _name(held),
        "is_synced": held.is_backup_eligible,
        "since": moment(held.created_at, now),
        "used": moment(held.last_used_at, now) if held.last_used_at else "",
    }


def _name(held: Passkey) -> str:
    """What a person would call the thing that holds the passkey. Browser and device say it, and nobody proves it."""
    ways = frozenset(held.transports)
    if "internal" in ways or not ways:
        return device(held.made_on)
    return gettext("手机") if "hybrid" in ways and not ways & _ROAMING else gettext("安全密钥")
