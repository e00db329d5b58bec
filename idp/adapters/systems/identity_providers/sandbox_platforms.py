"""WeChat and Alipay for demonstrations and tests: one small HTTP server with invented accounts. Never in production.

It has the oddities of the real ones: errors with status 200, `auth_code`, a missing `unionid`, signed answers whose
text must not be written anew, and a `user_id` that gives way to `open_id`. A visitor chooses who they are, and nobody
is checked.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from idp.adapters.systems.identity_providers.alipay import ERROR, METHOD, NODE, content_to_sign, is_signed, sign
from idp.adapters.systems.sandbox import SandboxInProduction

Parameters = Mapping[str, str]
_CODE_LIVES = timedelta(minutes=5)
_WECHAT_PAGES = {"/connect/qrconnect": "snsapi_login", "/connect/oauth2/authorize": "snsapi_base"}
_ALIPAY_PAGE = "/oauth2/publicAppAuthorize.htm"


@dataclass(frozen=True, slots=True)
class InventedAccount:
    """One account of a platform. `joined` is the unionid, or the user_id of an account from before `open_id`."""

    nickname: str
    secret_name: str
    joined: str | None = None


ACCOUNTS: dict[str, tuple[InventedAccount, ...]] = {
    "wechat": (
        InventedAccount("秀英", "o-xiuying", "u-xiuying"),
        InventedAccount("老李", "o-jianguo"),  # of an app outside any open-platform account: no unionid
    ),
    "alipay": (
        InventedAccount("秀英", "a-xiuying", "2088000000000001"),
        InventedAccount("新用户", "a-new"),
    ),
}


@dataclass(frozen=True, slots=True)
class SandboxApps:
    """What is registered at the invented platforms. `private_key` is Alipay's own, `app_key` the app's public one."""

    private_key: RSAPrivateKey = field(repr=False)
    app_key: RSAPublicKey = field(repr=False)
    callbacks: tuple[str, ...]
    wechat: Mapping[str, str] = field(repr=False)  # app id → secret
    alipay: str = "2021000000000001"


@dataclass(slots=True)
class _Code:
    app: str
    account: InventedAccount
    at: datetime
    used: bool = False


@dataclass(slots=True)
class Platforms:
    """The state of both. `told` is what Alipay tells of an account: its stage on the way from user_id to open_id."""

    apps: SandboxApps
    clock: Callable[[], datetime]
    told: frozenset[str] = frozenset({"user_id", "open_id"})
    tells_unionid: bool = True
    codes: dict[str, _Code] = field(default_factory=dict)

    def page(self, path: str, asked: Parameters) -> tuple[int, str, str]:
        """Status, content type or new address, and body of what a browser asks for."""
        if path == "/":
            return 200, "text/html", "<!doctype html><title>sandbox</title>"
        if path in _WECHAT_PAGES:
            fits = asked.get("appid") in self.apps.wechat and asked.get("scope") == _WECHAT_PAGES[path]
            return self._consent("wechat", asked.get("appid", ""), asked, fits=fits)
        if path == _ALIPAY_PAGE:
            fits = asked.get("app_id") == self.apps.alipay and asked.get("scope") in ("auth_base", "auth_user")
            return self._consent("alipay", asked.get("app_id", ""), asked, fits=fits)
        if path == "/sandbox/answer":
            return self._answer(asked)
        if path == "/sns/oauth2/access_token":
            return 200, "text/plain", orjson.dumps(self._wechat_token(asked)).decode()  # the real one says text/plain
        return 404, "text/plain", "not found"

    def _consent(self, platform: str, app: str, asked: Parameters, *, fits: bool) -> tuple[int, str, str]:
        """The page where a visitor chooses an account. A wrong request is an error with status 200."""
        if not fits or asked.get("redirect_uri") not in self.apps.callbacks:
            return 200, "text/html", "<!doctype html><title>sandbox</title><h1>redirect_uri 参数错误</h1>"
        carried = {"platform": platform, "app": app, "to": asked["redirect_uri"], "state": asked.get("state", "")}
        links = [
            f'<li><a href="/sandbox/answer?{escape(urlencode(carried | {"account": at}))}">{escape(each.nickname)}</a>'
            for at, each in enumerate(ACCOUNTS[platform])
        ]
        links.append(f'<li><a href="/sandbox/answer?{escape(urlencode(carried))}">拒绝 refuse</a>')
        name = {"wechat": "微信 WeChat", "alipay": "支付宝 Alipay"}[platform]
        head = f"<!doctype html><html lang='zh-CN'><meta charset='utf-8'><title>{name} sandbox</title>"
        return 200, "text/html", f"{head}<h1>{name}（演示 sandbox）</h1><ul>{''.join(links)}</ul>"

    def _answer(self, asked: Parameters) -> tuple[int, str, str]:
        """Back to the callback, with a code unless the visitor refused."""
        if asked.get("to") not in self.apps.callbacks:
            return 404, "text/plain", "not found"
        told, platform = {"state": asked.get("state", "")}, asked.get("platform", "")
        if "account" in asked:
            code = secrets.token_hex(16)
            self.codes[code] = _Code(asked.get("app", ""), ACCOUNTS[platform][int(asked["account"])], self.clock())
            alipay = {"auth_code": code, "app_id": self.apps.alipay, "source": "alipay_wallet", "scope": "auth_base"}
            told |= {"code": code} if platform == "wechat" else alipay
        return 302, f"{asked['to']}?{urlencode(told)}", ""

    def _spent(self, code: str, app: str) -> InventedAccount | str:
        """The account of a code that is used now, or why it is none."""
        known = self.codes.get(code)
        if known is None or known.app != app or known.at < self.clock() - _CODE_LIVES:
            return "invalid"
        if known.used:
            return "used"
        known.used = True
        return known.account

    def _wechat_token(self, asked: Parameters) -> dict[str, object]:
        app = asked.get("appid", "")
        if app not in self.apps.wechat:
            return {"errcode": 40013, "errmsg": "invalid appid"}
        if asked.get("secret") != self.apps.wechat[app]:
            return {"errcode": 40125, "errmsg": "invalid appsecret"}
        found = self._spent(asked.get("code", ""), app)
        if isinstance(found, str):
            number = {"invalid": 40029, "used": 40163}[found]
            return {"errcode": number, "errmsg": f"{found} code, rid: 0-0-0"}
        token: dict[str, object] = {"access_token": secrets.token_hex(16), "expires_in": 7200, "scope": "snsapi_login"}
        joined = {"unionid": found.joined} if found.joined and self.tells_unionid else {}
        return token | {"openid": f"{found.secret_name}-{app}"} | joined

    def gateway(self, form: Parameters) -> str:
        """The body of Alipay's answer: a node and its signature, as text."""
        if form.get("app_id") != self.apps.alipay or form.get("method") != METHOD:
            return self._refused("isv.invalid-app-id", is_signed=False)
        if not is_signed(self.apps.app_key, content_to_sign(form), form.get("sign", "")):
            return self._refused("isv.invalid-signature", is_signed=False)
        found = self._spent(form.get("code", ""), self.apps.alipay)
        if isinstance(found, str):
            return self._refused("isv.code-invalid")
        told = {"open_id": f"{found.secret_name}-{self.apps.alipay}", "user_id": found.joined}
        kept = {name: value for name, value in told.items() if value and name in self.told}
        return self._node(NODE, {"access_token": secrets.token_hex(16), "expires_in": "1296000"} | kept)

    def _refused(self, sub_code: str, *, is_signed: bool = True) -> str:
        told = {"code": "40002", "msg": "Invalid Arguments", "sub_code": sub_code, "sub_msg": "参数无效"}
        return self._node(ERROR, told, is_signed=is_signed)

    def _node(self, name: str, told: dict[str, str], *, is_signed: bool = True) -> str:
        """The blanks inside the node are on purpose: whoever writes it anew gets another text than was signed."""
        node = orjson.dumps(told).decode().replace('","', '" , "')
        signature = f',"sign":"{sign(self.apps.private_key, node)}"' if is_signed else ""
        return f'{{"{name}":{node}{signature}}}'


class SandboxPlatforms(ThreadingHTTPServer):
    """The server on this machine; port 0 finds a free one. Raises SandboxInProduction when created in production."""

    daemon_threads = True

    def __init__(self, apps: SandboxApps, clock: Callable[[], datetime], *, environment: str, port: int = 0) -> None:
        if environment == "production":
            raise SandboxInProduction
        self.platforms = Platforms(apps, clock)
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def address(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: SandboxPlatforms

    def do_GET(self) -> None:
        """A page, a redirect, or WeChat's token."""
        parts = urlsplit(self.path)
        status, kind, body = self.server.platforms.page(parts.path, dict(parse_qsl(parts.query)))
        self._send(status, "Location" if status == 302 else "Content-Type", kind, body)  # noqa: PLR2004 - Found

    def do_POST(self) -> None:
        """Alipay's gateway."""
        form = dict(parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()))
        self._send(200, "Content-Type", "text/html;charset=utf-8", self.server.platforms.gateway(form))

    def _send(self, status: int, header: str, value: str, body: str) -> None:
        raw = body.encode()
        self.send_response(status)
        self.send_header(header, value if "charset" in value or header == "Location" else f"{value};charset=utf-8")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nothing: an address holds a code, and WeChat's also a secret."""
