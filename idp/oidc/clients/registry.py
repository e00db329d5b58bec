"""Relying systems: what we know of each, how they are registered and changed, and the cache of them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from accounts.database import Connection, Database
from accounts.errors import Conflict
from idp.oidc.errors import InvalidClientMetadata, InvalidRedirectUri
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest, new_secret
from idp.oidc.urls import check_uri
from idp.oidc.vocabulary import (
    AUTHENTICATION_METHODS,
    CLIENT_SECRET_PREFIX,
    GRANT_TYPES,
    NONE,
    PRIVATE_KEY_JWT,
    SIGNING_ALGORITHMS,
)

_MOST_URIS = 50
_CLIENT_ID = re.compile(r"[ -~]{1,100}", re.ASCII)  # RFC 6749 appendix A.1


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
        """Whether it proves itself by one; otherwise it has a key, or nothing."""
        return self.token_endpoint_auth_method not in (NONE, PRIVATE_KEY_JWT)

    @property
    def is_public(self) -> bool:
        """Whether the client holds no secret and no key (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method == NONE

    def row(self) -> dict[str, Any]:
        """The client as a row of `clients`."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def from_row(row: Any) -> Client:
    """The client a row of `clients` describes."""
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


def create(c: Connection, new: NewClient, *, now: datetime) -> tuple[Client, str | None]:
    """The client is registered; its secret, shown this once, is None where it authenticates by key or not at all.

    Raises InvalidRedirectUri, InvalidClientMetadata, or Conflict when the client_id is taken.
    """
    check(new)
    secret = None if new.token_endpoint_auth_method in (NONE, PRIVATE_KEY_JWT) else new_secret(CLIENT_SECRET_PREFIX)
    told: dict[str, Any] = {f.name: getattr(new, f.name) for f in fields(NewClient) if f.name != "sector"}
    client = Client(
        **told,
        sector=new.sector or new.client_id,
        secret_digest=None if secret is None else digest(secret),
        previous_secret_digest=None,
        response_types=("code",) if "authorization_code" in new.grant_types else (),
        status="active",
        created_at=now,
        updated_at=now,
    )
    c.execute(token_store.INSERT_CLIENT, **client.row())
    token_store.clients_changed(c)
    return client, secret


def check(new: NewClient | Client) -> None:
    """Nothing about the client is unsafe. Raises InvalidRedirectUri or InvalidClientMetadata with the cure."""
    if len(new.redirect_uris) + len(new.post_logout_redirect_uris) > _MOST_URIS:
        raise InvalidRedirectUri(f"at most {_MOST_URIS} URIs may be registered")
    for uri in new.redirect_uris:
        check_uri(uri, name="redirect_uris")
    for uri in new.post_logout_redirect_uris:
        check_uri(uri, name="post_logout_redirect_uris")
    for name in ("backchannel_logout_uri", "home_uri"):
        if getattr(new, name) is not None:
            check_uri(getattr(new, name), name=name)
    _check_choices(new)
    if "authorization_code" in new.grant_types and not new.redirect_uris:
        raise InvalidRedirectUri("redirect_uris is missing; authorization_code needs at least one")
    if new.token_endpoint_auth_method == PRIVATE_KEY_JWT and not new.metadata.get("jwks"):
        raise InvalidClientMetadata("private_key_jwt needs jwks; give the public keys inline")
    if new.token_endpoint_auth_method == NONE and not new.require_pkce:
        raise InvalidClientMetadata("a public client cannot do without PKCE")
    if new.token_endpoint_auth_method == NONE and "client_credentials" in new.grant_types:
        raise InvalidClientMetadata("client_credentials needs a client that authenticates")


def _check_choices(new: NewClient | Client) -> None:
    """Every choice is one that an endpoint serves, so that nothing fails later, at somebody else's request."""
    if not _CLIENT_ID.fullmatch(new.client_id):
        raise InvalidClientMetadata("client_id must be 1 to 100 printable ASCII characters")
    if new.id_token_signed_response_alg not in SIGNING_ALGORITHMS:
        raise InvalidClientMetadata(f"id_token_signed_response_alg must be one of {', '.join(SIGNING_ALGORITHMS)}")
    if new.token_endpoint_auth_method not in AUTHENTICATION_METHODS:
        raise InvalidClientMetadata(f"token_endpoint_auth_method must be one of {', '.join(AUTHENTICATION_METHODS)}")
    if not frozenset(new.grant_types) <= frozenset(GRANT_TYPES):
        raise InvalidClientMetadata(f"grant_types may hold {', '.join(GRANT_TYPES)}")


def rotate_secret(c: Connection, client: Client, *, now: datetime) -> str:
    """A new secret is live beside the old one, which ends at the next rotation or by `end_old_secret`.

    Raises Conflict when somebody else made a new one since the client was read, whose secret would be dead unused.
    """
    secret = new_secret(CLIENT_SECRET_PREFIX)
    spent = {"of_client": client.client_id, "fresh": digest(secret), "old": client.secret_digest, "now": now}
    if c.execute(token_store.ROTATE_SECRET, **spent) != 1:
        raise Conflict(detail="clients")
    token_store.clients_changed(c)
    return secret


def end_old_secret(c: Connection, client: Client, *, now: datetime) -> bool:
    """Only the newest secret is live, in every process within a second. False if it was the only one before."""
    ended = c.execute(token_store.END_OLD_SECRET, of_client=client.client_id, now=now) == 1
    token_store.clients_changed(c)
    return ended


def read(c: Connection, client_id: str) -> Client | None:
    """The client as the database has it now, past the cache; None if there is none of that id."""
    row = c.one(token_store.FIND_CLIENT, wanted=client_id)
    return None if row is None else from_row(row)


def change(c: Connection, client: Client, *, now: datetime, **values: Any) -> tuple[str, ...]:
    """The client has these values, in every process within a second; returns the names of those that are new.

    Raises InvalidRedirectUri or InvalidClientMetadata as `create`, Conflict when it was changed since it was read.
    """
    names = tuple(name for name, value in values.items() if getattr(client, name) != value)
    if not names:
        return ()
    changed = replace(client, **values, updated_at=now)
    check(changed)
    row = changed.row()
    new = {f"new_{name}": row[name] for name in token_store.CHANGEABLE}
    if c.execute(token_store.CHANGE_CLIENT, of_client=client.client_id, was=client.updated_at, **new) != 1:
        raise Conflict(detail="clients")
    token_store.clients_changed(c)
    return names


def change_status(c: Connection, client_id: str, status: str, *, now: datetime) -> bool:
    """The client is `active` or `disabled`, in every process within a second. False if there is none of that id."""
    changed = c.execute(token_store.CHANGE_CLIENT_STATUS, of_client=client_id, new_status=status, now=now) == 1
    token_store.clients_changed(c)
    return changed


def every(c: Connection) -> tuple[Client, ...]:
    """Every client, by id."""
    return tuple(from_row(row) for row in c.rows(token_store.ALL_CLIENTS))


class ClientCache:
    """Clients by id, kept in the process, forgotten when the version stamp in the database moves.

    The stamp is read at most once in `lifetime`, so a change is seen everywhere within that time.
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
        """The client, disabled ones included; None if there is none of that id."""
        if not (client_id.isascii() and client_id.isprintable()):
            return None  # RFC 6749 Appendix A.1; the driver would refuse a NUL or lone surrogate as our failure
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
            return None  # not kept: strangers could otherwise fill the cache with names
        client = from_row(row)
        known[client_id] = client
        return client
