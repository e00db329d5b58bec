"""The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2): it reads a request and sends the answer.

The dispatcher asks the person in between. Answers leave by 303 or by a self-posting form. They always have `iss` (RFC
9207), never go to an unregistered URI, and are never cached.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote

from accounts import audit
from accounts.database import Connection
from idp.oidc.errors import BadParameters, ProtocolError, RefusedToPerson
from idp.oidc.messages import FORM, NO_STORE, Headers, Parameters, Reply, Request, parameters
from idp.oidc.provider import Provider
from idp.oidc.representation import approval_event
from idp.oidc.requests import request_store, validation
from idp.oidc.requests.authorization_request import (
    CODE_FOR,
    Approval,
    AuthorizationRequest,
    RequestEvent,
    RequestState,
    next_state,
)
from idp.oidc.requests.code import names_its_row_only, new_code
from idp.oidc.requests.validation import AuthorizationError, ResponseTarget
from idp.oidc.tokens.keys import NotSignedByUs
from idp.oidc.tokens.secret import digest

_ANSWER: Headers = (*NO_STORE, ("Referrer-Policy", "no-referrer"), ("X-Content-Type-Options", "nosniff"))
_ADDRESS = ("client_id", "redirect_uri")
_ON_THE_WAY = ("response_mode", "state")
_MOST_PAIRS = 200
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class FormPost:
    """An answer in a form that posts itself (OAuth 2.0 Form Post Response Mode 1.0).

    `nonce` is for the page's one script and its Content-Security-Policy. Without scripts, a button posts the form.
    """

    action: str
    fields: Mapping[str, str]
    client_id: str
    nonce: str
    ui_locales: tuple[str, ...] = ()


FormPostPage = Callable[[FormPost], bytes]


def plain_page(form: FormPost) -> bytes:
    """A bare page, for callers without templates. The application passes its own page."""
    hidden = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in form.fields.items()
    )
    page = (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>正在返回</title>'
        f'<form method="post" action="{html.escape(form.action)}">{hidden}<button>继续 Continue</button></form>'
        f'<script nonce="{form.nonce}">document.forms[0].submit()</script></html>'
    )
    return page.encode()


def answers_by_form(request: Request) -> bool:
    """True if the answer must be a page that posts itself. Raises BadParameters if that cannot be read.

    A request object may ask for it, too: it is refused, in the response mode that it names.
    """
    return validation.from_query_or_object(_parameters(request), "response_mode") == "form_post"


def read_request(provider: Provider, request: Request, now: datetime) -> AuthorizationRequest:
    """The validated request, not yet stored. Raises RefusedToPerson (a page) or AuthorizationError (`error_reply`)."""
    try:
        parameters = _parameters(request)
    except BadParameters as error:
        raise _told_if_possible(provider, request, error) from None
    return validation.validate(parameters, provider.clients, _hint_reader(provider, now), now)


def error_reply(provider: Provider, error: AuthorizationError, page: FormPostPage = plain_page) -> Reply:
    """The error at the client's redirect URI, with `state` and `iss`."""
    return _reply(provider.issuer, error.to, error.error.document(), page)


def open_request(
    c: Connection,
    provider: Provider,
    request: AuthorizationRequest,
    now: datetime,  # noqa: ARG001 - the request carries its own times; the caller's is part of the contract
    *,
    binding: bytes | None = None,
    opened_from: str | None = None,
) -> str:
    """The request is stored, OPEN. Returns its id. `binding` is the digest of the cookie of the browser that asked.

    One binding, and one `opened_from`, can have only so many open at a time. The oldest are deleted.
    """
    bound = request if binding is None else replace(request, browser_binding=binding)
    sealed = request_store.sealed(provider.people.vault, request)
    request_store.insert(c, request_store.open_row(bound, sealed, opened_from))
    return request.id


