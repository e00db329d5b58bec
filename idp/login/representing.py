"""For whom a person acts in one request: for themselves, for an organisation, or for a person whose helper they are.

A client that serves persons only, without helpers, never asks and costs nothing. Where there is one possible answer it
is taken; otherwise the person chooses on a page, and the choice belongs to the request and to this person. It is never
changed for them: if what they chose is gone, they are asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts.database import Connection
from accounts.organisations.paths import Authority, stored_authorities
from accounts.people.family.authority import HelperAuthority, helped_by
from idp.oidc.clients.client import Client
from idp.oidc.consent import subjects
from idp.oidc.representation import ActsFor, Serves, helping, of_authority
from idp.oidc.requests.authorization_request import AuthorizationRequest

HIMSELF = "self"  # the answer "for myself" on the page; no organisation and no person has this id


@dataclass(frozen=True, slots=True)
class Choice:
    """The possible answers, and the one that holds. `is_made` is False while the person must still choose."""

    organisations: tuple[Authority, ...] = ()
    helped: tuple[HelperAuthority, ...] = ()
    may_be_self: bool = True
    is_made: bool = True
    chosen: Authority | HelperAuthority | None = None

    @property
    def possible(self) -> tuple[Authority | HelperAuthority | None, ...]:
        """Every answer. None is the person themselves."""
        return (*((None,) if self.may_be_self else ()), *self.organisations, *self.helped)


_FOR_THEMSELVES = Choice()


def choice_of(
    c: Connection, auth_request: AuthorizationRequest, client: Client, person_id: str, now: datetime
) -> Choice:
    """What this person can choose in this request, and what they chose. No statement for clients of persons only."""
    if client.serves is Serves.PERSONS and not client.allows_helpers:
        return _FOR_THEMSELVES
    open_choice = _open_choice(c, client, person_id, now)
    possible, made = open_choice.possible, auth_request.acting_as
    if len(possible) == 1:
        return _made(open_choice, possible[0])
    if made is not None and made.person_id == person_id:
        for answer in possible:
            if made.represented_id == (None if answer is None else id_of(answer)):
                return _made(open_choice, answer)
    return open_choice


def id_of(answer: Authority | HelperAuthority) -> str:
    """The id of the organisation or person."""
    return answer.helped_id if isinstance(answer, HelperAuthority) else answer.organisation_id


def representation_of(
    c: Connection, auth_request: AuthorizationRequest, client: Client, person_id: str, now: datetime
) -> ActsFor | None:
    """What an approval of this request says of it, or None for a person who acts for themselves."""
    authority = choice_of(c, auth_request, client, person_id, now).chosen
    if authority is None:
        return None
    if isinstance(authority, HelperAuthority):
        return helping.of_authority(authority, subjects.subject_for(c, authority.helped_id, client.sector, now))
    return of_authority(authority, subjects.subject_of_organisation(c, authority.organisation_id, client.sector))


def _open_choice(c: Connection, client: Client, person_id: str, now: datetime) -> Choice:
    organisations: tuple[Authority, ...] = ()
    if client.serves is not Serves.PERSONS:
        organisations = tuple(held for held in stored_authorities(c, person_id, now) if held.is_operating)
    helped = helped_by(c, person_id, now) if client.allows_helpers else ()
    return Choice(organisations, helped, may_be_self=client.serves is not Serves.ORGANISATIONS, is_made=False)


def _made(choice: Choice, answer: Authority | HelperAuthority | None) -> Choice:
    return Choice(choice.organisations, choice.helped, choice.may_be_self, is_made=True, chosen=answer)
