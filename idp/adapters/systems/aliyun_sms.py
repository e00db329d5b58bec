"""Alibaba Cloud: text messages by `SendSms` (dysmsapi), voice by `SingleCallByTts` (dyvmsapi), both 2017-05-25.

Requests are signed with ACS3-HMAC-SHA256 ("Request syntax and signature method V3" of the vendor's documentation; its
published example is a test). The parameters go in the body, because a phone number must not be in a URL. A failure may
come with status 200: only `Code` says how the call ended.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

import orjson

from accounts.identifiers import Mobile
from accounts.ports import ShortMessage
from idp.adapters.systems.http_calls import Poster, fail, post, template_of

VERSION = "2017-05-25"
_ALGORITHM = "ACS3-HMAC-SHA256"
_FORM = "application/x-www-form-urlencoded"
# About this phone or this text: the same message would be refused again. Everything else may be repaired meanwhile.
_FINAL = frozenset(
    {
        "isv.MOBILE_NUMBER_ILLEGAL",
        "isv.MOBILE_COUNT_OVER_LIMIT",
        "isv.INVALID_PARAMETERS",
        "isv.INVALID_JSON_PARAM",
        "isv.PARAM_LENGTH_LIMIT",
        "isv.TEMPLATE_MISSING_PARAMETERS",
        "isv.BLACK_KEY_CONTROL_LIMIT",
    }
)


@dataclass(frozen=True, slots=True)
class AliyunAccount:
    """What the vendor's console gives. `text` and `voice` map our templates to the vendor's codes."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    sign_name: str
    text: Mapping[str, str]
    voice: Mapping[str, str] = field(default_factory=dict)
    show_number: str = ""
    endpoint: str = "https://dysmsapi.aliyuncs.com"
    voice_endpoint: str = "https://dyvmsapi.aliyuncs.com"


class AliyunSms:
    """An `accounts.ports.SmsGateway`. Immutable; threads may share it."""

    def __init__(self, account: AliyunAccount, poster: Poster, clock: Callable[[], datetime]) -> None:
        self._account = account
        self._poster = poster
        self._clock = clock

    def send(self, phone: Mobile, message: ShortMessage) -> str:
        """The message was accepted for delivery. Returns the vendor's BizId."""
        form = {
            "PhoneNumbers": phone.visible,
            "SignName": self._account.sign_name,
            "TemplateCode": template_of(self._account.text, message),
            "TemplateParam": orjson.dumps(dict(message.variables)).decode(),
        }
        return self._called(self._account.endpoint, "SendSms", form, "BizId")

    def call(self, phone: Mobile, message: ShortMessage) -> str:
        """The call was accepted. Returns the vendor's CallId."""
        form = {
            "CalledNumber": phone.visible,
            "CalledShowNumber": self._account.show_number,
            "TtsCode": template_of(self._account.voice, message),
            "TtsParam": orjson.dumps(dict(message.variables)).decode(),
            "PlayTimes": "2",
        }
        return self._called(self._account.voice_endpoint, "SingleCallByTts", form, "CallId")

    def _called(self, endpoint: str, action: str, form: Mapping[str, str], reference: str) -> str:
        body = urlencode({name: value for name, value in form.items() if value}).encode()
        headers = {
            "host": urlsplit(endpoint).netloc,
            "content-type": _FORM,
            "x-acs-action": action,
            "x-acs-version": VERSION,
            "x-acs-date": self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        }
        headers["Authorization"] = authorization(self._account, headers, body)
        _, answer = post(self._poster, f"{endpoint}/", body, headers)
        code = answer.get("Code", "no_code")
        return str(answer.get(reference, "")) if code == "OK" else fail(code, final=code in _FINAL)


def authorization(
    account: AliyunAccount, headers: Mapping[str, str], body: bytes, query: Mapping[str, str] | None = None
) -> str:
    """The Authorization header of a POST to `/` with these headers, which it signs all, in lower case."""
    names = sorted(headers)
    listed = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    given = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted((query or {}).items()))
    request = "\n".join(("POST", "/", given, listed, ";".join(names), hashlib.sha256(body).hexdigest()))
    signed = f"{_ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(account.access_key_secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    return f"{_ALGORITHM} Credential={account.access_key_id},SignedHeaders={';'.join(names)},Signature={signature}"


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
