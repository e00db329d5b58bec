"""What the adapters of SMS gateways share: a call by POST, and its JSON answer. Errors become the port's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn, Protocol

import orjson

from accounts.errors import AccountsError, MessageRefused, RegistryUnavailable
from accounts.ports import ShortMessage

_OK = range(200, 300)
_WRONG = range(400, 500)
_TOO_MANY = 429
_CODE = re.compile(r"[A-Za-z0-9_.:\-]{1,80}", re.ASCII)  # other text could repeat the phone or the message


class Answer(Protocol):
    """What came back: any status, and the whole body."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The body."""


class Poster(Protocol):
    """The one fetcher, as the adapters use it (idp.delivery.fetcher)."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer to POST of these bytes. Raises an AccountsError when there is none."""


def post(poster: Poster, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """The status and the JSON object of the answer; an empty object for a refusal (4xx) that has none.

    Raises RegistryUnavailable when nobody answered, for 429 and 5xx, and for a success that is no JSON object.
    """
    try:
        answer = poster.post(url, body, headers)
    except AccountsError as error:
        raise RegistryUnavailable(detail=error.code) from None
    if answer.status == _TOO_MANY or answer.status not in (*_OK, *_WRONG):
        raise RegistryUnavailable(detail=f"status {answer.status}")
    found = _json(answer.body)
    if found is None and answer.status in _OK:
        raise RegistryUnavailable(detail="the answer is no JSON object")
    return answer.status, found or {}


def fail(code: object, *, final: bool) -> NoReturn:
    """Raise MessageRefused, or RegistryUnavailable where another attempt may succeed, with the gateway's code."""
    text = str(code)
    detail = text if _CODE.fullmatch(text) else "unreadable code"
    raise MessageRefused(detail=detail) if final else RegistryUnavailable(detail=detail)


def template_of(templates: Mapping[str, str], message: ShortMessage) -> str:
    """The vendor's template for this message: that of its language (`login_code_en`), else the Chinese one.

    Raises MessageRefused when the configuration has none.
    """
    found = templates.get(f"{message.template}_{message.language}") or templates.get(message.template)
    return found or fail("no_template", final=True)


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
