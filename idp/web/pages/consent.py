"""The consent step: it tells or asks a person what a client will learn. An empty answer agrees to nothing."""

from __future__ import annotations

from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from idp.i18n.labels import LEGAL_BASES
from idp.login import dispatcher
from idp.login.interaction import Step
from idp.login.pending import PendingInteraction
from idp.oidc.consent import consents, refusals
from idp.oidc.consent.claims import Claim
from idp.oidc.consent.consents import ReleaseMode, ReleaseNotice
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import localized_name, masked
from idp.web.pages.drawing.layout import use_ui_locales
from idp.web.views import Audience, Csrf, view

consent = flask.Blueprint("consent", __name__)

_YES = {ReleaseMode.NOTICE: "acknowledge", ReleaseMode.CONSENT: "agree"}
_NO = {"refuse", "cancel"}


@consent.get("/consent/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY)
def show(request_id: str) -> ResponseReturnValue:
    """The page with the facts, the receiver, the purpose and the legal basis."""
    due = browser.require_step(request_id, Step.CONSENT)
    use_ui_locales(due.request.ui_locales)
    notice = consents.release_notice(due.request, due.client)
    return flask.render_template(
        "pages/consent.html",
        action=f"/consent/{request_id}",
        kind=notice.release_mode.value,
        mark=_mark(due, notice),
        client_name=localized_name(notice.client_name, notice.client_name_en),
        purpose=localized_name(notice.purpose, notice.purpose_en),
        legal_basis=gettext(LEGAL_BASES[notice.legal_basis]),
        person=_person(due),
        facts=[_fact(claim, notice.sensitive) for claim in (*notice.ordinary, *notice.sensitive)],
    )


@consent.post("/consent/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit(request_id: str) -> ResponseReturnValue:
    """The grant is given, or the client gets the refusal. Any other answer shows the page again.

    That includes a yes to a page with another text, or to a page that was shown to another person.
    """
    work, given = unit_of_work(), flask.request.form.get("answer", "")
    due = browser.require_step(request_id, Step.CONSENT, or_done=given in _NO)  # redirecting would approve
    notice = consents.release_notice(due.request, due.client)
    if given in _NO:
        if due.session is not None and notice.release_mode is ReleaseMode.CONSENT:
            keeps = work.services.settings.refusal_remembered
            refusals.remember(work.c, due.session.person_id, due.client.client_id, keeps=keeps, now=work.now)
        return browser.answer(dispatcher.decline(work.services, work.c, due, work.now))
    is_to_this = flask.request.form.get("mark") == _mark(due, notice)
    if given == _YES[notice.release_mode] and is_to_this and due.session is not None:
        consents.give(work.c, due.session.person_id, due.client, due.request, work.now)
    return browser.redirect_to_dispatcher(request_id)


def _mark(due: PendingInteraction, notice: ReleaseNotice) -> str:
    return notice.mark(due.session.person_id) if due.session else ""


def _person(due: PendingInteraction) -> str:
    if due.session is None:
        return ""
    work = unit_of_work()
    person = work.services.people.by_id(work.reading, due.session.person_id)
    return masked(work.services.people.attributes(person.attributes).name) if person else ""


def _fact(claim: Claim, sensitive: tuple[Claim, ...]) -> dict[str, Any]:
    return {"name": gettext(claim.label), "why": gettext(claim.purpose), "sensitive": claim in sensitive}
