"""The activity page: what happened in the person's name, in plain words, with older entries page by page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts import audit
from accounts.audit import AuditRecord
from idp.i18n.labels import CHANNELS, OUTCOMES
from idp.oidc.clients.client import ClientCache
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.account.places import asked_place, next_page
from idp.web.pages.drawing.formatting import localized_name, moment
from idp.web.views import Audience, Csrf, view

activity = flask.Blueprint("account_activity", __name__)

_PAGE = 30
_SAID_ALREADY = {"person:session:open"}  # the record of the login shows it already


@activity.get("/account/activity")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """A page of the person's audit records, newest first."""
    here, work, place = browser.signed_in(), unit_of_work(), asked_place()
    if place is None:
        records = audit.recent(work.reading, here.person_id, _PAGE + 1)
    else:
        records = audit.before(work.reading, here.person_id, place.at, place.id, _PAGE + 1)
    return flask.render_template(
        "account/activity.html",
        activity=[
            _event(record, work.services.clients, work.now)
            for record in records[:_PAGE]
            if record.event.name not in _SAID_ALREADY
        ],
        older=next_page(list(records), _PAGE),
        is_first=place is None,
    )


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
