"""The WeChat and Alipay accounts that a person bound to log in with: the list, a new one, and the removal of one.

Binding is asked for here alone, after a recent login with every factor that the person has. Nobody is found by a phone
or a nickname.
"""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.credentials.external.federated_journeys import Destination
from accounts.credentials.passkeys.challenges import Purpose
from accounts.errors import CredentialRefused
from idp.i18n import N_
from idp.i18n.labels import PLATFORMS
from idp.login import pending, sessions
from idp.rights import notices
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import moment
from idp.web.pages.drawing.platforms import leave
from idp.web.views import Audience, Csrf, view

platforms = flask.Blueprint("platforms", __name__)

_LIST = "/account/security/platforms"
_DONE = {
    "wechat": N_("微信已经绑定。下次可以用微信登录。"),
    "alipay": N_("支付宝已经绑定。下次可以用支付宝登录。"),
    "removed": N_("已经解除绑定，不能再用它登录。"),
}
_PROBLEMS = {
    "unproven_account": N_("请先核验身份，再绑定。可以在办事时核验，也可以带身份证到人工窗口。"),
    "only_way": N_("请先设置密码，再绑定。"),
    "too_many_bindings": N_("最多可以绑定 5 个。请先解除不用的。"),
    "known_account": N_("没有绑定：它已经绑定过了。一个微信或支付宝只能绑定一个人。"),
    "platform_old": N_("没有绑定：这一步用的时间太长，或者换了浏览器。请再试一次。"),
    "platform_cancelled": N_("没有绑定：您没有同意。"),
    "platform_wrong": N_("没有绑定成功。请再试一次。"),
    "platform_silent": N_("没有绑定：对方暂时没有回应。请过几分钟再试。"),
    "last_way": N_("没有解除：这是您唯一的登录方式。"),
}


@platforms.get("/account/security/platforms")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The accounts that the person bound, and a button for each platform that is offered."""
    here, work = browser.signed_in(), unit_of_work()
    flask.g.leads_out = True  # the button's form leads to the platform
    federated, codes = work.services.federated, browser.flashed()
    held = federated.identities.of_person(work.reading, here.person_id)
    return flask.render_template(
        "pages/platforms.html",
        bound=[
            {
                "id": each.id,
                "name": gettext(PLATFORMS[each.provider]),
                "since": moment(each.created_at, work.now),
                "used": moment(each.last_used_at, work.now) if each.last_used_at else "",
            }
            for each in held
        ],
        offered=[{"value": name, "name": gettext(PLATFORMS[name])} for name in federated.names],
        done=gettext(_DONE[done]) if (done := flask.request.args.get("done", "")) in _DONE else "",
        errors=[{"field": "", "text": gettext(_PROBLEMS[code])} for code in codes if code in _PROBLEMS],
    )


@platforms.post("/account/security/platforms")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def bind() -> ResponseReturnValue:
    """To the platform, from which the person comes back with an account to bind, or the list says why not."""
    here, work = browser.signed_in_recently(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    name, federated = flask.request.form.get("provider", ""), work.services.federated
    if name not in federated.names:
        flask.abort(404)
    try:
        federated.identities.require_may_bind(work.c, here.person_id, work.now)
    except CredentialRefused as refused:
        return _back(refused.code)
    return leave(Destination(Purpose.FEDERATED_BINDING, name, about=here.id))


@platforms.post("/account/security/platforms/remove")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.FORM)
def remove() -> ResponseReturnValue:
    """The chosen account opens nothing any more. What is not theirs is answered as if it did not exist."""
    here, work = browser.signed_in_recently(), unit_of_work()
    sessions.touch(work.c, here.id, work.now)
    identities, chosen = work.services.federated.identities, flask.request.form.get("binding", "")
    if chosen not in {each.id for each in identities.of_person(work.c, here.person_id)}:
        flask.abort(404)
    if not identities.remove(work.c, here.person_id, chosen, channel=pending.WEB, now=work.now):
        return _back("last_way")
    notices.sign_in_changed(work.services, work.c, here.person_id, now=work.now)
    return flask.redirect(f"{_LIST}?done=removed", 303)


def _back(code: str) -> ResponseReturnValue:
    browser.flash(code)
    return flask.redirect(_LIST, 303)