def approve(
    c: Connection,
    provider: Provider,
    request: AuthorizationRequest,
    approval: Approval,
    now: datetime,
    page: FormPostPage = plain_page,
) -> Reply:
    """The request is APPROVED and the answer carries its code. Raises RefusedToPerson if it is over or too old."""
    code, spend, event = approving(provider, request, approval, now)
    if not request_store.approve(c, spend, event):
        raise _answered()
    return success_reply(provider, request, code, page)


def approving(
    provider: Provider, request: AuthorizationRequest, approval: Approval, now: datetime
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A code, the parameters of `request_store.APPROVE`, and the audit's row: for one Redemption of a stored request.

    This call stores nothing. The caller redeems, then answers with `success_reply`.
    """
    code, answer = _answer(provider, request, approval, now)
    event = approval_event(approval.represents, now=now, person=approval.person_id, client=request.client_id)
    return code, {"request_id": request.id, "now": now, **answer}, event


def issue_code(
    provider: Provider, request: AuthorizationRequest, approval: Approval, now: datetime
) -> tuple[str, dict[str, Any]]:
    """A code and the whole row of an APPROVED request, for one Redemption together with the session's update.

    This call stores nothing. The caller writes the row, then answers with `success_reply`.
    """
    code, answer = _answer(provider, request, approval, now)
    # The browser cannot ask for a second answer, and a code that carries its request needs nothing of the row.
    worded = request_store.sealed(provider.people.vault, request) if names_its_row_only(code) else None
    row = request_store.open_row(request, worded) | {
        "state": next_state(RequestState.OPEN, RequestEvent.APPROVE).value,
        "person_id": approval.person_id,
        "session_id": approval.session_id,
        "grant_id": approval.grant_id,
        "sub": approval.sub,
        "released": list(approval.released),
        "represents": None if approval.represents is None else approval.represents.stored(),
        "code_digest": answer["digest"],
        "amr": list(approval.authentication.amr),
        "acr": approval.authentication.acr,
        "auth_time": approval.authentication.auth_time,
        "expires_at": answer["collect_by"],
    }
    return code, row


def success_reply(
    provider: Provider, request: AuthorizationRequest, code: str, page: FormPostPage = plain_page
) -> Reply:
    """The code at the client's redirect URI, with `state` and `iss`."""
    return _reply(provider.issuer, _to(request), {"code": code}, page, request.ui_locales)


def deny(
    c: Connection,
    provider: Provider,
    request: AuthorizationRequest,
    error: ProtocolError,
    now: datetime,
    page: FormPostPage = plain_page,
    *,
    declined_by: str | None = None,
    person: str | None = None,
) -> Reply:
    """The request is DENIED and the client gets the error. Raises RefusedToPerson if it is over or too old.

    `declined_by` is the person who decided this: their record shows it, as a success and not a failure. `person` is who
    was signed in otherwise. If no known person did it, nothing is recorded, because the record is kept for ever.
    """
    if not request_store.deny(c, request.id, now):
        raise _answered()
    outcome = "failure" if declined_by is None else "success"
    if whose := declined_by or person:
        audit.append(c, "person:request:deny", now=now, person=whose, client=request.client_id, outcome=outcome)
    return refusal_reply(provider, request, error, page)


def refusal_reply(
    provider: Provider, request: AuthorizationRequest, error: ProtocolError, page: FormPostPage = plain_page
) -> Reply:
    """The error, also for a request that was never stored: `prompt=none` that would need a page."""
    return _reply(provider.issuer, _to(request), error.document(), page, request.ui_locales)


def _parameters(request: Request) -> Parameters:
    return request.form if request.method == "POST" else request.arguments


def _told_if_possible(provider: Provider, request: Request, error: BadParameters) -> Exception:
    """The error for the client if its id and URI are beyond doubt, otherwise the error for the person."""
    raw = request.body if request.method == "POST" else request.query.encode("utf-8", "surrogateescape")
    refused = RefusedToPerson("request_unreadable", error.description)
    if request.method == "POST" and FORM not in request.headers.get("content-type", ""):
        return refused
    try:
        legible = parameters(_salvaged(raw))
        client = validation.known_client(provider.clients, legible)
        return AuthorizationError(error, validation.response_target(client, legible))
    except (BadParameters, RefusedToPerson):
        return refused


def _salvaged(raw: bytes) -> bytes:
    """Only the fields that say where an answer goes. A repeated address stays repeated, so it is refused."""
    named = [(_name(pair), pair) for pair in raw.split(b"&")[:_MOST_PAIRS]]
    names = [name for name, _ in named]
    wanted = [*_ADDRESS, *(name for name in _ON_THE_WAY if names.count(name) == 1)]
    return b"&".join(pair for name, pair in named if name in wanted)


def _name(pair: bytes) -> str:
    names = parse_qsl(pair.decode("latin-1"), keep_blank_values=True)
    return names[0][0] if names else ""


def _hint_reader(provider: Provider, now: datetime) -> validation.HintReader:
    def read(token: str) -> Mapping[str, Any] | None:
        try:
            return provider.tokens.read_id_token(token, now)
        except NotSignedByUs:
            return None

    return read


def _answer(
    provider: Provider, request: AuthorizationRequest, approval: Approval, now: datetime
) -> tuple[str, dict[str, Any]]:
    collect_by = now + CODE_FOR
    code = new_code(provider.people.vault, request, approval, collect_by)
    return code, {
        "who": approval.person_id,
        "session": approval.session_id,
        "granted_by": approval.grant_id,
        "subject": approval.sub,
        "let_go": list(approval.released),
        "for_organisation": None if approval.represents is None else approval.represents.stored(),
        "digest": digest(code),
        "methods": list(approval.authentication.amr),
        "level": approval.authentication.acr,
        "proven_at": approval.authentication.auth_time,
        "collect_by": collect_by,
    }


def _answered() -> RefusedToPerson:
    return RefusedToPerson("request_answered", "this request was answered already or is too old; start again")


def _to(request: AuthorizationRequest) -> ResponseTarget:
    return ResponseTarget(request.client_id, request.redirect_uri, request.response_mode, request.client_state)


def _reply(
    issuer: str, to: ResponseTarget, answer: Mapping[str, str], page: FormPostPage, ui_locales: tuple[str, ...] = ()
) -> Reply:
    fields = {**answer, **({} if to.state is None else {"state": to.state}), "iss": issuer}
    if to.response_mode != "form_post":
        return _redirect(to.redirect_uri, fields)
    return _form_post(FormPost(to.redirect_uri, fields, to.client_id, secrets.token_urlsafe(16), ui_locales), page)


def _redirect(uri: str, fields: Mapping[str, str]) -> Reply:
    """A 303: the browser continues with GET, whatever method it used here (RFC 9700 §4.12)."""
    return Reply(303, b"", (("Location", with_query(uri, fields.items())), *_ANSWER))


def with_query(uri: str, fields: Iterable[tuple[str, str]]) -> str:
    """The registered URI with these parameters added to its query, and nothing else changed."""
    _, mark, query = uri.partition("?")
    joint = "&" if query else ("" if mark else "?")
    return uri + joint + "&".join(f"{name}={_quoted(value)}" for name, value in fields)


def _quoted(value: str) -> str:
    """The value as RFC 3986 has it in a query. A code needs no quoting, and is too long to check byte by byte."""
    return value if _UNRESERVED.fullmatch(value) else quote(value, safe="")


def _form_post(form: FormPost, page: FormPostPage) -> Reply:
    """The policy has no `form-action`, because browsers apply it to the redirects after the post, too."""
    policy = (
        f"default-src 'none'; script-src 'nonce-{form.nonce}'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    headers = (("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", policy), *_ANSWER)
    return Reply(200, page(form), headers)
