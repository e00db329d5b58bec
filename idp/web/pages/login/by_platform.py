"""Logging in with WeChat or Alipay: the way there, and the callback, which also ends the binding of an account.

It serves a client's request and the way to a page of this site alike. An account that nobody bound opens nothing: the
person logs in another way and binds it.
"""

from __future__ import annotations

from urllib.parse import quote

import flask
from flask.typing import ResponseReturnValue

from accounts.credentials.external import federated_journeys as journeys
from accounts.credentials.external.federated_identities import Place
from accounts.credentials.external.federated_journeys import Arrival, Destination
from accounts.credentials.known_browsers import KNOWN_FOR
from accounts.credentials.passkeys.challenges import ChallengeOver, Purpose
from accounts.errors import CredentialRefused, NotProven
from idp.login import pending, sessions
from idp.login.interaction import Step
from idp.rights import notices
from idp.services import unit_of_work
from idp.web import browser, request_security
from idp.web.cookies import FEDERATED, KNOWN_BROWSERS, give_cookie, sent_cookie
from idp.web.pages.drawing import platforms
from idp.web.views import Audience, Csrf, view

federated_login = flask.Blueprint("federated_login", __name__)

_BOUND = "/account/security/platforms"


@federated_login.get("/login/wechat", defaults={"provider": "wechat"})
@federated_login.get("/login/alipay", defaults={"provider": "alipay"})
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def leave_own(provider: str) -> ResponseReturnValue:
    """To the platform, on the way to a page of this site, which `next` names."""
    after = browser.own_path(flask.request.args.get("next")) or ""
    return platforms.leave(Destination(Purpose.FEDERATED_LOGIN, provider, after=after))


@federated_login.get("/login/<id:request_id>/wechat", defaults={"provider": "wechat"})
@federated_login.get("/login/<id:request_id>/alipay", defaults={"provider": "alipay"})
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY)
def leave(request_id: str, provider: str) -> ResponseReturnValue:
    """To the platform, for a client's request."""
    browser.require_step(request_id, Step.LOGIN, or_done=True)
    return platforms.leave(Destination(Purpose.FEDERATED_LOGIN, provider, about=request_id))


@federated_login.get("/login/wechat/callback", defaults={"provider": "wechat"})
@federated_login.get("/login/alipay/callback", defaults={"provider": "alipay"})
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY, acts_on_get=True)
def arrive(provider: str) -> ResponseReturnValue:
    """Back from the platform: the person is signed in and goes on, or their account is bound, or they learn why not."""
    work, cookie = unit_of_work(), sent_cookie(FEDERATED)
    if provider not in work.services.federated.names:
        flask.abort(404)
    try:
        arrival = work.services.federated.arrive(
            provider, cookie, flask.request.args.get("state", ""), browser=request_security.form_cookie(), now=work.now
        )
    except ChallengeOver:
        return _back_to("/login", platforms.OLD)
    give_cookie(FEDERATED, "", age=0)
    if arrival.destination.purpose is Purpose.FEDERATED_BINDING:
        return _bind(arrival)
    return _log_in(arrival)


def _log_in(arrival: Arrival) -> ResponseReturnValue:
    work, where = unit_of_work(), arrival.destination
    due = browser.require_step(where.about, Step.LOGIN, or_done=True) if where.about else None
    again = _login_page(where)
    account = platforms.account(arrival)
    if isinstance(account, str):
        return _back_to(again, account)
    place = Place(pending.WEB, work.request.source, sent_cookie(KNOWN_BROWSERS))
    try:
        journeys.end(work.c, arrival)
        proof, record = work.services.federated.identities.authenticate(
            work.c, where.provider, account, place, work.now
        )
    except ChallengeOver:
        return _back_to(again, platforms.OLD)
    except NotProven:
        return _back_to(again, platforms.UNBOUND)
    give_cookie(KNOWN_BROWSERS, proof.known_browsers, age=int(KNOWN_FOR.total_seconds()))
    if due is not None:
        return browser.sign_in_and_redirect(due, proof, record)
    browser.sign_in(proof, record)
    return browser.redirect_to_path(where.after or "/account")


def _bind(arrival: Arrival) -> ResponseReturnValue:
    """The account opens the account of the person who began the journey in this session, if they are still there."""
    here, work, where = browser.signed_in_recently(_BOUND), unit_of_work(), arrival.destination
    if here.id != where.about:
        return _back_to(_BOUND, platforms.OLD)
    account = platforms.account(arrival)
    if isinstance(account, str):
        return _back_to(_BOUND, account)
    sessions.touch(work.c, here.id, work.now)
    try:
        journeys.end(work.c, arrival)
        work.services.federated.identities.bind(
            work.c, here.person_id, where.provider, account, channel=pending.WEB, now=work.now
        )
    except ChallengeOver:
        return _back_to(_BOUND, platforms.OLD)
    except CredentialRefused as refused:
        return _back_to(_BOUND, refused.code)
    notices.sign_in_changed(work.services, work.c, here.person_id, now=work.now)
    return flask.redirect(f"{_BOUND}?done={where.provider}", 303)


def _login_page(where: Destination) -> str:
    if where.about:
        return f"/login/{where.about}"
    return f"/login?next={quote(where.after, safe='/')}" if where.after else "/login"


def _back_to(address: str, code: str) -> ResponseReturnValue:
    browser.flash(code)
    return flask.redirect(address, 303)
