"""Every statement on authorization requests up to the person's answer. `token_store` redeems the code."""

from __future__ import annotations

from dataclasses import astuple
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from accounts import audit
from accounts.database import Connection, Json, Redemption, Statement, UtcDateTime
from accounts.vault import Vault
from idp.oidc.models import authorization_requests
from idp.oidc.requests import claims_parameter
from idp.oidc.requests.authorization_request import (
    TRANSITIONS,
    ActingAs,
    AuthorizationRequest,
    RequestEvent,
    RequestKind,
    RequestState,
)

WORDED = "authorization_requests.sealed"
_requests = authorization_requests.c
MOST_OF_BROWSER = 20  # open at a time: the tabs of one person
MOST_FROM = 1000  # open at a time from one network: of a school or a carrier, few persons wait at a login page
_FIND = Statement(sa.select(authorization_requests).where(_requests.id == sa.bindparam("request_id")))


def _are_open(column: sa.Column[Any]) -> sa.Select[Any]:
    """The open requests that share this column's value with the new one, newest first."""
    same = column == sa.bindparam(f"of_{column.key}", type_=column.type)
    return sa.select(_requests.id).where(same, _is_open).order_by(_requests.created_at.desc())


def _has_room(column: sa.Column[Any], most: int) -> sa.ColumnElement[bool]:
    found = _are_open(column).limit(most).subquery()
    return sa.select(sa.func.count()).select_from(found).scalar_subquery() < most


_is_open = _requests.state == sa.literal_column("'open'")  # as the partial index has it
_BOUNDS = ((_requests.browser_binding, MOST_OF_BROWSER), (_requests.opened_from, MOST_FROM))
_NAMES = [column.key for column in authorization_requests.columns]
_new = [sa.cast(sa.bindparam(column.key, type_=column.type), column.type) for column in authorization_requests.columns]
_INSERT_IF_ROOM = Statement(
    sa.insert(authorization_requests).from_select(
        _NAMES, sa.select(*_new).where(*(_has_room(column, most) for column, most in _BOUNDS))
    )
)
_MAKE_ROOM = Statement(
    sa.delete(authorization_requests).where(
        sa.or_(*(_requests.id.in_(_are_open(column).offset(most - 1)) for column, most in _BOUNDS))
    )
)


def _knows(event: RequestEvent) -> sa.ColumnElement[bool]:
    """The state allows the event."""
    return sa.or_(*(_requests.state == state.value for state, known in TRANSITIONS if known is event))


_in_time = (
    _requests.id == sa.bindparam("request_id"),
    _requests.expires_at > sa.bindparam("now", type_=UtcDateTime),
)
# The statement that writes the answer checks that no other answer was given before.
APPROVE = (
    sa.update(authorization_requests)
    .where(*_in_time, _knows(RequestEvent.APPROVE))
    .values(
        state=RequestState.APPROVED.value,
        person_id=sa.bindparam("who"),
        session_id=sa.bindparam("session"),
        grant_id=sa.bindparam("granted_by"),
        sub=sa.bindparam("subject"),
        released=sa.bindparam("let_go", type_=Json),
        represents=sa.bindparam("for_organisation", type_=Json),
        code_digest=sa.bindparam("digest"),
        amr=sa.bindparam("methods", type_=Json),
        acr=sa.bindparam("level"),
        auth_time=sa.bindparam("proven_at", type_=UtcDateTime),
        expires_at=sa.bindparam("collect_by", type_=UtcDateTime),
    )
)
_ACT_AS = Statement(
    sa.update(authorization_requests).where(*_in_time, _is_open).values(acting_as=sa.bindparam("chosen", type_=Json))
)
_APPROVE = Redemption(APPROVE, audit.audit_events)
_DENY = Statement(
    sa.update(authorization_requests)
    .where(*_in_time, _knows(RequestEvent.DENY))
    .values(state=RequestState.DENIED.value, sealed=sa.null(), client_state=sa.null(), nonce=sa.null())
)


