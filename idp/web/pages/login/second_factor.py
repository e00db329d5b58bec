"""The second factor step: a code beside the password, for a client's request or on the way to a page of this site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from idp.i18n import N_
from idp.login import dispatcher, second_factors
from idp.login.interaction import Step
from idp.login.second_factors import SecondFactor
from idp.login.sessions import Session
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing import code_form
from idp.web.pages.drawing.formatting import localized_name
from idp.web.pages.drawing.layout import use_ui_locales
from idp.web.views import Audience, Csrf, view

second_factor = flask.Blueprint("second_factor", __name__)

_WRONG, _NOT_A_CODE, _EMPTY = "code_wrong", "recovery_code_wrong", "code_empty"
_PROBLEMS = {
    _NOT_A_CODE: N_("备用码不对，或者已经用过。请看看是不是抄错了，或者换一个没用过的。"),
    _WRONG: N_("验证码不对，或者已经用过。请等手机应用换一个新的验证码，再填一次。"),
    _EMPTY: N_("请填验证码。"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """What the page calls one kind: the link to it, its title, its field, and what to do."""

    link: str
    title: str
    label: str
    hint: str


WORDS: dict[str, Words] = {
    "totp": Words(
        link=N_("用手机验证器应用"),
        title=N_("请填手机应用里的验证码"),
        label=N_("6 位验证码"),
        hint=N_("打开手机上的验证器应用，找到“一通”，填上面显示的 6 位数字。"),
    ),
    "recovery_code": Words(
        link=N_("用备用码"),
        title=N_("请填一个备用码"),
        label=N_("备用码"),
        hint=N_("备用码是您设置时抄下或打印的 16 位字符。每个只能用一次。"),
    ),
}
_LINKS = {name: words.link for name, words in WORDS.items()} | {"passkey": N_("用通行密钥")}


@second_factor.get("/second_factor/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.READ_ONLY)
def show(request_id: str) -> ResponseReturnValue:
    """The page of a client's request; `way` chooses among what the person has set up."""
    due = browser.require_step(request_id, Step.SECOND_FACTOR)
    use_ui_locales(due.request.ui_locales)
    name = localized_name(due.client.name, due.client.name_en)
    return _page(f"/second_factor/{request_id}", due.session, client_name=name, after=f"/continue/{request_id}")


@second_factor.post("/second_factor/<id:request_id>")
@view(audience=Audience.PERSON, csrf=Csrf.FORM)
def submit(request_id: str) -> ResponseReturnValue:
    """The session has the second factor and the request goes on, or the person sees what to correct, or declined."""
    declines = flask.request.form.get("answer") == "cancel"
    due = browser.require_step(request_id, Step.SECOND_FACTOR, or_done=declines)
    if declines:
        work = unit_of_work()
        return browser.answer(dispatcher.decline(work.services, work.c, due, work.now))
    return _attempt(f"/second_factor/{request_id}", due.session, lambda: browser.redirect_to_dispatcher(request_id))


@second_factor.get("/second_factor")
@view(audience=Audience.ONE_FACTOR, csrf=Csrf.READ_ONLY)
def show_own() -> ResponseReturnValue:
    """The page on the way to a page of this site, which `next` names."""
    here = browser.signed_in_with_one_factor()
    return _page("/second_factor", here, after=browser.own_path(flask.request.args.get("next")) or "/account")


@second_factor.post("/second_factor")
@view(audience=Audience.ONE_FACTOR, csrf=Csrf.FORM)
def submit_own() -> ResponseReturnValue:
    """The session has the second factor and the person goes to `next`, or sees what to correct."""
    here = browser.signed_in_with_one_factor()
    after = browser.own_path(flask.request.form.get("next")) or "/account"
    return _attempt(flask.url_for("second_factor.show_own", next=after), here, lambda: browser.redirect_to_path(after))


def _page(action: str, session: Session | None, *, after: str, client_name: str = "") -> ResponseReturnValue:
    held = _held(session)
    typed = tuple(each for each in held if each.spend is not None)
    chosen = _chosen(typed, flask.request.args.get("way", ""))
    if held and not typed:
        return flask.redirect(_address(action, held[0].name, after), 303)
    errors = [{"field": "code", "text": gettext(_PROBLEMS[code])} for code in browser.flashed() if code in _PROBLEMS]
    return flask.render_template(
        "pages/second_factor.html",
        action=action,
        after=after,
        client_name=client_name,
        way=chosen.name if chosen else "",
        words=_words(chosen),
        others=[
            {"href": _address(action, each.name, after), "text": gettext(_LINKS[each.name])}
            for each in held
            if each is not chosen
        ],
        errors=errors,
        may_cancel=bool(client_name),
    )


def _words(chosen: SecondFactor | None) -> dict[str, str]:
    if chosen is None:
        return {}
    words = WORDS[chosen.name]
    return {"title": gettext(words.title), "label": gettext(words.label), "hint": gettext(words.hint)}


def _held(session: Session | None) -> tuple[SecondFactor, ...]:
    return () if session is None else second_factors.held(unit_of_work().reading, session.person_id)


def _chosen(held: tuple[SecondFactor, ...], way: str) -> SecondFactor | None:
    return next((each for each in held if each.name == way), held[0] if held else None)


def _address(action: str, way: str, after: str) -> str:
    """The same page with another way, or that way's own page. A client's request knows by itself where it goes on."""
    is_typed = way in WORDS
    query = ({"way": way} if is_typed else {}) | ({"next": after} if action == "/second_factor" else {})
    path = action if is_typed else f"{action}/{way}"
    return f"{path}?{urlencode(query)}" if query else path


def _attempt(again: str, session: Session | None, onward: Callable[[], ResponseReturnValue]) -> ResponseReturnValue:
    form, work = flask.request.form, unit_of_work()
    chosen = _chosen(tuple(each for each in _held(session) if each.spend is not None), form.get("way", ""))
    code = code_form.meant_code()
    if session is None or chosen is None or not code:
        return _try_again(again, form.get("way", ""), _EMPTY)
    renewed = second_factors.prove(
        work.c, work.services.vault, session, chosen, code, source=work.request.source, now=work.now
    )
    if renewed is None:
        return _try_again(again, chosen.name, _NOT_A_CODE if chosen.name == "recovery_code" else _WRONG)
    browser.stepped_up(renewed)
    return onward()


def _try_again(again: str, way: str, code: str) -> ResponseReturnValue:
    browser.flash(code)
    known = way if way in WORDS else ""
    return flask.redirect(f"{again}{'&' if '?' in again else '?'}way={known}" if known else again, 303)
