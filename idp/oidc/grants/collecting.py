"""Spending a code: its row is updated, or, if the request was answered without a page, its row is written.

A silent answer stores nothing. The statement that spends its code writes the redeemed request, the approval's record
and all that the code buys, but only while the session that answered is alive. The request's key allows this once
(docs/decisions/0051-a-silent-login-is-written-when-it-is-collected.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accounts.database import Connection
from accounts.errors import Conflict
from idp.oidc.representation import approval_event
from idp.oidc.requests import claims_parameter
from idp.oidc.requests.authorization_request import CODE_FOR, RequestKind, RequestState
from idp.oidc.requests.code import Redeemable
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest

Row = Mapping[str, Any]


def spend(
    c: Connection, held: Redeemable, text: str, *, access: Row, release: Row, refresh: Row | None, now: datetime
) -> bool:
    """True if this call spent the code: then everything it buys is written, otherwise nothing."""
    if held.unstored is not None:
        return _collect(c, held, text, access=access, release=release, refresh=refresh, now=now)
    spent = {"of_request": held.id, "of_code": digest(text), "of_client": held.client_id, "now": now}
    if refresh is None:
        return c.redeem(token_store.REDEEM_CODE, spent, access, release)
    return c.redeem(token_store.REDEEM_CODE_FOR_REFRESH, spent, access, release, refresh)


def invalidate(c: Connection, held: Redeemable, text: str, now: datetime) -> None:
    """The code buys nothing any more, because another client sent it before it was redeemed."""
    if held.unstored is not None:
        c.execute(
            token_store.INVALIDATE_UNSTORED,
            **_request_row(held, text, RequestState.DENIED, now) | {"redeemed_at": None},
        )
    else:
        c.execute(token_store.INVALIDATE_CODE, of_request=held.id, of_code=digest(text))


def _collect(
    c: Connection, held: Redeemable, text: str, *, access: Row, release: Row, refresh: Row | None, now: datetime
) -> bool:
    spent = {"of_session": held.session_id, "of_person": held.person_id, "of_grant": held.grant_id, "now": now}
    event = _approval_event(held, now)
    buys = [
        _request_row(held, text, RequestState.REDEEMED, now),
        event,
        access,
        release,
        *([refresh] if refresh else []),
    ]
    joined = held.unstored is not None and held.unstored.joins_session
    for joins in (True, False) if joined else (False,):  # False if another tab's code has joined meanwhile
        more = _joined(held, now) if joins else ()
        try:
            return c.redeem(token_store.COLLECT[refresh is not None, joins], spent, *buys, *more)
        except Conflict:  # the client is in the session, or the code was redeemed
            continue
    return False


def _joined(held: Redeemable, now: datetime) -> tuple[Row, ...]:
    return ({"session_id": held.session_id, "client_id": held.client_id, "sub": held.sub, "first_at": now},)


def _approval_event(held: Redeemable, now: datetime) -> Row:
    channel = held.unstored.channel if held.unstored else None
    return approval_event(held.represents, now=now, person=held.person_id, client=held.client_id, channel=channel)


def _request_row(held: Redeemable, text: str, state: RequestState, now: datetime) -> dict[str, Any]:
    """The row that a stored request has at this point, without what only its pages need."""
    return {
        "id": held.id,
        "kind": RequestKind.BROWSER.value,
        "state": state.value,
        "client_id": held.client_id,
        "person_id": held.person_id,
        "session_id": held.session_id,
        "grant_id": held.grant_id,
        "sub": held.sub,
        "scopes": held.scopes,
        "claims": claims_parameter.without_subject(held.claims),
        "released": held.released,
        "acting_as": None,  # the choice was made before the approval, which has its result
        "represents": None if held.represents is None else held.represents.stored(),
        "redirect_uri": held.redirect_uri,
        "response_mode": "query",
        "client_state": None,
        "nonce": None,
        "sealed": None,  # nothing reads the client's own text again
        "opened_from": None,
        "code_challenge": held.code_challenge,
        "acr_values": (),
        "prompt": (),
        "max_age": None,
        "login_hint": None,
        "ui_locales": (),
        "browser_binding": None,
        "code_digest": digest(text),
        "amr": held.amr,
        "acr": held.acr,
        "auth_time": held.auth_time,
        "created_at": held.expires_at - CODE_FOR,
        "expires_at": held.expires_at,
        "redeemed_at": now,
        "revoked_at": None,
    }