def insert(c: Connection, row: dict[str, Any]) -> None:
    """The request is stored. `row` has a value for every column.

    This is one statement. If the browser or the network has too many open requests, two more delete the oldest.
    """
    shared = {f"of_{column.key}": row[column.key] for column, _ in _BOUNDS}
    while not c.execute(_INSERT_IF_ROOM, **row, **shared):
        c.execute(_MAKE_ROOM, **shared)


def find(c: Connection, vault: Vault, request_id: str) -> AuthorizationRequest | None:
    """The request in any state and of any age, or None. If it is over, it lacks the client's own text."""
    row = c.one(_FIND, request_id=request_id)
    return _request(row, *worded(vault, row)) if row else None


def approve(c: Connection, spend: dict[str, Any], event: dict[str, Any]) -> bool:
    """True if this call approved it and recorded `event`. False if it was denied, redeemed or is too old."""
    return c.redeem(_APPROVE, spend, event)


def act_as(c: Connection, request_id: str, chosen: ActingAs, now: datetime) -> bool:
    """The person's choice is stored with the request. False if it was answered before, or is too old."""
    values = [chosen.person_id, chosen.represented_id]
    return c.execute(_ACT_AS, request_id=request_id, chosen=values, now=now) == 1


def deny(c: Connection, request_id: str, now: datetime) -> bool:
    """True if this call denied it. False if it was denied or redeemed before, or is too old."""
    return c.execute(_DENY, request_id=request_id, now=now) == 1


def sealed(vault: Vault, request: AuthorizationRequest) -> bytes:
    """The client's own text, sealed for the row."""
    texts = (request.client_state, request.nonce, request.requested_subject)
    return vault.seal(orjson.dumps(texts).decode(), place=WORDED)


def worded(vault: Vault, row: Any) -> tuple[str | None, str | None, str | None]:
    """`state`, `nonce` and the required `sub` of a row. The previous release stored them unsealed."""
    if row.sealed is None:
        return row.client_state, row.nonce, None
    state, nonce, subject = orjson.loads(vault.open(row.sealed, place=WORDED))
    return state, nonce, subject


def open_row(request: AuthorizationRequest, worded: bytes | None, opened_from: str | None = None) -> dict[str, Any]:
    """The whole row of a request without an answer. `worded` is from `sealed`, or None if nothing will read it."""
    return {
        "id": request.id,
        "kind": request.kind.value,
        "state": RequestState.OPEN.value,
        "client_id": request.client_id,
        "person_id": None,
        "session_id": None,
        "grant_id": None,
        "sub": None,
        "scopes": list(request.scopes),
        "claims": claims_parameter.without_subject(request.claims),
        "released": [],
        "acting_as": None if request.acting_as is None else [*astuple(request.acting_as)],
        "represents": None,
        "redirect_uri": request.redirect_uri,
        "response_mode": request.response_mode,
        "sealed": worded,
        "client_state": None,
        "nonce": None,
        "login_hint": None,
        "code_challenge": request.code_challenge,
        "acr_values": list(request.acr_values),
        "prompt": sorted(request.prompt),
        "max_age": request.max_age,
        "ui_locales": list(request.ui_locales),
        "browser_binding": request.browser_binding,
        "opened_from": opened_from,
        "code_digest": None,
        "amr": [],
        "acr": None,
        "auth_time": None,
        "created_at": request.created_at,
        "expires_at": request.expires_at,
        "redeemed_at": None,
        "revoked_at": None,
    }


def _request(row: Any, state: str | None, nonce: str | None, subject: str | None) -> AuthorizationRequest:
    return AuthorizationRequest(
        id=row.id,
        client_id=row.client_id,
        redirect_uri=row.redirect_uri,
        response_mode=row.response_mode,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        kind=RequestKind(row.kind),
        state=RequestState(row.state),
        claims=claims_parameter.with_subject(row.claims, subject),
        client_state=state,
        nonce=nonce,
        code_challenge=row.code_challenge,
        acr_values=tuple(row.acr_values),
        prompt=frozenset(row.prompt),
        max_age=row.max_age,
        ui_locales=tuple(row.ui_locales),
        browser_binding=row.browser_binding,
        acting_as=None if row.acting_as is None else ActingAs(*row.acting_as),
    )
