"""Registration, one question a page: document, number and name, proof, phone, password. Then the account is open.

Each page belongs to one stage of `accounts.registration.journey`. The journey is found by a cookie of this browser and
by nothing in the address. A form of another stage, of another browser or of a journey that is over changes nothing: it
leads to the page that is due. Calls of registries come before the transaction opens.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts import audit
from accounts.authentication import Authenticated
from accounts.credentials import network_address
from accounts.errors import Conflict, CredentialRefused, NotProven
from accounts.identifiers import IdentifierKind, Mobile
from accounts.phones import PhoneHeldByMany
from accounts.registration import journey_store
from accounts.registration.journey import DOCUMENTS, JOURNEY_FOR, Journey, Stage
from idp.delivery import outbox
from idp.delivery.messages import short_message
from idp.i18n import N_
from idp.i18n.labels import CHECKS, PASSWORD_REFUSALS, cure
from idp.i18n.labels import DOCUMENTS as DOCUMENT_NAMES
from idp.login import pending, registering
from idp.login.browser_binding import BrowserMismatch
from idp.login.pending import RequestGone
from idp.login.registering import Turn
from idp.oidc.tokens.secret import is_handle
from idp.rights import notices
from idp.services import unit_of_work
from idp.web import browser
from idp.web.cookies import SIGN_UP, give_cookie, sent_cookie
from idp.web.pages.drawing.formatting import masked
from idp.web.pages.drawing.layout import language
from idp.web.views import Audience, Csrf, view

sign_up = flask.Blueprint("sign_up", __name__)

_REQUEST_ID = re.compile("[0-9a-f]{32}", re.ASCII)
_LONGEST_PASSWORD = 512
_ENDS = ("guardian", "counter")  # pages that are the same for everybody
_LEADS_OUT = frozenset({Stage.PROOF, Stage.PASSWORD})  # their forms may lead to another site
_PROBLEMS: Mapping[str, tuple[str, str]] = {
    "no_document": ("", N_("请选择您有的证件。")),
    "journey_over": ("", N_("为了安全，上次填写的内容已经清除。请重新开始。")),
    "no_age": ("of_age", N_("请选择您是不是已满 14 周岁。")),
    "not_confirmed": ("number", N_("号码和姓名没有核对上。请对照证件检查；如果没有填错，请到人工窗口办理。")),
    "registry_unavailable": ("", N_("核验系统暂时没有回应。您填的内容没有问题，请过几分钟再试。")),
    "no_choice": ("", N_("请选择一种方式。")),
    "not_proven": ("", N_("没有核验成功。请再试一次，或者换一种方式，也可以到人工窗口办理。")),
    "unfinished": ("", N_("核验还没有完成。请先完成核验，再点“继续”。")),
    "wrong_code": ("code", N_("验证码不对，或者已经过期。请检查后再填。")),
    "wait": ("code", N_("刚刚发过验证码。请过一分钟再重新发送。")),
    "phone_not_own": ("phone", N_("这个手机号不能证明是您本人。请换一个您本人实名的手机号，或者换一种方式。")),
    "phone_held_by_many": ("phone", N_("用这个手机号的人太多了，不能再添加。请换一个手机号。")),
    "no_password": ("password", N_("请填密码。")),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Due:
    """The journey of this browser, at the page that is due."""

    journey: Journey
    handle: str

    def goes_to(self, following: Journey, *codes: str) -> ResponseReturnValue:
        """The journey moves on, unless another answer was first. The page that is due then follows."""
        return _to(following.stage.value, *codes) if self.save(following) else self.again()

    def save(self, following: Journey) -> bool:
        """True if the journey moves on to this; False if another answer was first."""
        work = unit_of_work()
        return journey_store.save(work.c, work.services.vault, self.handle, following, work.now)

    def again(self, *codes: str) -> ResponseReturnValue:
        """The same page, with what to correct."""
        return _to(self.journey.stage.value, *codes)


@sign_up.get("/sign-up")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def begin() -> ResponseReturnValue:
    """The first question: which document the person has."""
    work = unit_of_work()
    if not work.services.proofing.is_available:
        return flask.redirect("/sign-up/counter", 303)
    return flask.render_template(
        "sign_up/document.html",
        documents=[{"value": kind.value, "text": gettext(DOCUMENT_NAMES[kind.value])} for kind in DOCUMENTS],
        request_id=_request_id(flask.request.args.get("request")) or "",
        errors=_errors(),
    )


@sign_up.post("/sign-up")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def choose() -> ResponseReturnValue:
    """A journey begins, in this browser only, instead of an earlier one."""
    work, chosen = unit_of_work(), flask.request.form.get("document", "")
    request_id = _request_id(flask.request.form.get("request"))
    if not work.services.proofing.is_available:
        return flask.redirect("/sign-up/counter", 303)
    if chosen not in DOCUMENTS:
        browser.flash("no_document")
        return flask.redirect(f"/sign-up?request={request_id}" if request_id else "/sign-up", 303)
    handle, (_, network) = secrets.token_urlsafe(32), network_address.networks(work.request.source)
    journey = Journey(IdentifierKind(chosen), request_id=request_id)
    journey_store.begin(work.c, work.services.vault, handle, journey, network=network, now=work.now)
    give_cookie(SIGN_UP, handle, age=int(JOURNEY_FOR.total_seconds()))
    return flask.redirect("/sign-up/person", 303)


@sign_up.get("/sign-up/<page>")
@view(audience=Audience.ANYONE, csrf=Csrf.READ_ONLY)
def show(page: str) -> ResponseReturnValue:
    """The page of this stage, if it is the one that is due."""
    if page in _ENDS:
        return flask.render_template("sign_up/end.html", kind=page, login_at="", errors=())
    due = _due(page)
    if not isinstance(due, _Due):
        return due
    flask.g.leads_out = due.journey.stage in _LEADS_OUT
    return _PAGES[due.journey.stage](due)


@sign_up.post("/sign-up/<page>")
@view(audience=Audience.ANYONE, csrf=Csrf.FORM)
def submit(page: str) -> ResponseReturnValue:
    """The journey has moved on, or the page says what to correct."""
    due = _due(page)
    if not isinstance(due, _Due):
        return due
    if due.journey.stage is Stage.PASSWORD:
        return _open(due)
    work = unit_of_work()
    form, where = flask.request.form, work.request.source
    answer = registering.Answer(work.services, work.reading, due.journey, form, where, work.now)
    return _turned(due, registering.turn(answer))


def _turned(due: _Due, turn: Turn) -> ResponseReturnValue:
    if turn.end:
        return _to(turn.end)
    if turn.following is None:
        return due.again(*turn.codes)
    if turn.code_to is not None:
        return _sent(due, turn.following, turn.code_to)
    if turn.address and due.save(turn.following):
        return flask.redirect(turn.address, 303)
    return due.again() if turn.address else due.goes_to(turn.following, *turn.codes)


def _sent(due: _Due, following: Journey, phone: Mobile) -> ResponseReturnValue:
    """The code is on its way, in the transaction that stores it."""
    work = unit_of_work()
    if following.code is not None and due.save(following):
        words = {"code": following.code.digits, "person": masked(following.name), "service": gettext("一通")}
        message = short_message("sign_up_code", language(), **words)
        outbox.send_sms(work.c, work.services.vault, phone=phone, message=message, now=work.now)
    return _to(Stage.CODE.value)


def _due(page: str) -> _Due | ResponseReturnValue:
    """The journey of this browser at that stage, or the way to the page that is due instead."""
    if page not in list(Stage):
        flask.abort(404)
    work, handle = unit_of_work(), sent_cookie(SIGN_UP)
    journey = journey_store.find(work.reading, work.services.vault, handle, work.now) if is_handle(handle) else None
    if journey is None:
        browser.flash("journey_over")
        return flask.redirect("/sign-up", 303)
    if journey.stage is Stage.DONE:
        return _onward(journey)
    if journey.stage.value != page:
        return flask.redirect(f"/sign-up/{journey.stage.value}", 303)
    return _Due(journey, handle)


def _request_id(text: str | None) -> str | None:
    """The client's request, if this browser began it and it is open. A registration without one ends at the account."""
    if text is None or not _REQUEST_ID.fullmatch(text):
        return None
    work = unit_of_work()
    try:
        found, _ = pending.pending_request(work.services, work.reading, work.request, text, work.now)
    except (RequestGone, BrowserMismatch):
        return None
    return found.id


