"""The page of releases: who received facts about the person, which, and when. It reads the ledger itself."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from idp.i18n.labels import LEGAL_BASES
from idp.oidc.consent import claims
from idp.rights import ledger
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.account.places import asked_place, before_now, next_page
from idp.web.pages.drawing.formatting import listed, localized_name, moment
from idp.web.views import Audience, Csrf, view

releases = flask.Blueprint("account_releases", __name__)


@releases.get("/account/releases")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """A page of the ledger, newest first, also of services that are not connected any more."""
    here, work = browser.signed_in(), unit_of_work()
    rows = ledger.of_person(work.reading, here.person_id, asked_place() or before_now(work.now))
    return flask.render_template(
        "account/releases.html",
        releases=[
            {
                "at": moment(row.at, work.now),
                "name": localized_name(row.client_name or row.client_id, row.client_name_en),
                "facts": listed([gettext(claim.label) for claim in claims.by_names(row.claims)])
                or gettext("没有个人信息"),
                "basis": gettext(LEGAL_BASES[row.legal_basis]),
            }
            for row in rows[: ledger.PAGE]
        ],
        older=next_page(rows, ledger.PAGE),
    )
