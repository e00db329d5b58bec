"""Any gateway that takes a POST: its address, headers and fields come from the configuration, with `{placeholders}`.

A placeholder is replaced inside a value, and the values are encoded afterwards, so no name of a service or person can
add a field. Many gateways answer every call with 200, so `accepted` names the member of the answer that tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import orjson

from accounts.identifiers import Mobile
from accounts.ports import ShortMessage
from idp.adapters.systems.http_calls import Poster, fail, post

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_REFUSED = 400


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One kind of call. `fields` are sent as JSON, or as a form; `member` of the answer must be `accepted`."""

    url: str
    fields: Mapping[str, Any]
    as_form: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    member: str = "code"
    accepted: str = "0"
    refused: tuple[str, ...] = ()
    reference: str = ""


class HttpSms:
    """An `accounts.ports.SmsGateway`. Immutable; threads may share it."""

    def __init__(self, text: HttpCall, voice: HttpCall | None, poster: Poster) -> None:
        self._text = text
        self._voice = voice
        self._poster = poster

    def send(self, phone: Mobile, message: ShortMessage) -> str:
        """The message was accepted. Returns the member of the answer that the configuration names."""
        return self._called(self._text, phone, message)

    def call(self, phone: Mobile, message: ShortMessage) -> str:
        """The same by voice. Raises MessageRefused where the configuration has no voice."""
        return self._called(self._voice, phone, message) if self._voice else fail("no_voice", final=True)

    def _called(self, call: HttpCall, phone: Mobile, message: ShortMessage) -> str:
        values = {
            **dict(message.variables),
            "phone": phone.visible,
            "e164": phone.canonical,
            "template": message.template,
            "language": message.language,
            "text": message.text,
        }
        fields = _filled(call.fields, values)
        body = urlencode(fields).encode() if call.as_form else orjson.dumps(fields)
        kind = "application/x-www-form-urlencoded" if call.as_form else "application/json"
        status, answer = post(self._poster, call.url, body, {"Content-Type": kind, **call.headers})
        told = str(answer.get(call.member, status))
        if status < _REFUSED and told == call.accepted:
            return str(answer.get(call.reference, ""))
        return fail(told, final=told in call.refused)


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """The same value with every placeholder replaced. An unknown one stays."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), value)
    if isinstance(value, Mapping):
        return {name: _filled(each, values) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    return value