def _to(page: str, *codes: str) -> ResponseReturnValue:
    if codes:
        browser.flash(*codes)
    return flask.redirect(f"/sign-up/{page}", 303)


def _onward(journey: Journey) -> ResponseReturnValue:
    """Back to the service, or to the account."""
    if journey.request_id is not None:
        return browser.redirect_to_dispatcher(journey.request_id)
    return browser.redirect_to_path("/account")


def _errors() -> list[dict[str, str]]:
    """What to correct on this page. A code that no page made is left out."""
    found = []
    for code in browser.flashed():
        field, text = _PROBLEMS.get(code, ("", ""))
        if code in PASSWORD_REFUSALS:
            field, text = "password", PASSWORD_REFUSALS[code]
        shown = gettext(text) if text else cure(code)
        if shown:
            field = field or ("name" if code.startswith("name_") else "phone" if code.startswith("mobile_") else "")
            found.append({"field": field or ("" if text else "number"), "text": shown})
    return found


# The pages ----------------------------------------------------------------------------------------------------------
def _show_person(due: _Due) -> ResponseReturnValue:
    kind = due.journey.document
    has_number = unit_of_work().services.proofing.confirms(kind)
    return flask.render_template(
        "sign_up/person.html",
        document=gettext(DOCUMENT_NAMES[kind.value]),
        has_number=has_number,
        asks_age=not has_number or kind is IdentifierKind.FOREIGNER_CARD,
        errors=_errors(),
    )


