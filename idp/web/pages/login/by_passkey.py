"""What a passkey has signed: a login, for which the login page has a second form, or a second factor beside a password.

Each for a client's request, or on the way to a page of this site.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts import audit
from accounts.authentication import Authenticated
from accounts.credentials.known_browsers import KNOWN_FOR
from accounts.credentials.passkeys.challenges import Binding, ChallengeOver, Purpose
from accounts.errors import NotProven
from idp.i18n import N_
from idp.login import dispatcher, pending, second_factors
from idp.login.interaction import Step
from idp.login.sessions import Session
from idp.services import unit_of_work
from idp.web import browser, request_security
from idp.web.cookies import KNOWN_BROWSERS, give_cookie, sent_cookie
from idp.web.pages.drawing.formatting import localized_name
from idp.web.pages.drawing.layout import use_ui_locales
from idp.web.views import Audience, Csrf, view

passkey_login = flask.Blueprint("passkey_login", __name__)

Record = dict[str, Any]
_PROBLEMS = {
    "passkey_wrong": N_("通行密钥没有用成。请再试一次。"),
    "passkey_old": N_("这一页打开太久了。请再按一次“用通行密钥确认”。"),
}


@passkey_login.post("/login/<id:request_id>/passkey")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit(request_id: str) -> ResponseReturnValue:
    """The person is signed in and the request goes on, or the login page says that it did not work."""
    due = browser.require_step(request_id, Step.LOGIN, or_done=True)
    return _attempt(
        f"/login/{request_id}",
        _login(request_id),
        lambda proof, record: browser.sign_in_and_redirect(due, proof, record),
    )


@passkey_login.post("/login/passkey")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def submit_own() -> ResponseReturnValue:
    """The person is signed in and goes to `next`, or to the account page."""
    after = browser.own_path(flask.request.form.get("next")) or "/account"

    def onward(proof: Authenticated, record: Record) -> ResponseReturnValue:
        browser.sign_in(proof, record)
        return browser.redirect_to_path(after)

    return _attempt(flask.url_for("login.show_own", next=after), _login(), onward)


@passkey_login.get("/second_factor/<id:request_id>/passkey")
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY)
def show_second(request_id: str) -> ResponseReturnValue:
    """The second factor step of a client's request, for a person who has a passkey and logged in with a password."""
    due = browser.require_step(request_id, Step.SECOND_FACTOR)
    use_ui_locales(due.request.ui_locales)
    name = localized_name(due.client.name, due.client.name_en)
    return _second_page(due.session, request_id, client_name=name)


@passkey_login.post("/second_factor/<id:request_id>/passkey")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit_second(request_id: str) -> ResponseReturnValue:
    """The session has the second factor and the request goes on, or the page says that it did not work, or declined."""
    declines = flask.request.form.get("answer") == "cancel"
    due = browser.require_step(request_id, Step.SECOND_FACTOR, or_done=declines)
    if declines:
        work = unit_of_work()
        return browser.answer(dispatcher.decline(work.services, work.c, due, work.now))
    again = f"/second_factor/{request_id}/passkey"
    return _confirm(again, due.session, request_id, lambda: browser.redirect_to_dispatcher(request_id))


@passkey_login.get("/second_factor/passkey")
@view(audience=Audience.ONE_FACTOR, csrf=Csrf.READ_ONLY)
def show_own_second() -> ResponseReturnValue:
    """The same on the way to a page of this site, which `next` names."""
    after = browser.own_path(flask.request.args.get("next")) or "/account"
    return _second_page(browser.signed_in_with_one_factor(), "", after=after)


@passkey_login.post("/second_factor/passkey")
@view(audience=Audience.ONE_FACTOR, csrf=Csrf.FORM)
def submit_own_second() -> ResponseReturnValue:
    """The session has the second factor and the person goes to `next`, or the page says that it did not work."""
    here, after = browser.signed_in_with_one_factor(), browser.own_path(flask.request.form.get("next")) or "/account"
    again = flask.url_for("passkey_login.show_own_second", next=after)
    return _confirm(again, here, "", lambda: browser.redirect_to_path(after))


def _second_page(
    session: Session | None, request_id: str, *, after: str = "", client_name: str = ""
) -> ResponseReturnValue:
    work, person_id = unit_of_work(), session.person_id if session else ""
    passkeys = work.services.passkeys
    held = second_factors.held(work.reading, person_id)
    way = f"/second_factor/{request_id}".rstrip("/")
    query = {"next": after} if after else {}
    other = next((f"{way}?{urlencode({'way': each.name} | query)}" for each in held if each.spend), "")
    return flask.render_template(
        "pages/passkey_second_factor.html",
        action=f"{way}/passkey",
        after=after,
        client_name=client_name,
        passkey_challenge=passkeys.challenge(_second(person_id, request_id), work.now),
        rp_id=passkeys.party.rp_id,
        other=other,
        errors=[{"field": "", "text": gettext(_PROBLEMS[code])} for code in browser.flashed() if code in _PROBLEMS],
    )


def _confirm(
    again: str, session: Session | None, request_id: str, onward: Callable[[], ResponseReturnValue]
) -> ResponseReturnValue:
    """The response to a second factor. Only the passkey of the person whose session it is proves it."""
    work, person_id = unit_of_work(), session.person_id if session else ""

    def raise_session(proof: Authenticated, record: Record) -> ResponseReturnValue:
        audit.record(work.c, record)
        renewed = second_factors.raised(work.c, session, proof.methods[0], work.now) if session else None
        if renewed is not None:
            browser.stepped_up(renewed)
        return onward()

    return _attempt(again, _second(person_id, request_id), raise_session, person_id=person_id)


def _second(person_id: str, request_id: str) -> Binding:
    return Binding(Purpose.SECOND_FACTOR, request_security.form_cookie(), f"{person_id}.{request_id}")


def _login(request_id: str = "") -> Binding:
    return Binding(Purpose.LOGIN, request_security.form_cookie(), request_id)


def _attempt(
    again: str,
    binding: Binding,
    onward: Callable[[Authenticated, Record], ResponseReturnValue],
    *,
    person_id: str | None = None,
) -> ResponseReturnValue:
    """The response to what a device signed. A refusal comes back to the page as a code only; its record is written."""
    try:
        proof, record = _authenticate(binding, person_id)
    except ChallengeOver:
        browser.flash("passkey_old")
    except NotProven:
        browser.flash("passkey_wrong")
    else:
        give_cookie(KNOWN_BROWSERS, proof.known_browsers, age=int(KNOWN_FOR.total_seconds()))
        return onward(proof, record)
    return flask.redirect(again, 303)


def _authenticate(binding: Binding, person_id: str | None) -> tuple[Authenticated, Record]:
    """Who the person is, and the audit row to write together with the session."""
    work, form = unit_of_work(), flask.request.form
    passkeys, now = work.services.passkeys, work.now
    sent, challenge = form.get("credential", ""), form.get("challenge", "")
    signed = passkeys.verify(work.reading, sent, challenge, binding, now=now, person_id=person_id)
    return passkeys.use(
        work.c,
        signed,
        source=work.request.source,
        channel=pending.WEB,
        known_browsers=sent_cookie(KNOWN_BROWSERS),
        now=now,
    )
