"""Alipay: `publicAppAuthorize`, then `alipay.system.oauth.token` at the gateway, signed both ways with RSA2.

"User information authorization" and "Signature" of the open platform's documentation. RSA2 is RSASSA-PKCS1-v1_5 with
SHA-256 (RFC 8017 §8.2). The callback's code is named `auth_code`. An error has status 200 and is an `error_response`.

What the gateway signs is the text of the response's node as it stands in the body. So the node is cut out of the body
and never written anew: another order or another escape would be another text.

A `user_id` names a person in all apps and is being replaced by `open_id`, which is for one app. An app has the one, the
other, or for a time both; new apps have `open_id` alone.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from accounts.errors import NotProven, RegistryUnavailable
from accounts.ports import PlatformAccount
from idp.adapters.systems.identity_providers.platform_calls import Caller, answered, json_object, text_of

METHOD = "alipay.system.oauth.token"
NODE, ERROR = "alipay_system_oauth_token_response", "error_response"
_CHINA = ZoneInfo("Asia/Shanghai")
_OF_THE_CODE = frozenset({"isv.code-invalid", "isv.code-is-invalid", "isv.refresh-token-invalid"})


@dataclass(frozen=True, slots=True)
class AlipayApp:
    """What the open platform's console gives, and the private half of the key that was registered there."""

    app_id: str
    private_key: RSAPrivateKey = field(repr=False)
    alipay_key: RSAPublicKey = field(repr=False)


class Alipay:
    """An `accounts.ports.IdentityProvider`. Immutable; threads may share it."""

    name = "alipay"
    code_parameter = "auth_code"

    def __init__(
        self,
        app: AlipayApp,
        caller: Caller,
        clock: Callable[[], datetime],
        *,
        pages: str = "https://openauth.alipay.com",
        gateway: str = "https://openapi.alipay.com/gateway.do",
    ) -> None:
        self._app = app
        self._caller = caller
        self._clock = clock
        self._pages, self._gateway = pages, gateway

    def authorization_url(self, *, state: str, redirect_uri: str, user_agent: str) -> str:  # noqa: ARG002 - the port's
        """The page where the person scans, or agrees inside Alipay. `auth_base` asks for no profile."""
        asked = {"app_id": self._app.app_id, "scope": "auth_base", "redirect_uri": redirect_uri, "state": state}
        return f"{self._pages}/oauth2/publicAppAuthorize.htm?{urlencode(asked)}"

    def account(self, code: str, *, user_agent: str) -> PlatformAccount:  # noqa: ARG002 - the port's
        """`open_id` first, where Alipay tells it: `user_id` is going to end."""
        form = self._signed({"grant_type": "authorization_code", "code": code})
        body = answered(lambda: self._caller.post_form(self._gateway, form))
        nodes = members(body.decode("utf-8", "replace"))
        if ERROR in nodes:
            _refuse(json_object(nodes[ERROR]))
        found = json_object(self._verified(nodes))
        open_id, user_id = text_of(found, "open_id"), text_of(found, "user_id")
        pairs = ((f"alipay:open_id:{self._app.app_id}", open_id), ("alipay:user_id", user_id))
        told = tuple(pair for pair in pairs if pair[1])
        if not told:
            raise NotProven
        return PlatformAccount(told)

    def _signed(self, asked: Mapping[str, str]) -> dict[str, str]:
        form = {
            "app_id": self._app.app_id,
            "method": METHOD,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": self._clock().astimezone(_CHINA).strftime("%Y-%m-%d %H:%M:%S"),
            "version": "1.0",
            **asked,
        }
        return form | {"sign": sign(self._app.private_key, content_to_sign(form))}

    def _verified(self, nodes: Mapping[str, str]) -> str:
        """The text of the node. Raises NotProven unless Alipay signed it."""
        node, signature = (
            nodes.get(NODE, ""),
            nodes.get("sign", "").strip('"').replace("\\/", "/"),
        )  # JSON may escape a slash
        if not is_signed(self._app.alipay_key, node, signature):
            raise NotProven
        return node


def content_to_sign(form: Mapping[str, str]) -> str:
    """`name=value` of every parameter that is not empty, in the order of names, without `sign`."""
    return "&".join(f"{name}={value}" for name, value in sorted(form.items()) if value and name != "sign")


def sign(key: RSAPrivateKey, content: str) -> str:
    """The signature (RSA2) in base64."""
    return base64.b64encode(key.sign(content.encode(), PKCS1v15(), SHA256())).decode()


def is_signed(key: RSAPublicKey, content: str, signature: str) -> bool:
    """Whether `signature` is what the holder of the key made of this text. Nothing is never signed."""
    if not content:
        return False
    try:
        key.verify(base64.b64decode(signature, validate=True), content.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def members(text: str) -> dict[str, str]:
    """The members of a JSON object, each as the text that stands there.

    Raises RegistryUnavailable for anything else, and for a member that occurs twice: a reader that takes the other one
    would read what was not signed.
    """
    json_object(text)  # so between the members there are blanks and commas only
    decoder, found, at = json.JSONDecoder(), dict[str, str](), text.index("{")
    while (at := text.find('"', at)) >= 0:
        name, at = decoder.raw_decode(text, at)
        start = _behind_blanks(text, text.index(":", at) + 1)
        _, at = decoder.raw_decode(text, start)
        if name in found:
            raise RegistryUnavailable(detail="a member occurs twice")
        found[name] = text[start:at]
    return found


def _behind_blanks(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def _refuse(found: Mapping[str, Any]) -> None:
    """Raises NotProven for a refused code, and RegistryUnavailable for every other error, with its code."""
    if text_of(found, "sub_code") in _OF_THE_CODE:
        raise NotProven
    code = text_of(found, "code")
    readable = code.isascii() and code.isdigit()
    raise RegistryUnavailable(detail=f"code {code}" if readable else "unreadable code")
