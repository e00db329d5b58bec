"""One relying system as registered, and the cache of clients that requests read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from accounts.database import Database
from idp.oidc.representation import Serves
from idp.oidc.tokens import token_store
from idp.oidc.vocabulary import NONE, PRIVATE_KEY_JWT

SERVES, HELPERS = "serves", "helpers"  # in a client's metadata, set by an operator only


@dataclass(frozen=True, slots=True)
class Client:
    """One relying system as registered."""

    client_id: str
    secret_digest: bytes | None = field(repr=False)
    previous_secret_digest: bytes | None = field(repr=False)
    name: str
    name_en: str
    channel: str
    division: str
    purpose: str
    purpose_en: str
    legal_basis: str
    sector: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    backchannel_logout_uri: str | None
    backchannel_logout_session_required: bool
    grant_types: tuple[str, ...]
    response_types: tuple[str, ...]
    scopes: tuple[str, ...]
    claims_ceiling: tuple[str, ...]
    token_endpoint_auth_method: str
    id_token_signed_response_alg: str
    require_pkce: bool
    legacy_system: str | None
    home_uri: str | None
    status: str
    registration_token_digest: bytes | None = field(repr=False)
    metadata: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime

    @property
    def has_secret(self) -> bool:
        """True if it authenticates by a secret. False if by a key, or not at all."""
        return self.token_endpoint_auth_method not in (NONE, PRIVATE_KEY_JWT)

    @property
    def serves(self) -> Serves:
        """Whom the client serves: persons, organisations, or both."""
        return Serves(self.metadata.get(SERVES, Serves.PERSONS))

    @property
    def allows_helpers(self) -> bool:
        """Whether a person may act there for another person whose helper they are. Not where only organisations act."""
        return self.metadata.get(HELPERS) is True and self.serves is not Serves.ORGANISATIONS

    @property
    def is_public(self) -> bool:
        """True if the client holds no secret and no key (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method == NONE

    def row(self) -> dict[str, Any]:
        """The client as a row of `clients`."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def from_row(row: Any) -> Client:
    """The client that a row of `clients` describes."""
    values: dict[str, Any] = {f.name: getattr(row, f.name) for f in fields(Client)}
    known: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return Client(**known)


@dataclass(frozen=True, slots=True)
class NewClient:
    """What an administrator or a registration says about a relying system. The defaults are the safest."""

    client_id: str
    name: str
    name_en: str
    division: str
    purpose: str
    purpose_en: str
    legal_basis: str
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    claims_ceiling: tuple[str, ...]
    channel: str = "web"
    sector: str | None = None
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = True
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105 - a method's name
    id_token_signed_response_alg: str = "ES256"  # noqa: S105 - an algorithm
    require_pkce: bool = True
    legacy_system: str | None = None
    home_uri: str | None = None
    registration_token_digest: bytes | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class ClientCache:
    """Clients by id, kept in the process and dropped when the version stamp in the database changes.

    The stamp is read at most once in `lifetime`, so every process sees a change within that time.
    """

    def __init__(
        self,
        database: Database,
        *,
        lifetime: timedelta = timedelta(seconds=1),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._lifetime = lifetime.total_seconds()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._clients: dict[str, Client | None] = {}
        self._version = -1
        self._fresh_until = float("-inf")

    def get(self, client_id: str) -> Client | None:
        """The client, even a disabled one, or None if no client has that id."""
        if not (client_id.isascii() and client_id.isprintable()):
            return None  # RFC 6749 Appendix A.1; a NUL or lone surrogate would be a failure of the driver
        if self._monotonic() >= self._fresh_until:
            self._refresh()
        try:
            return self._clients[client_id]
        except KeyError:
            return self._load(client_id)

    def _refresh(self) -> None:
        version = token_store.client_version(self._database.connection())
        with self._lock:
            if version != self._version:
                self._clients = {}
                self._version = version
            self._fresh_until = self._monotonic() + self._lifetime

    def _load(self, client_id: str) -> Client | None:
        known = self._clients  # taken first: a row read before a change must not enter the cache made after it
        row = self._database.connection().one(token_store.FIND_CLIENT, wanted=client_id)
        if row is None:
            return None  # not kept: otherwise an attacker could fill the cache with names
        client = from_row(row)
        known[client_id] = client
        return client
