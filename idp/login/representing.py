"""For whom a person acts in one request: for themselves, or for an organisation that they may act for.

A client that serves persons only never asks and costs nothing. Where there is one possible answer it is taken;
otherwise the person chooses on a page, and the choice belongs to the request and to this person. It is never changed
for them: if what they chose is gone, they are asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts.database import Connection
from accounts.organisations.paths import Authority, stored_authorities
from idp.oidc.clients.client import Client
from idp.oidc.consent import subjects
from idp.oidc.representation import Representation, Serves, of_authority
from idp.oidc.requests.authorization_request import AuthorizationRequest

HIMSELF = "self"  # the answer "for myself" on the page; no organisation has this id


@dataclass(frozen=True, slots=True)
class Choice:
    """The possible answers, and the one that holds. `is_made` is False while the person must still choose."""

    organisations: tuple[Authority, ...] = ()
    may_be_self: bool = True
    is_made: bool = True
    organisation: Authority | None = None


_FOR_THEMSELVES = Choice()


def choice_of(
    c: Connection, auth_request: AuthorizationRequest, client: Client, person_id: str, now: datetime
) -> Choice:
    """What this person can choose in this request, and what they chose. No statement for clients of persons only."""
    if client.serves is Serves.PERSONS:
        return _FOR_THEMSELVES
    may_be_self = client.serves is Serves.BOTH
    found = tuple(held for held in stored_authorities(c, person_id, now) if held.is_operating)
    possible: tuple[Authority | None, ...] = (*((None,) if may_be_self else ()), *found)
    if len(possible) == 1:
        return Choice(found, may_be_self, is_made=True, organisation=possible[0])
    chosen = auth_request.acting_as
    if chosen is not None and chosen.person_id == person_id:
        for answer in possible:
            if chosen.organisation_id == (None if answer is None else answer.organisation_id):
                return Choice(found, may_be_self, is_made=True, organisation=answer)
    return Choice(found, may_be_self, is_made=False)


def representation_of(
    c: Connection, auth_request: AuthorizationRequest, client: Client, person_id: str, now: datetime
) -> Representation | None:
    """The representation that an approval of this request carries, or None for a person who acts for themselves."""
    authority = choice_of(c, auth_request, client, person_id, now).organisation
    if authority is None:
        return None
    return of_authority(authority, subjects.subject_of_organisation(c, authority.organisation_id, client.sector))
