"""Login with a passkey: what the login page's second form sends, for a client's request or on the way to an own page.

The page itself is the login page. A person who logs in so has typed nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask.typing import ResponseReturnValue

from accounts.authentication import Authenticated
from accounts.credentials.known_browsers import KNOWN_FOR
from accounts.credentials.passkeys.challenges import Binding, ChallengeOver, Purpose
from accounts.errors import NotProven
from idp.login import pending
from idp.login.interaction import Step
from idp.services import unit_of_work
from idp.web import browser, request_security
from idp.web.cookies import KNOWN_BROWSERS, give_cookie, sent_cookie
from idp.web.views import Audience, Csrf, view

passkey_login = flask.Blueprint("passkey_login", __name__)

Record = dict[str, Any]


@passkey_login.post("/login/<id:request_id>/passkey")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit(request_id: str) -> ResponseReturnValue:
    """The person is signed in and the request goes on, or the login page says that it did not work."""
    due = browser.require_step(request_id, Step.LOGIN, or_done=True)
    return _attempt(
        f"/login/{request_id}", request_id, lambda proof, record: browser.sign_in_and_redirect(due, proof, record)
    )


@passkey_login.post("/login/passkey")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def submit_own() -> ResponseReturnValue:
    """The person is signed in and goes to `next`, or to the account page."""
    after = browser.own_path(flask.request.form.get("next")) or "/account"

    def onward(proof: Authenticated, record: Record) -> ResponseReturnValue:
        browser.sign_in(proof, record)
        return browser.redirect_to_path(after)

    return _attempt(flask.url_for("login.show_own", next=after), "", onward)


def _attempt(
    again: str, about: str, onward: Callable[[Authenticated, Record], ResponseReturnValue]
) -> ResponseReturnValue:
    """The response to a login. A refusal comes back to the login page as a code only, and its record is written."""
    try:
        proof, record = _authenticate(about)
    except ChallengeOver:
        browser.flash("passkey_old")
    except NotProven:
        browser.flash("passkey_wrong")
    else:
        give_cookie(KNOWN_BROWSERS, proof.known_browsers, age=int(KNOWN_FOR.total_seconds()))
        return onward(proof, record)
    return flask.redirect(again, 303)


def _authenticate(about: str) -> tuple[Authenticated, Record]:
    """Who the person is, and the audit row to write together with the session."""
    work, form = unit_of_work(), flask.request.form
    passkeys, now = work.services.passkeys, work.now
    binding = Binding(Purpose.LOGIN, request_security.form_cookie(), about)
    signed = passkeys.verify(work.reading, form.get("credential", ""), form.get("challenge", ""), binding, now=now)
    return passkeys.use(
        work.c,
        signed,
        source=work.request.source,
        channel=pending.WEB,
        known_browsers=sent_cookie(KNOWN_BROWSERS),
        now=now,
    )