def _show_proof(_: _Due) -> ResponseReturnValue:
    upstreams = unit_of_work().services.proofing.upstreams
    return flask.render_template(
        "sign_up/proof.html",
        upstreams=[
            {"value": name, "text": gettext(CHECKS[name][0]), "hint": gettext(CHECKS[name][1])} for name in upstreams
        ],
        errors=_errors(),
    )


def _show_check(due: _Due) -> ResponseReturnValue:
    upstream = due.journey.verification.upstream if due.journey.verification else ""
    return flask.render_template("sign_up/check.html", check=gettext(CHECKS[upstream][0]), errors=_errors())


def _show_phone(due: _Due) -> ResponseReturnValue:
    journey = due.journey
    is_optional = journey.is_proven
    return flask.render_template(
        "sign_up/phone.html",
        is_optional=is_optional,
        is_own=not is_optional and journey.number is not None,
        errors=_errors(),
    )


def _show_code(due: _Due) -> ResponseReturnValue:
    phone = Mobile.parse(due.journey.phone).masked_own if due.journey.phone else ""
    return flask.render_template("sign_up/code.html", phone=phone, errors=_errors())


def _show_password(due: _Due) -> ResponseReturnValue:
    return flask.render_template("sign_up/password.html", is_proven=due.journey.number is not None, errors=_errors())


def _show_known(due: _Due) -> ResponseReturnValue:
    login_at = f"/continue/{due.journey.request_id}" if due.journey.request_id else "/login"
    return flask.render_template("sign_up/end.html", kind="known", login_at=login_at, errors=())


# The last answer ----------------------------------------------------------------------------------------------------
def _open(due: _Due) -> ResponseReturnValue:
    """The account is open and the person signed in, or they learn that they have one already. The proof allows both."""
    password = flask.request.form.get("password", "")[:_LONGEST_PASSWORD]
    if not password.strip():
        return due.again("no_password")
    try:
        return _opened(due, password)
    except CredentialRefused as refused:
        return due.again(refused.code)
    except PhoneHeldByMany:
        return due.again("phone_held_by_many")
    except Conflict:
        return due.goes_to(due.journey.ended(Stage.KNOWN))
    except NotProven:
        return due.again()


def _opened(due: _Due, password: str) -> ResponseReturnValue:
    work, ready = unit_of_work(), due.journey.ready()
    services = work.services
    over = due.journey.ended(Stage.DONE)
    person = services.registration.open_account(
        services.database,
        ready.person,
        password,
        proofs=ready.proofs,
        channel=pending.WEB,
        now=work.now,
        spend=lambda c: journey_store.save(c, services.vault, due.handle, over, work.now),
        moved=lambda c, former, phone: notices.phone_moved(services, c, former, phone, now=work.now),
    )
    event = "person:authentication:password"
    record = audit.row(event, now=work.now, person=person.id, channel=pending.WEB, source=work.request.source)
    browser.sign_in(Authenticated(person.id, ("pwd",), work.now), record)
    return _onward(over)


_PAGES: Mapping[Stage, Callable[[_Due], ResponseReturnValue]] = {
    Stage.PERSON: _show_person,
    Stage.PROOF: _show_proof,
    Stage.CHECK: _show_check,
    Stage.PHONE: _show_phone,
    Stage.CODE: _show_code,
    Stage.PASSWORD: _show_password,
    Stage.KNOWN: _show_known,
}
