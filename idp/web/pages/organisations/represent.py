"""The step at which a person chooses for whom they act: themselves, an organisation, or a person whom they help."""

from __future__ import annotations

from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.errors import RegistryUnavailable
from accounts.organisations.authority import AuthorityStatus
from accounts.organisations.paths import Authority
from accounts.people.family.authority import HelperAuthority
from idp.i18n.labels import HELPED, ROLES
from idp.login import dispatcher
from idp.login.interaction import Step
from idp.login.pending import PendingInteraction
from idp.login.representing import HIMSELF, Choice, choice_of, id_of
from idp.oidc.requests import request_store
from idp.oidc.requests.authorization_request import ActingAs
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import localized_name, masked, matters
from idp.web.pages.drawing.layout import use_ui_locales
from idp.web.views import Audience, Csrf, view

represent = flask.Blueprint("represent", __name__)


@represent.get("/represent/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY)
def show(request_id: str) -> ResponseReturnValue:
    """The page with the possible answers, or with what to do for a person who acts for nobody."""
    due = browser.require_step(request_id, Step.REPRESENT)
    return _page(due, _choice(due), [])


@represent.post("/represent/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit(request_id: str) -> ResponseReturnValue:
    """The choice is stored with the request. An empty one, or one that is not theirs to make, shows the page again.

    The register is asked before anything is written, so a choice that cannot hold is refused here and not at the
    service.
    """
    work, given = unit_of_work(), flask.request.form.get("answer", "")
    due = browser.require_step(request_id, Step.REPRESENT, or_done=given == "cancel")
    if given == "cancel":
        return browser.answer(dispatcher.decline(work.services, work.c, due, work.now))
    choice, chosen = _choice(due), flask.request.form.get("for", "")
    possible = {HIMSELF if answer is None else id_of(answer): answer for answer in choice.possible}
    if due.session is None or chosen not in possible:
        return _page(due, choice, [{"field": "for", "text": gettext("请选择这次为谁办事")}])
    answer = possible[chosen]
    if not isinstance(answer, Authority) or _may_act(due.session.person_id, answer.organisation_id):
        made = ActingAs(due.session.person_id, None if answer is None else chosen)
        request_store.act_as(work.c, request_id, made, work.now)
    return browser.redirect_to_dispatcher(request_id)


def _may_act(person_id: str, organisation_id: str) -> bool:
    """Raises RegistryUnavailable: the page says to try again, and nothing was chosen."""
    work = unit_of_work()
    answer = work.services.authority.check(person_id, organisation_id, work.now)
    if answer.status is AuthorityStatus.SERVICE_NOT_AVAILABLE:
        raise RegistryUnavailable(detail="a choice could not be checked")
    return answer.status is AuthorityStatus.CURRENT


def _choice(due: PendingInteraction) -> Choice:
    if due.session is None:
        return Choice(is_made=False)
    work = unit_of_work()
    return choice_of(work.reading, due.request, due.client, due.session.person_id, work.now)


def _page(due: PendingInteraction, choice: Choice, errors: list[dict[str, str]]) -> ResponseReturnValue:
    use_ui_locales(due.request.ui_locales)
    return flask.render_template(
        "pages/represent.html",
        action=f"/represent/{due.request.id}",
        client_name=localized_name(due.client.name, due.client.name_en),
        person=_person(due),
        may_be_self=choice.may_be_self,
        organisations=[_organisation(held) for held in choice.organisations],
        helped=[_helped(held) for held in choice.helped],
        errors=errors,
    )


def _person(due: PendingInteraction) -> str:
    if due.session is None:
        return ""
    work = unit_of_work()
    person = work.services.people.by_id(work.reading, due.session.person_id)
    return masked(work.services.people.attributes(person.attributes).name) if person else ""


def _organisation(held: Authority) -> dict[str, Any]:
    people = unit_of_work().services.people
    return {
        "id": held.organisation_id,
        "name": people.legal_person_attributes(held.attributes).name,
        "role": gettext(ROLES[held.role.value]),
    }


def _helped(held: HelperAuthority) -> dict[str, str]:
    people = unit_of_work().services.people
    return {
        "id": held.helped_id,
        "name": people.attributes(held.attributes).name,
        "relation": gettext(HELPED[held.relation.value]),
        "matters": matters(held.matters),
    }
