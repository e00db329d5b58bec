"""The SMS gateway that a deployment has chosen, from its own file: which vendor, its keys, and its templates.

The file is TOML and holds secrets, so `yitong check` wants it private. docs/reference/messages.md describes it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from accounts.errors import AccountsError
from accounts.ports import SmsGateway
from idp.adapters.systems.aliyun_sms import AliyunAccount, AliyunSms
from idp.adapters.systems.http_calls import Poster
from idp.adapters.systems.http_sms import HttpCall, HttpSms
from idp.adapters.systems.tencent_sms import TencentAccount, TencentSms

PosterFor = Callable[[tuple[str, ...]], Poster]  # given the private origins that the operator allows
Clock = Callable[[], datetime]


class GatewayMisconfigured(AccountsError):
    """The file of the SMS gateway cannot be used. `cause` and `cure` name the entry and never its value."""

    code = "sms_gateway_misconfigured"

    def __init__(self, cause: str, cure: str) -> None:
        self.cause, self.cure = cause, cure
        super().__init__(detail=cause)


def gateway_of(
    path: Path, poster_for: PosterFor, clock: Clock, *, texts: Iterable[str], spoken: Iterable[str]
) -> SmsGateway:
    """The gateway that the file describes. Raises GatewayMisconfigured.

    `texts` are the templates that it must be able to send; `spoken` those that it must be able to read by voice, empty
    where no voice is offered.
    """
    try:
        read = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise GatewayMisconfigured(f"{path} cannot be read as TOML.", "Correct the path or the file.") from None
    kind = read.pop("kind", None)
    poster = poster_for(_private_origins(read))
    if kind == "http":
        return _http(read, poster, is_spoken=bool(tuple(spoken)))
    if kind not in ("aliyun", "tencent"):
        raise GatewayMisconfigured(f"{path} names no kind.", 'Set kind to "aliyun", "tencent" or "http".')
    _require_templates(read, "text", texts)
    _require_templates(read, "voice", spoken)
    if kind == "aliyun":
        return AliyunSms(_made(AliyunAccount, read), poster, clock)
    return TencentSms(_made(TencentAccount, read), poster, clock)


def _private_origins(read: dict[str, Any]) -> tuple[str, ...]:
    """The origins of this file's own addresses, if `private` says that they are in the operator's network."""
    if not read.pop("private", False):
        return ()
    urls = [read.get("endpoint"), read.get("voice_endpoint")]
    urls += [read[name].get("url") for name in ("text", "voice") if isinstance(read.get(name), dict)]
    split = [urlsplit(url) for url in urls if isinstance(url, str)]
    return tuple(f"{parts.scheme}://{parts.netloc}" for parts in split)


def _http(read: dict[str, Any], poster: Poster, *, is_spoken: bool) -> HttpSms:
    wanted = ("text", "voice") if is_spoken else ("text",)
    for name in wanted:
        if not isinstance(read.get(name), dict):
            raise GatewayMisconfigured(f"The table {name} is missing.", f"Add the table {name} with url and fields.")
    calls = {name: _made(HttpCall, read[name]) for name in ("text", "voice") if isinstance(read.get(name), dict)}
    return HttpSms(calls["text"], calls.get("voice"), poster)


def _require_templates(read: Mapping[str, Any], table: str, names: Iterable[str]) -> None:
    given = read.get(table, {})
    for name in names:
        if not (isinstance(given, dict) and isinstance(given.get(name), str) and given[name]):
            raise GatewayMisconfigured(f"The table {table} has no {name}.", f"Register the text and add {name} to it.")


def _made(kind: type[Any], read: Mapping[str, Any]) -> Any:
    """The value of that dataclass from a table. Lists become tuples, because the value is immutable."""
    known = {each.name for each in fields(kind)}
    if unknown := sorted(set(read) - known):
        raise GatewayMisconfigured(f"{unknown[0]} is not an entry.", f"Known entries: {', '.join(sorted(known))}.")
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in read.items()})
    except TypeError:
        missing = [each.name for each in fields(kind) if each.name not in read]
        raise GatewayMisconfigured(f"{missing[0]} is missing.", f"Add {missing[0]} to the file.") from None
