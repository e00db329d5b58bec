"""The platforms that a deployment has chosen, from its own file: apps, keys, and where the platforms are.

The file is TOML and holds secrets, so `yitong check` wants it private. docs/how-to/sign-in-with-wechat-and-alipay.md
describes it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from accounts.errors import AccountsError
from accounts.ports import IdentityProvider
from idp.adapters.systems.identity_providers.alipay import Alipay, AlipayApp
from idp.adapters.systems.identity_providers.platform_calls import Caller
from idp.adapters.systems.identity_providers.wechat import Wechat, WechatApp

CallerFor = Callable[[tuple[str, ...]], Caller]  # given the private origins that may be called
Clock = Callable[[], datetime]
_SHORTEST_KEY = 2048  # bits of RSA
_PLACES = {"wechat": ("pages", "api"), "alipay": ("pages", "gateway")}


class IdentityProviderMisconfigured(AccountsError):
    """The file of the platforms cannot be used. `cause` and `cure` name the entry and never its value."""

    code = "identity_provider_misconfigured"

    def __init__(self, cause: str, cure: str) -> None:
        self.cause, self.cure = cause, cure
        super().__init__(detail=cause)


def identity_providers(
    path: Path, caller_for: CallerFor, clock: Clock, *, environment: str
) -> tuple[IdentityProvider, ...]:
    """The platforms that the file names, in its order. Raises IdentityProviderMisconfigured.

    Their addresses may be given only outside production, for the sandbox: elsewhere nobody but the platform itself can
    say who is there.
    """
    try:
        read = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise IdentityProviderMisconfigured(
            f"{path} cannot be read as TOML.", "Correct the path or the file."
        ) from None
    if unknown := sorted(set(read) - set(_PLACES)):
        raise IdentityProviderMisconfigured(f"{unknown[0]} is no table.", "Known tables: wechat, alipay.")
    return tuple(_made(name, _Table(name, read[name], path.parent), caller_for, clock, environment) for name in read)


def _made(name: str, table: _Table, caller_for: CallerFor, clock: Clock, environment: str) -> IdentityProvider:
    places = {place: table.text(place) for place in _PLACES[name] if place in table.read}
    if places and environment == "production":
        raise IdentityProviderMisconfigured(
            f"{name} has the address of a sandbox.", f"Remove {', '.join(places)} from the table {name}."
        )
    caller = caller_for(tuple(f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, places.values())))
    made: IdentityProvider
    if name == "wechat":
        website = WechatApp(table.text("app_id"), table.text("app_secret"))
        inside = "official_app_id" in table.read
        official = WechatApp(table.text("official_app_id"), table.text("official_app_secret")) if inside else None
        made = Wechat(website, caller, official=official, **places)
    else:
        app = AlipayApp(table.text("app_id"), table.private_key("private_key"), table.public_key("alipay_public_key"))
        made = Alipay(app, caller, clock, **places)
    table.require_all_known()
    return made


class _Table:
    """One table of the file, each entry of which must be asked for."""

    def __init__(self, name: str, read: Mapping[str, Any], directory: Path) -> None:
        if not isinstance(read, dict):
            raise IdentityProviderMisconfigured(f"{name} is no table.", f"Write [{name}].")
        self.name, self.read = name, read
        self._directory = directory
        self._asked: set[str] = set()

    def text(self, entry: str) -> str:
        """The text of this entry. Raises IdentityProviderMisconfigured if there is none."""
        self._asked.add(entry)
        value = self.read.get(entry)
        if not isinstance(value, str) or not value:
            raise IdentityProviderMisconfigured(
                f"{self.name} has no {entry}.", f"Add {entry} to the table {self.name}."
            )
        return value

    def private_key(self, entry: str) -> RSAPrivateKey:
        """Our key, from the PEM file that the entry names, beside the file of settings if the path is relative."""
        try:
            key = load_pem_private_key(self._file(entry), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        return key if isinstance(key, RSAPrivateKey) and key.key_size >= _SHORTEST_KEY else self._no_key(entry)

    def public_key(self, entry: str) -> RSAPublicKey:
        """The platform's key, from the PEM file that the entry names."""
        try:
            key = load_pem_public_key(self._file(entry))
        except (ValueError, UnsupportedAlgorithm):
            key = None
        return key if isinstance(key, RSAPublicKey) and key.key_size >= _SHORTEST_KEY else self._no_key(entry)

    def require_all_known(self) -> None:
        """Raises IdentityProviderMisconfigured for an entry that nothing asked for, such as one that is misspelled."""
        if unknown := sorted(set(self.read) - self._asked):
            raise IdentityProviderMisconfigured(
                f"{unknown[0]} is not an entry of {self.name}.", f"Remove {unknown[0]}, or correct its name."
            )

    def _file(self, entry: str) -> bytes:
        try:
            return (self._directory / self.text(entry)).read_bytes()
        except OSError:
            raise IdentityProviderMisconfigured(
                f"{self.name}: the file of {entry} cannot be read.", "Correct the path, or its permissions."
            ) from None

    def _no_key(self, entry: str) -> NoReturn:
        raise IdentityProviderMisconfigured(
            f"{self.name}: {entry} holds no RSA key of {_SHORTEST_KEY} bits.", "Name a PEM file with such a key."
        )
