"""Tencent Cloud: text messages by `SendSms` (sms, 2021-01-11), voice by `SendTtsVoice` (vms, 2020-09-02).

Requests are signed with TC3-HMAC-SHA256 ("Signature v3" of the vendor's documentation; its published example is a
test). Failures come with status 200, either as `Response.Error` or as the `Code` of the one number.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from accounts.identifiers import Mobile
from accounts.ports import ShortMessage
from idp.adapters.systems.http_calls import Poster, fail, post, template_of

_ALGORITHM = "TC3-HMAC-SHA256"
_JSON = "application/json; charset=utf-8"
_SIGNED = "content-type;host;x-tc-action"
# About this phone or this text: the same message would be refused again. Everything else may be repaired meanwhile.
_FINAL = frozenset(
    {
        "FailedOperation.ContainSensitiveWord",
        "FailedOperation.PhoneNumberInBlacklist",
        "InvalidParameterValue.IncorrectPhoneNumber",
        "InvalidParameterValue.TemplateParameterFormatError",
        "InvalidParameterValue.TemplateParameterLengthLimit",
        "InvalidParameterValue.CalledNumberIncorrect",
    }
)


@dataclass(frozen=True, slots=True)
class TencentService:
    """One of the vendor's services: its name in the signature, its version, and where it answers."""

    name: str
    version: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class TencentAccount:
    """What the vendor's console gives. `text` and `voice` map our templates to the vendor's numbers."""

    secret_id: str
    secret_key: str = field(repr=False)
    sign_name: str
    sdk_app_id: str
    text: Mapping[str, str]
    voice: Mapping[str, str] = field(default_factory=dict)
    voice_sdk_app_id: str = ""
    region: str = "ap-guangzhou"
    endpoint: str = "https://sms.tencentcloudapi.com"
    voice_endpoint: str = "https://vms.tencentcloudapi.com"


class TencentSms:
    """An `accounts.ports.SmsGateway`. Immutable; threads may share it."""

    def __init__(self, account: TencentAccount, poster: Poster, clock: Callable[[], datetime]) -> None:
        self._account = account
        self._poster = poster
        self._clock = clock

    def send(self, phone: Mobile, message: ShortMessage) -> str:
        """The message was accepted for delivery. Returns the vendor's SerialNo."""
        given = {
            "PhoneNumberSet": [phone.canonical],
            "SmsSdkAppId": self._account.sdk_app_id,
            "SignName": self._account.sign_name,
            "TemplateId": template_of(self._account.text, message),
            "TemplateParamSet": [value for _, value in message.variables],
        }
        answer = self._called(TencentService("sms", "2021-01-11", self._account.endpoint), "SendSms", given)
        statuses = answer.get("SendStatusSet")
        status = statuses[0] if isinstance(statuses, list) and statuses and isinstance(statuses[0], dict) else {}
        code = status.get("Code", "no_code")
        return str(status.get("SerialNo", "")) if code == "Ok" else fail(code, final=code in _FINAL)

    def call(self, phone: Mobile, message: ShortMessage) -> str:
        """The call was accepted. Returns the vendor's CallId."""
        given = {
            "CalledNumber": phone.canonical,
            "VoiceSdkAppid": self._account.voice_sdk_app_id,
            "TemplateId": template_of(self._account.voice, message),
            "TemplateParamSet": [value for _, value in message.variables],
            "PlayTimes": 2,
        }
        answer = self._called(TencentService("vms", "2020-09-02", self._account.voice_endpoint), "SendTtsVoice", given)
        status = answer.get("SendStatus")
        if not isinstance(status, dict) or not status.get("CallId"):
            fail("no_call_id", final=False)
        return str(status["CallId"])

    def _called(self, service: TencentService, action: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The `Response` of the call. Raises for its `Error`."""
        body, now = orjson.dumps(given), self._clock()
        headers = {
            "Host": urlsplit(service.endpoint).netloc,
            "Content-Type": _JSON,
            "X-TC-Action": action,
            "X-TC-Version": service.version,
            "X-TC-Region": self._account.region,
            "X-TC-Timestamp": str(int(now.timestamp())),
            "Authorization": authorization(self._account, service, action, body, now),
        }
        _, answer = post(self._poster, f"{service.endpoint}/", body, headers)
        found = answer.get("Response")
        if not isinstance(found, dict):
            fail("no_response", final=False)
        error = found.get("Error")
        if isinstance(error, dict):
            code = error.get("Code", "no_code")
            fail(code, final=code in _FINAL)
        return found


def authorization(account: TencentAccount, service: TencentService, action: str, body: bytes, now: datetime) -> str:
    """The Authorization header of a POST of this JSON to `/`."""
    host, date = urlsplit(service.endpoint).netloc, now.astimezone(UTC).strftime("%Y-%m-%d")
    listed = f"content-type:{_JSON}\nhost:{host}\nx-tc-action:{action.lower()}\n"
    request = "\n".join(("POST", "/", "", listed, _SIGNED, hashlib.sha256(body).hexdigest()))
    scope = f"{date}/{service.name}/tc3_request"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    signed = "\n".join((_ALGORITHM, str(int(now.timestamp())), scope, hashed))
    key = f"TC3{account.secret_key}".encode()
    for part in (date, service.name, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, signed.encode(), "sha256").hex()
    return f"{_ALGORITHM} Credential={account.secret_id}/{scope}, SignedHeaders={_SIGNED}, Signature={signature}"
