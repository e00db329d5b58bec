"""The proofing step: a service needs to be surer who the person is, and the person proves it by a check elsewhere.

A live face is never the only way (Measures for facial recognition, 2025): the page also offers the network identity
where there is one, and always the counter.
"""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.errors import NotProven, RegistryUnavailable
from accounts.registration.journey import Journey, Stage
from idp.i18n import N_
from idp.i18n.labels import CHECKS
from idp.login import dispatcher
from idp.login import proofing as checks
from idp.login.interaction import Step
from idp.login.pending import PendingInteraction
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import localized_name
from idp.web.pages.drawing.layout import use_ui_locales
from idp.web.views import Audience, Csrf, view

proofing = flask.Blueprint("proofing", __name__)

_PROBLEMS = {
    "not_proven": N_("没有核验成功。请再试一次，或者换一种方式，也可以到人工窗口办理。"),
    "unfinished": N_("核验还没有完成。请先完成核验，再点“继续”。"),
    "no_choice": N_("请选择一种方式。"),
    "registry_unavailable": N_("核验系统暂时没有回应。您填的内容没有问题，请过几分钟再试。"),
}


@proofing.get("/proofing/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY)
def show(request_id: str) -> ResponseReturnValue:
    """The ways to prove more, or the button to go on once a check was begun."""
    due, work = browser.require_step(request_id, Step.PROOFING), unit_of_work()
    use_ui_locales(due.request.ui_locales)
    begun = checks.journey_of(work.services, work.reading, due, work.now)
    codes = browser.flashed()
    return flask.render_template(
        "pages/proofing.html",
        action=f"/proofing/{request_id}",
        client_name=localized_name(due.client.name, due.client.name_en),
        upstreams=[
            {"value": name, "text": gettext(CHECKS[name][0]), "hint": gettext(CHECKS[name][1])}
            for name in work.services.proofing.upstreams
        ],
        is_begun=begun is not None and begun.stage is Stage.CHECK,
        errors=[{"field": "", "text": gettext(_PROBLEMS[code])} for code in codes if code in _PROBLEMS],
    )


@proofing.post("/proofing/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit(request_id: str) -> ResponseReturnValue:
    """The person goes to a check, comes back from one, chooses another way, or declines. Anything else changes nothing.

    A refusal also counts if the step was done meanwhile in another tab.
    """
    given = flask.request.form.get("answer", "")
    due, work = browser.require_step(request_id, Step.PROOFING, or_done=given == "cancel"), unit_of_work()
    if given == "cancel":
        return browser.answer(dispatcher.decline(work.services, work.c, due, work.now))
    try:
        return _go_on(due, given)
    except NotProven:
        return _again(due, "not_proven")
    except RegistryUnavailable:
        return _again(due, "registry_unavailable")


def _go_on(due: PendingInteraction, given: str) -> ResponseReturnValue:
    """A check elsewhere may take long, so it is asked before the transaction opens."""
    work = unit_of_work()
    begun = checks.journey_of(work.services, work.reading, due, work.now)
    if given == "done" and begun is not None:
        return _finish(due, begun)
    if given == "other" and begun is not None:
        checks.forget(work.services, work.c, due, begun, work.now)
        return flask.redirect(f"/proofing/{due.request.id}", 303)
    if given not in work.services.proofing.upstreams:
        return _again(due, "no_choice")
    where, now = work.request.source, work.now
    address, journey = checks.ask(work.services, work.reading, due, given, source=where, now=now)
    checks.begin(work.services, work.c, due, journey, source=where, now=now)
    return flask.redirect(address, 303)


def _finish(due: PendingInteraction, begun: Journey) -> ResponseReturnValue:
    work = unit_of_work()
    try:
        proofs = checks.proofs_of(work.services, work.reading, begun, source=work.request.source, now=work.now)
    except NotProven:
        checks.forget(work.services, work.c, due, begun, work.now)
        raise
    if not proofs:
        return _again(due, "unfinished")
    browser.stepped_up(checks.finish(work.services, work.c, due, begun, proofs, work.now))
    return browser.redirect_to_dispatcher(due.request.id)


def _again(due: PendingInteraction, code: str) -> ResponseReturnValue:
    browser.flash(code)
    return flask.redirect(f"/proofing/{due.request.id}", 303)
