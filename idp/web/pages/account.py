"""The account page: who uses the account, which services got which facts, and what happened.

The person can end sessions and withdraw consent there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts import audit
from accounts.audit import AuditRecord
from idp.i18n import N_
from idp.i18n.labels import CHANNELS, LEGAL_BASES, OUTCOMES
from idp.login import sessions
from idp.login.sessions import Session
from idp.oidc.clients.client import ClientCache
from idp.oidc.consent import consents
from idp.oidc.consent.consents import ConnectedService, ReleaseMode
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.formatting import device, listed, localized_name, masked, moment
from idp.web.views import Audience, Csrf, view

account = flask.Blueprint("account", __name__)

_READ_EVENTS = 30
_SAID_ALREADY = {"person:session:open"}  # the record of the login shows it already
_DONE = {"device": N_("那个设备已经退出。"), "service": N_("已经收回。这个服务不能再取得您的信息。")}


@account.get("/account")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The account page of the person who is signed in."""
    here, work = browser.signed_in(), unit_of_work()
    person = work.services.people.by_id(work.reading, here.person_id)
    name = work.services.people.attributes(person.attributes).name if person else ""
    return flask.render_template(
        "pages/account.html",
        person=masked(name),
        done=gettext(_DONE[done]) if (done := flask.request.args.get("done", "")) in _DONE else "",
        sessions=[
            _session(found, here, work.now) for found in sessions.of_person(work.reading, here.person_id, work.now)
        ],
        services=[_service(given, work.now) for given in consents.of_person(work.reading, here.person_id)],
        activity=[
            _event(record, work.services.clients, work.now)
            for record in audit.recent(work.reading, here.person_id, _READ_EVENTS)
            if record.event.name not in _SAID_ALREADY
        ],
    )


@account.post("/account/sessions/end")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def end_session() -> ResponseReturnValue:
    """The chosen session has ended everywhere if it is another session of this person. No other session changes."""
    here, work = browser.signed_in(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    chosen = flask.request.form.get("session", "")
    theirs = {found.id for found in sessions.of_person(work.c, here.person_id, work.now)}
    if chosen in theirs - {here.id}:
        sessions.end(work.c, chosen, work.now, "ended by the person elsewhere")
    return flask.redirect("/account?done=device", 303)


@account.post("/account/services/withdraw")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def withdraw() -> ResponseReturnValue:
    """The chosen grant of this person is withdrawn and its tokens are revoked, if it is based on consent."""
    here, work = browser.signed_in(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    chosen = flask.request.form.get("grant", "")
    rests_on_consent = {
        g.grant_id for g in consents.of_person(work.c, here.person_id) if g.release_mode is ReleaseMode.CONSENT
    }
    if chosen in rests_on_consent:
        consents.withdraw(work.c, chosen, work.now, person_id=here.person_id)
    return flask.redirect("/account?done=service", 303)


def _session(found: Session, here: Session, now: datetime) -> dict[str, Any]:
    return {
        "id": found.id,
        "device": device(found.user_agent),
        "channel": gettext(CHANNELS.get(found.channel, found.channel)),
        "place": found.source or "",
        "since": moment(found.created_at, now),
        "seen": moment(found.seen_at, now),
        "here": found.id == here.id,
    }


def _service(given: ConnectedService, now: datetime) -> dict[str, Any]:
    return {
        "id": given.grant_id,
        "name": localized_name(given.client_name, given.client_name_en),
        "home_uri": given.home_uri or "",
        "facts": listed([gettext(claim.label) for claim in given.claims]) or gettext("没有个人信息"),
        "basis": gettext(LEGAL_BASES[given.legal_basis]),
        "given": moment(given.given_at, now),
        "used": moment(given.last_used_at or given.given_at, now),
        "withdrawable": given.release_mode is ReleaseMode.CONSENT,
    }


def _event(record: AuditRecord, clients: ClientCache, now: datetime) -> dict[str, Any]:
    event = gettext(record.event.zh)
    outcome = OUTCOMES.get(record.outcome)
    client = clients.get(record.client_id) if record.client_id else None
    places = [localized_name(client.name, client.name_en)] if client else []
    if record.channel in CHANNELS:
        places.append(gettext(CHANNELS[record.channel]))
    return {
        "text": gettext("%(event)s（%(outcome)s）", event=event, outcome=gettext(outcome)) if outcome else event,
        "at": moment(record.at, now),
        "where": " · ".join(places),
        "refused": outcome is not None,
    }
