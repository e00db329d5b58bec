"""One relation: what was agreed, what the helper did, and its end. It exists for its two persons only.

A guardian also sees the activity of the child, as long as they are their guardian. No other helper sees more than what
they did themselves, and no helper reaches the account, the ways to sign in or the consents of the other.
"""

from __future__ import annotations

from typing import Any

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts import audit
from accounts.audit import AuditRecord
from accounts.people.family.authority import check
from accounts.people.family.errors import RelationRefused
from accounts.people.family.relations import HelperRelation
from idp.i18n.labels import HELP_ENDED, HELPED, HELPERS, OUTCOMES, PROOFS
from idp.login import sessions
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.account.family.names import name_of
from idp.web.pages.drawing.formatting import day, localized_name, matters, moment
from idp.web.views import Audience, Csrf, view

helper_relation = flask.Blueprint("helper_relation", __name__)

_MOST = 30


@helper_relation.get("/account/family/<id:relation_id>")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show(relation_id: str) -> ResponseReturnValue:
    """The relation, also one that has ended. 404 for everybody else."""
    here, work = browser.signed_in(), unit_of_work()
    held = _theirs(relation_id)
    is_helper = held.helper_id == here.person_id
    label, other = (HELPED, held.helped_id) if is_helper else (HELPERS, held.helper_id)
    is_open = held.is_open(work.now)
    return flask.render_template(
        "family/relation.html",
        id=held.id,
        name=name_of(other, held.invitee),
        relation=gettext(label[held.relation.value]),
        is_helper=is_helper,
        proof=gettext(PROOFS[held.proof.value]),
        matters=matters(held.matters),
        until=day(held.expires_at),
        is_accepted=held.is_accepted,
        state=_ended(held) if not is_open else "",
        may_end=is_open and not work.services.helpers.is_bound(work.reading, held, here.person_id, now=work.now),
        deeds=[_record(each) for each in _deeds(held)],
        activity=[_record(each) for each in _supervised(held, here.person_id)],
    )


@helper_relation.post("/account/family/<id:relation_id>/end")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def end(relation_id: str) -> ResponseReturnValue:
    """The helper acts no longer, or the offer is withdrawn. 404 for everybody else, and where nothing is to end."""
    here, work = browser.signed_in(), unit_of_work()
    held, helpers = _theirs(relation_id), work.services.helpers
    sessions.touch(work.c, here.id, work.now)
    done = "end" if held.is_accepted else "withdraw"
    try:
        (helpers.end if held.is_accepted else helpers.withdraw)(work.c, held.id, here.person_id, now=work.now)
    except RelationRefused:
        flask.abort(404)
    return flask.redirect(f"/account/family?done={done}", 303)


def _theirs(relation_id: str) -> HelperRelation:
    here, work = browser.signed_in(), unit_of_work()
    held = work.services.helpers.one(work.reading, relation_id, here.person_id)
    if held is None:
        flask.abort(404)
    return held


def _ended(held: HelperRelation) -> str:
    return gettext(HELP_ENDED[held.ended_because]) if held.ended_because else gettext("期限已到")


def _deeds(held: HelperRelation) -> list[AuditRecord]:
    """What the helper did under this relation, the newest first, for both of them."""
    if held.helped_id is None:
        return []
    found = audit.recent_of(unit_of_work().reading, held.helped_id, "person:helper:act", 4 * _MOST)
    return [each for each in found if (each.detail or {}).get("relation") == held.id][:_MOST]


def _supervised(held: HelperRelation, viewer: str) -> tuple[AuditRecord, ...]:
    """The activity of the child, for the guardian of today."""
    if not held.is_guardianship or held.helper_id != viewer or held.helped_id is None:
        return ()
    work = unit_of_work()
    today = check(work.reading, viewer, held.helped_id, work.now)
    if today is None or today.relation_id != held.id:
        return ()
    return audit.recent(work.reading, held.helped_id, _MOST)


def _record(record: AuditRecord) -> dict[str, Any]:
    work, outcome = unit_of_work(), OUTCOMES.get(record.outcome)
    event = gettext(record.event.zh)
    client = work.services.clients.get(record.client_id) if record.client_id else None
    return {
        "text": gettext("%(event)s（%(outcome)s）", event=event, outcome=gettext(outcome)) if outcome else event,
        "at": moment(record.at, work.now),
        "where": localized_name(client.name, client.name_en) if client else "",
    }
