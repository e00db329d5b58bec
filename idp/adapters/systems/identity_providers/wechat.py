"""WeChat: by QR code on any screen (`qrconnect`), or inside WeChat itself (`oauth2/authorize` of an official account).

"Website application: WeChat login" and "Official accounts: web page authorization" of the platform's documentation. It
looks like OAuth 2.0 and differs: the client parameters are `appid` and `secret`, the address ends with a fragment, and
the secret goes in the query of a GET. An error has status 200 and `errcode`.

The two apps know one person by different `openid`s. A `unionid` joins them if both belong to one account of the open
platform, and is missing otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from accounts.errors import NotProven, RegistryUnavailable
from accounts.ports import PlatformAccount
from idp.adapters.systems.identity_providers.platform_calls import Caller, answered, json_object, text_of

_INSIDE = "MicroMessenger"  # in the user agent of WeChat's own browser
_WEBSITE, _OFFICIAL = ("/connect/qrconnect", "snsapi_login"), ("/connect/oauth2/authorize", "snsapi_base")
# About this code: wrong, too old, used before. Every other error is about us or about them.
_OF_THE_CODE = frozenset({40029, 40163, 41008, 42003})


@dataclass(frozen=True, slots=True)
class WechatApp:
    """One registered app: a website application, or an official account."""

    app_id: str
    app_secret: str = field(repr=False)


class Wechat:
    """An `accounts.ports.IdentityProvider`. Immutable; threads may share it."""

    name = "wechat"
    code_parameter = "code"

    def __init__(
        self,
        website: WechatApp,
        caller: Caller,
        *,
        official: WechatApp | None = None,
        pages: str = "https://open.weixin.qq.com",
        api: str = "https://api.weixin.qq.com",
    ) -> None:
        """Inside WeChat the `official` app is used, because there the person cannot scan their own screen."""
        self._website, self._official = website, official
        self._caller = caller
        self._pages, self._api = pages, api

    def authorization_url(self, *, state: str, redirect_uri: str, user_agent: str) -> str:
        """The page with the QR code, or inside WeChat the one that asks there."""
        app = self._app(user_agent)
        path, scope = _OFFICIAL if app is self._official else _WEBSITE
        asked = {"appid": app.app_id, "redirect_uri": redirect_uri, "response_type": "code", "scope": scope}
        # WeChat documents that the order of the parameters matters, and that the address ends with the fragment.
        return f"{self._pages}{path}?{urlencode(asked | {'state': state})}#wechat_redirect"

    def account(self, code: str, *, user_agent: str) -> PlatformAccount:
        """`unionid` first, where WeChat tells it: it outlives a change of the app."""
        app = self._app(user_agent)
        asked = {
            "appid": app.app_id, "secret": app.app_secret, "code": code, "grant_type": "authorization_code",
        }  # fmt: skip
        found = json_object(
            answered(lambda: self._caller.get(f"{self._api}/sns/oauth2/access_token?{urlencode(asked)}"))
        )
        _require_success(found)
        openid, unionid = text_of(found, "openid"), text_of(found, "unionid")
        if not openid or found.get("is_snapshotuser") == 1:  # a stand-in that WeChat invents for a preview of a page
            raise NotProven
        joined = (("wechat:unionid", unionid),) if unionid else ()
        return PlatformAccount((*joined, (f"wechat:openid:{app.app_id}", openid)))

    def _app(self, user_agent: str) -> WechatApp:
        return self._official if self._official is not None and _INSIDE in user_agent else self._website


def _require_success(found: dict[str, Any]) -> None:
    """Raises NotProven for a refused code, and RegistryUnavailable for every other error, with its number."""
    error = found.get("errcode", 0)
    if not isinstance(error, int):
        raise RegistryUnavailable(detail="unreadable errcode")
    if error in _OF_THE_CODE:
        raise NotProven
    if error != 0:
        raise RegistryUnavailable(detail=f"errcode {error}")
