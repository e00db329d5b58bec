"""The start of the account's pages: what needs attention, and the way to each page."""

from __future__ import annotations

import flask
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from accounts.people.recovery import recoveries
from idp.i18n import N_
from idp.login import sessions
from idp.login.person_status import RESTRICTED
from idp.rights import closing
from idp.services import unit_of_work
from idp.web import browser
from idp.web.pages.drawing.formatting import device, masked, moment
from idp.web.views import Audience, Csrf, view

overview = flask.Blueprint("account", __name__)

_NEWCOMERS = 5
_DONE = {"kept": N_("账号保留下来了，不会注销。")}
# Address, title, what is there. An address that no page answers is left out, so that a build may lack a part.
_WAYS = (
    ("/account/facts", N_("我的资料"), N_("登记了什么，谁核验过，有效到什么时候")),
    ("/account/security", N_("登录方式"), N_("密码、验证码和其他登录方式")),
    ("/account/devices", N_("登录的设备"), N_("哪些手机和电脑正在使用您的账号")),
    ("/account/services", N_("连接的服务"), N_("哪些服务能得到您的信息，怎样收回")),
    ("/account/releases", N_("谁得到过我的信息"), N_("每一次提供：给谁、什么信息、什么时候")),
    ("/account/activity", N_("账号活动"), N_("登录、授权等每一件事的记录")),
    ("/organisations", N_("我的单位"), N_("您能代表哪些单位办事，谁能代表您的单位")),
    ("/account/family", N_("亲友代办"), N_("谁替您办事，您替谁办事，随时可以结束")),
    ("/account/older-accounts", N_("归并的旧账号"), N_("旧系统里的账号为什么归到您名下")),
    ("/account/corrections", N_("申请更正"), N_("姓名、出生日期登记错了怎么办")),
    ("/account/export", N_("下载我的资料"), N_("我们保存的关于您的全部内容")),
    ("/account/closing", N_("注销账号"), N_("不再使用统一登录")),
)


@overview.get("/account")
@view(audience=Audience.SIGNED_IN, csrf=Csrf.READ_ONLY)
def show() -> ResponseReturnValue:
    """The overview of the person who is signed in."""
    here, work = browser.signed_in(), unit_of_work()
    person = work.services.people.by_id(work.reading, here.person_id)
    name = work.services.people.attributes(person.attributes).name if person else ""
    begun = recoveries.open_of(work.reading, here.person_id, work.now)
    waiting = closing.pending(work.reading, here.person_id)
    return flask.render_template(
        "account/overview.html",
        person=masked(name),
        done=gettext(_DONE[done]) if (done := flask.request.args.get("done", "")) in _DONE else "",
        restricted=person is not None and person.status == RESTRICTED,
        newcomers=[
            {"device": device(each.user_agent), "place": each.source or "", "at": moment(each.created_at, work.now)}
            for each in sessions.of_new_browsers(work.reading, here.person_id, here=here.id, most=_NEWCOMERS)
        ],
        recovery_at=moment(begun[0].opens_at, work.now) if begun else "",
        closes_at=moment(waiting.due_at, work.now) if waiting else "",
        ways=[
            {"path": path, "title": gettext(title), "hint": gettext(hint)}
            for path, title, hint in _WAYS
            if browser.can_be_opened(path)
        ],
    )
