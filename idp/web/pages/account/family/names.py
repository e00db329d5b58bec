"""The name of the other person of a relation, for the pages of the two who are in it."""

from __future__ import annotations

from accounts.people.invitee import Invitee
from idp.services import unit_of_work


def name_of(person_id: str | None, invitee: Invitee | None) -> str:
    """The recorded name; of somebody who has not accepted yet, the name that the offer gave. Empty if nobody knows."""
    if person_id is None:
        return invitee.name if invitee else ""
    work = unit_of_work()
    person = work.services.people.by_id(work.reading, person_id)
    return work.services.people.attributes(person.attributes).name if person else ""
