"""What the adapters of platforms share: one call over the fetcher, and the JSON object in its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from accounts.errors import AccountsError, RegistryUnavailable
from idp.oidc.untrusted_json import UnreadableJson, read_object

_OK = 200


class Answer(Protocol):
    """What came back: any status, and the whole body."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The body."""


class Caller(Protocol):
    """The one fetcher, as these adapters use it (idp.delivery.fetcher)."""

    def get(self, url: str) -> Answer:
        """The answer to GET. Raises an AccountsError when there is none."""

    def post_form(self, url: str, form: Mapping[str, str]) -> Answer:
        """The answer to POST of a form. Raises an AccountsError when there is none."""


def answered(call: Callable[[], Answer]) -> bytes:
    """The body of an answer with status 200, which these platforms also give to errors.

    Raises RegistryUnavailable for any other status and when nobody answered. Its detail never names the address, which
    may hold a secret.
    """
    try:
        answer = call()
    except AccountsError as error:
        raise RegistryUnavailable(detail=error.code) from None
    if answer.status != _OK:
        raise RegistryUnavailable(detail=f"status {answer.status}")
    return answer.body


def json_object(body: bytes | str) -> dict[str, Any]:
    """The object. Raises RegistryUnavailable for anything else: a gateway in between has answered."""
    try:
        return read_object(body)
    except UnreadableJson:
        raise RegistryUnavailable(detail="the answer is no JSON object") from None


def text_of(found: Mapping[str, Any], member: str) -> str:
    """The member if it is a text of at most 128 characters, as every identifier is; otherwise empty."""
    value = found.get(member)
    return value if isinstance(value, str) and 0 < len(value) <= 128 else ""  # noqa: PLR2004 - as documented above
