"""What the pages about WeChat and Alipay share: the way to a platform, and the platform's answer."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from accounts.credentials.external.federated_journeys import Arrival, Destination
from accounts.errors import NotProven, RegistryUnavailable
from accounts.ports import PlatformAccount
from idp.services import unit_of_work
from idp.web import request_security
from idp.web.cookies import FEDERATED, give_cookie

OLD, CANCELLED, WRONG = "platform_old", "platform_cancelled", "platform_wrong"
UNBOUND, SILENT = "platform_unbound", "platform_silent"


def leave(destination: Destination) -> Response:
    """303 to the platform; this browser holds what it needs to come back. 404 if the platform is not offered."""
    work = unit_of_work()
    federated, name = work.services.federated, destination.provider
    if name not in federated.names:
        flask.abort(404)
    address, departure = federated.depart(
        destination,
        browser=request_security.form_cookie(),
        redirect_uri=f"{work.services.settings.issuer}/login/{name}/callback",
        user_agent=_user_agent(),
        now=work.now,
    )
    give_cookie(FEDERATED, departure.cookie)
    return flask.redirect(address, 303)


def account(arrival: Arrival) -> PlatformAccount | str:
    """Whose account of the platform it is, or the code of what went wrong. No transaction stays open meanwhile."""
    work, name = unit_of_work(), arrival.destination.provider
    federated = work.services.federated
    code = flask.request.args.get(federated.code_parameter(name), "")
    if not code:
        return CANCELLED
    work.commit()
    try:
        return federated.account(
            work.reading, name, code, source=work.request.source, user_agent=_user_agent(), now=work.now
        )
    except NotProven:
        return WRONG
    except RegistryUnavailable:
        return SILENT


def _user_agent() -> str:
    return unit_of_work().request.headers.get("user-agent", "")
