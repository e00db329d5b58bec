"""Relying systems: their registration, their changes and their secrets.

`client` has the client and the cache of clients, `client_metadata` the rules for its values.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from accounts.database import Connection
from accounts.errors import Conflict
from idp.oidc.clients.client import Client, ClientCache, NewClient, from_row
from idp.oidc.clients.client_metadata import check, response_types_of
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest, new_secret
from idp.oidc.vocabulary import CLIENT_SECRET_PREFIX, NONE, PRIVATE_KEY_JWT

__all__ = ["Client", "ClientCache", "NewClient", "check", "create", "from_row"]  # callers need not know the parts


_OPTIONAL = ("backchannel_logout_uri", "home_uri", "legacy_system")  # an empty text counts as None


def create(c: Connection, new: NewClient, *, now: datetime) -> tuple[Client, str | None]:
    """The client is registered. Returns its secret too, shown only now: None if it has a key or no authentication.

    Raises InvalidRedirectUri, InvalidClientMetadata, or Conflict when the client_id is taken.
    """
    emptied: dict[str, Any] = {name: None for name in _OPTIONAL if getattr(new, name) == ""}
    new = replace(new, **emptied)
    check(new)
    secret = None if new.token_endpoint_auth_method in (NONE, PRIVATE_KEY_JWT) else new_secret(CLIENT_SECRET_PREFIX)
    values: dict[str, Any] = {f.name: getattr(new, f.name) for f in fields(NewClient) if f.name != "sector"}
    client = Client(
        **values,
        sector=new.sector or new.client_id,
        secret_digest=None if secret is None else digest(secret),
        previous_secret_digest=None,
        response_types=response_types_of(new.grant_types),
        status="active",
        created_at=now,
        updated_at=now,
    )
    c.execute(token_store.INSERT_CLIENT, **client.row())
    token_store.clients_changed(c)
    return client, secret


def rotate_secret(c: Connection, client: Client, *, now: datetime) -> str:
    """Returns a new secret. The old one is also valid until the next rotation or `end_old_secret`.

    Raises Conflict when somebody made a new secret since the client was read: that one would end before its first use.
    """
    secret = new_secret(CLIENT_SECRET_PREFIX)
    spent = {"of_client": client.client_id, "fresh": digest(secret), "old": client.secret_digest, "now": now}
    if c.execute(token_store.ROTATE_SECRET, **spent) != 1:
        raise Conflict(detail="clients")
    token_store.clients_changed(c)
    return secret


def first_secret(c: Connection, client_id: str, *, now: datetime) -> str:
    """A client that changed to a secret has one, shown only now. Raises Conflict if it has one already."""
    secret = new_secret(CLIENT_SECRET_PREFIX)
    if c.execute(token_store.FIRST_SECRET, of_client=client_id, fresh=digest(secret), now=now) != 1:
        raise Conflict(detail="clients")
    token_store.clients_changed(c)
    return secret


def end_old_secret(c: Connection, client: Client, *, now: datetime) -> bool:
    """Only the newest secret is valid, in every process within a second. False if it was the only one."""
    ended = c.execute(token_store.END_OLD_SECRET, of_client=client.client_id, now=now) == 1
    token_store.clients_changed(c)
    return ended


def read(c: Connection, client_id: str) -> Client | None:
    """The client as the database has it now, without the cache, or None if no client has that id."""
    row = c.one(token_store.FIND_CLIENT, wanted=client_id)
    return None if row is None else from_row(row)


def change(c: Connection, client: Client, *, now: datetime, **values: Any) -> tuple[str, ...]:
    """The client has these values, in every process within a second. Returns the names of those that changed.

    What the new authentication method does not use is deleted: secrets, or keys that are not among the values. A client
    that now needs a secret has none until `first_secret`.

    Raises InvalidRedirectUri or InvalidClientMetadata like `create`, Conflict when it was changed since it was read.
    """
    names = tuple(name for name, value in values.items() if getattr(client, name) != value)
    if not names:
        return ()
    changed = _without_unused_keys(client, replace(client, **values, updated_at=now))
    changed = replace(changed, response_types=response_types_of(changed.grant_types))
    if changed.metadata != client.metadata and "metadata" not in names:
        names = (*names, "metadata")
    check(changed)
    row = changed.row()
    new = {f"new_{name}": row[name] for name in token_store.CHANGEABLE}
    if c.execute(token_store.CHANGE_CLIENT, of_client=client.client_id, was=client.updated_at, **new) != 1:
        raise Conflict(detail="clients")
    if client.has_secret and not changed.has_secret:
        c.execute(token_store.END_SECRETS, of_client=client.client_id)
    token_store.clients_changed(c)
    return names


def _without_unused_keys(before: Client, after: Client) -> Client:
    """Keys of a former method are removed, so that a later change cannot make them valid again."""
    left = before.token_endpoint_auth_method == PRIVATE_KEY_JWT != after.token_endpoint_auth_method
    if not left or after.metadata.get("jwks") != before.metadata.get("jwks"):
        return after
    return replace(after, metadata={name: value for name, value in after.metadata.items() if name != "jwks"})


def change_status(c: Connection, client_id: str, status: str, *, now: datetime) -> bool:
    """The client is `active` or `disabled`, in every process within a second. False for an unknown id."""
    changed = c.execute(token_store.CHANGE_CLIENT_STATUS, of_client=client_id, new_status=status, now=now) == 1
    token_store.clients_changed(c)
    return changed


def every(c: Connection) -> tuple[Client, ...]:
    """Every client, ordered by id."""
    return tuple(from_row(row) for row in c.rows(token_store.ALL_CLIENTS))
