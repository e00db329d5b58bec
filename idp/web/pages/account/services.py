"""The services page: what each connected service may have, what it received and when, and the end of a consent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from idp.i18n.labels import LEGAL_BASES
from idp.login import sessions
from idp.oidc.consent import claims, consents, refusals
from idp.oidc.consent.consents import ConnectedService, ReleaseMode
from idp.rights import ledger
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.account.places import asked_place, before_now, next_page
from idp.web.pages.drawing.formatting import listed, localized_name, moment
from idp.web.views import Audience, Csrf, view

services = flask.Blueprint("account_services", __name__)


@services.get("/account/services")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """Every service that may have facts about the person now."""
    here, work = browser.signed_in(), unit_of_work()
    return flask.render_template(
        "account/services.html",
        done=flask.request.args.get("done") == "withdrawn",
        services=[_service(given, work.now) for given in consents.of_person(work.reading, here.person_id)],
        refused=[
            {
                "client": row.client_id,
                "name": localized_name(row.client_name, row.client_name_en),
                "at": moment(row.refused_at, work.now),
            }
            for row in refusals.of_person(work.reading, here.person_id, work.now)
        ],
    )


@services.get("/account/services/<id:grant_id>")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def one(grant_id: str) -> ResponseReturnValue:
    """What this service received, newest first. 404 for a grant of somebody else."""
    here, work = browser.signed_in(), unit_of_work()
    grant = ledger.grant_of(work.reading, here.person_id, grant_id)
    if grant is None:
        flask.abort(404)
    rows = ledger.of_person(work.reading, here.person_id, asked_place() or before_now(work.now), grant.client_id)
    return flask.render_template(
        "account/service.html",
        name=localized_name(grant.client_name, grant.client_name_en),
        purpose=localized_name(grant.purpose, grant.purpose_en),
        basis=gettext(LEGAL_BASES[grant.legal_basis]),
        given=moment(grant.given_at, work.now),
        ended=moment(grant.withdrawn_at, work.now) if grant.withdrawn_at else "",
        releases=[{"at": moment(row.at, work.now), "facts": _facts(row.claims)} for row in rows[: ledger.PAGE]],
        older=next_page(rows, ledger.PAGE),
    )


@services.post("/account/services/<id:grant_id>/withdraw")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def withdraw(grant_id: str) -> ResponseReturnValue:
    """The grant and its tokens are invalid. 404 for a grant that is not theirs, or does not rest on consent."""
    here, work = browser.signed_in(), unit_of_work()
    grant = ledger.grant_of(work.reading, here.person_id, grant_id)
    if grant is None or consents.release_mode(grant.legal_basis) is not ReleaseMode.CONSENT:
        flask.abort(404)
    sessions.touch(work.c, here.id, work.now)
    consents.withdraw(work.c, grant_id, work.now, person_id=here.person_id)
    return flask.redirect("/account/services?done=withdrawn", 303)


@services.post("/account/services/ask-again")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def ask_again() -> ResponseReturnValue:
    """The service that the person refused may ask again. 404 if they refused no service of that name."""
    here, work = browser.signed_in(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    if not refusals.forget(work.c, here.person_id, flask.request.form.get("client", ""), now=work.now):
        flask.abort(404)
    return flask.redirect("/account/services", 303)


def _facts(names: list[str]) -> str:
    return listed([gettext(claim.label) for claim in claims.by_names(names)]) or gettext("没有个人信息")


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
