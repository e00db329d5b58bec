"""The page of older accounts: which accounts of older systems are linked to the person, why, and "not mine"."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from idp.i18n import N_
from idp.login import sessions
from idp.rights import disputes
from idp.rights.disputes import OlderAccount
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import masked, moment
from idp.web.views import Audience, Csrf, view

older_accounts = flask.Blueprint("account_older_accounts", __name__)

_WHY = {
    1: N_("旧系统登记的证件号码和姓名与您一致。您还没有确认过。"),
    2: N_("旧系统登记的证件号码和姓名与您一致，并且您通过了身份核验。"),
    3: N_("旧系统登记的证件号码和姓名与您一致，您通过了身份核验，还用过那里的密码。"),
}
_DISPUTED = N_("您说过这不是您的账号。它已经打不开任何东西，正在等工作人员核实。")


@older_accounts.get("/account/older-accounts")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """Every linked account of the person, at most fifty."""
    here, work = browser.signed_in(), unit_of_work()
    found = disputes.older_accounts(work.reading, work.services.vault, here.person_id)
    return flask.render_template(
        "account/older_accounts.html",
        done=flask.request.args.get("done") == "disputed",
        accounts=[_shown(each, work.now) for each in found],
    )


@older_accounts.post("/account/older-accounts/<id:key>/not-mine")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def not_mine(key: str) -> ResponseReturnValue:
    """The link opens nothing from now on, and waits for a clerk. 404 for a key that names no link of this person."""
    here, work = browser.signed_in(), unit_of_work()
    held = disputes.older_accounts(work.reading, work.services.vault, here.person_id)
    account = next((each for each in held if each.key == key), None)
    if account is None:
        flask.abort(404)
    sessions.touch(work.c, here.id, work.now)
    disputes.dispute(work.c, here.person_id, account, channel=here.channel, now=work.now)
    return flask.redirect("/account/older-accounts?done=disputed", 303)


def _shown(each: OlderAccount, now: datetime) -> dict[str, Any]:
    return {
        "key": each.key,
        "system": each.system,
        "uid": masked(each.uid),
        "why": gettext(_DISPUTED if each.is_disputed else _WHY[each.level]),
        "at": moment(each.linked_at, now),
        "adopted": each.adopted_at is not None,
        "disputed": each.is_disputed,
    }
