"""Every template with values as its view hands them in: for the tests of pages and for scripts/preview-pages."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask
from flask_babel import Babel

from idp import i18n
from tests.processes import free_ports, running

ROOT = Path(__file__).parent.parent
NONCE = "c2FtcGxlLW5vbmNl"
POLICY = f"default-src 'none'; style-src 'self'; img-src 'self'; script-src 'nonce-{NONCE}'; base-uri 'none'"

_HOUSING = {"zh-CN": "泸州市住房公积金网上服务大厅", "en": "Luzhou Housing Fund Online"}
_SOCIAL = {"zh-CN": "泸州市社会保险网上经办", "en": "Luzhou Social Insurance Online"}


@dataclass(frozen=True)
class Scene:
    """One picture of one page."""

    name: str
    template: str
    values: dict[str, Any]


def scenes(lang: str) -> tuple[Scene, ...]:
    """Every page, in every state worth a look, with texts in that language."""
    zh = lang == "zh-CN"
    housing, social = _HOUSING[lang], _SOCIAL[lang]

    def say(chinese: str, english: str) -> str:
        return chinese if zh else english

    login = {"action": "/login/r1", "client_name": housing, "next": "", "errors": [], "may_cancel": True}
    number = {
        "name": say("公民身份号码或证件号码", "ID number"),
        "why": say("用于依法核验身份并关联业务档案", "To verify you as the law asks and to find your files"),
        "sensitive": True,
    }
    facts = [
        {
            "name": say("姓名", "Name"),
            "why": say("用于核对办事人身份并称呼您", "To check who is applying, and to address you"),
            "sensitive": False,
        },
        {
            "name": say("手机号码", "Mobile number"),
            "why": say("用于通知办理进度", "To tell you how your matter proceeds"),
            "sensitive": False,
        },
    ]
    consent = {
        "action": "/consent/r1",
        "mark": "a-mark",
        "client_name": housing,
        "person": say("欧*娜", "O*na"),
        "purpose": say("查询和提取住房公积金", "Seeing and withdrawing your housing fund"),
        "facts": [*facts, number],
    }
    wrong = {
        "field": "identifier",
        "text": say("号码或密码不对，请检查后再试", "The number or the password is not right."),
    }
    refusal = {
        "title": say("我们不认识这个网站", "We do not know this website"),
        "cause": say(
            "要您来登录的网站没有在我们这里登记。", "The website that sent you here is not registered with us."
        ),
        "cure": say(
            "请从官方网站重新进入。不要在那个网站填写密码。",
            "Start again from the official website. Do not type your password on that other one.",
        ),
        "code": "unknown_client",
        "description": "client_id is not registered with this provider. Check the value, or register the client.",
        "log_id": "482-719-350",
        "home_uri": "",
        "client_name": "",
        "retry_to": "",
    }
    too_old = refusal | {
        "title": say("这个页面打开太久了", "This page was open too long"),
        "cause": say(
            "为了安全，我们没有接受刚才的提交，什么也没有改变。",
            "For safety we did not accept that form, and nothing was changed.",
        ),
        "cure": say("请重新打开这一页，再试一次。", "Open the page again and try once more."),
        "code": "foreign_form",
        "description": "The form was refused: no valid token. Load its page again.",
        "log_id": "660-218-947",
        "retry_to": "/login/r1",
    }
    busy = {
        "title": say("现在人多，请稍等", "It is busy now, please wait a moment"),
        "cause": say("同时登录的人太多，您的这一次没有办成。", "Too many people are logging in at the same time."),
        "seconds": 5,
        "retry_to": "/continue/r1",
        "code": "busy",
        "description": "More password checks are waiting than this machine can do.",
        "log_id": "105-377-214",
    }
    messages = [
        {
            "phone": "139****0001",
            "text": say("验证码 000000，五分钟内有效。", "Your code is 000000, good for five minutes."),
            "at": say("今天 17:12", "today 17:12"),
        }
    ]
    account = {
        "person": say("欧*娜", "O*na"),
        "done": say("那个设备已经退出。", "That device is logged out."),
        "sessions": [
            {
                "id": "s1",
                "device": say("Windows 电脑 · Edge 浏览器", "Windows computer · Edge"),
                "channel": say("网页", "Web"),
                "place": "192.0.2.10",
                "since": say("今天 09:12", "today 09:12"),
                "seen": say("今天 09:13", "today 09:13"),
                "here": True,
            },
            {
                "id": "s2",
                "device": say("安卓手机 · Chrome 浏览器", "Android phone · Chrome"),
                "channel": say("网页", "Web"),
                "place": "198.51.100.7",
                "since": say("3月1日 20:41", "1 Mar, 20:41"),
                "seen": say("3月1日 21:03", "1 Mar, 21:03"),
                "here": False,
            },
        ],
        "services": [
            {
                "id": "g1",
                "name": housing,
                "home_uri": "/account",
                "facts": say("姓名、手机号码", "Name, Mobile number"),
                "basis": say("您的同意", "Your consent"),
                "given": say("2月3日 10:20", "3 Feb, 10:20"),
                "used": say("今天 09:13", "today 09:13"),
                "withdrawable": True,
            },
            {
                "id": "g2",
                "name": social,
                "home_uri": "",
                "facts": say("姓名、公民身份号码或证件号码", "Name, ID number"),
                "basis": say("依法履行职责", "A duty laid down by law"),
                "given": say("2月3日 10:31", "3 Feb, 10:31"),
                "used": say("3月1日 20:42", "1 Mar, 20:42"),
                "withdrawable": False,
            },
        ],
        "activity": [
            {
                "text": say("用密码登录成功", "Logged in with a password"),
                "at": say("今天 09:12", "today 09:12"),
                "where": say("网页", "Web"),
                "refused": False,
            },
            {
                "text": say("密码错误，登录失败", "Wrong password"),
                "at": say("今天 09:11", "today 09:11"),
                "where": say("网页", "Web"),
                "refused": True,
            },
        ],
    }
    return (
        Scene("login", "pages/login.html", login),
        Scene("login-wrong", "pages/login.html", login | {"next": "/account", "errors": [wrong]}),
        Scene(
            "throttled",
            "pages/throttled.html",
            {"minutes": 15, "until": "10:42", "retry_to": "/continue/r1", "log_id": "731-912-006"},
        ),
        Scene("busy", "pages/busy.html", busy),
        Scene("sandbox", "pages/sandbox.html", {"messages": messages}),
        Scene(
            "consent-notice",
            "pages/consent.html",
            consent | {"kind": "notice", "legal_basis": say("依法履行职责", "A duty laid down by law")},
        ),
        Scene(
            "consent",
            "pages/consent.html",
            consent | {"kind": "consent", "facts": facts, "legal_basis": say("您的同意", "Your consent")},
        ),
        Scene("preferences", "pages/preferences.html", {"saved": True, "next": ""}),
        Scene("account", "pages/account.html", account),
        Scene(
            "confirm-sign-out",
            "pages/confirm_sign_out.html",
            {"action": "/sign-out", "client_name": housing, "services": [housing, social], "fields": {}},
        ),
        Scene("signed-out", "pages/signed_out.html", {"return_uri": "/account", "client_name": housing}),
        Scene("error", "pages/error.html", refusal),
        Scene("error-open-again", "pages/error.html", too_old),
        Scene(
            "expired",
            "pages/expired.html",
            {"home_uri": "/account", "client_name": housing, "collected": False, "log_id": "017-720-533"},
        ),
        Scene(
            "login-collected",
            "pages/expired.html",
            {"home_uri": "/account", "client_name": housing, "collected": True, "log_id": "017-720-533"},
        ),
        Scene(
            "form-post",
            "oidc/form_post.html",
            {"redirect_uri": "/callback", "fields": {"code": "sample", "state": "af0"}, "client_name": housing},
        ),
    )


def hostile(value: Any) -> Any:
    """The same value with every text in it turned into an attack; shapes, truth values and what is absent stay."""
    if isinstance(value, str) and value:
        return value + "\"'><script>alert(1)</script>"
    if isinstance(value, dict):
        return {key: hostile(item) if key not in {"kind", "field"} else item for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return value


def sample_app() -> flask.Flask:
    """The templates at /<lang>/<view>/<scene>, under the policy pages have, without anything behind them."""
    app = flask.Flask("samples", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(i18n.CATALOGUES)
    Babel(
        app, default_locale=i18n.SOURCE, locale_selector=lambda: i18n.LANGUAGES[(flask.request.view_args or {})["lang"]]
    )

    def show(lang: str, view: str, name: str) -> str:
        scene = next(s for s in scenes(lang) if s.name == name)
        values = hostile(scene.values) if "hostile" in flask.request.args else scene.values
        here = f"/{lang}/{view}/{name}"
        frame = {"lang": lang, "view": view, "return_to": here, "preferences_at": f"/preferences?next={here}"}
        return flask.render_template(
            scene.template, **frame, help_line="96196", csrf_token=lambda: "t0ken", csp_nonce=lambda: NONCE, **values
        )

    app.add_url_rule("/<lang>/<view>/<name>", "show", show)
    app.after_request(_under_policy)
    return app


@contextmanager
def served() -> Iterator[str]:
    """The address of the samples, by the server that serves the city: a browser that hangs up troubles nobody."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    server = ("granian", "--interface", "wsgi", "--blocking-threads", "4", "--port", str(port), "--factory")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", *server, "tests.page_samples:sample_app"]
        with running(command, Path(folder) / "samples.log", f"{address}/zh-CN/standard/login", dict(os.environ)):
            yield address


def _under_policy(response: flask.Response) -> flask.Response:
    response.headers["Content-Security-Policy"] = POLICY
    return response
