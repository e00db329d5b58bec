"""GRANTS: every grant type of the token endpoint. A new one is a file here, a row below, and its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp.oidc.clients.client import Client
from idp.oidc.grants import authorization_code, client_credentials, refresh_token
from idp.oidc.messages import Parameters
from idp.oidc.provider import Provider
from idp.oidc.vocabulary import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN

Redeem = Callable[[Provider, Client, Parameters, datetime], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant type, the function that redeems it, and the clients that may register it.

    `for_public`: a client without authentication may. `acts_alone`: the client acts only for itself, so it may have
    scopes of its own, which concern no person.
    """

    grant_type: str
    redeem: Redeem
    for_public: bool
    acts_alone: bool


GRANTS: tuple[Grant, ...] = (
    Grant(AUTHORIZATION_CODE, authorization_code.redeem, for_public=True, acts_alone=False),
    Grant(REFRESH_TOKEN, refresh_token.redeem, for_public=True, acts_alone=False),
    Grant(CLIENT_CREDENTIALS, client_credentials.redeem, for_public=False, acts_alone=True),
)
GRANT_TYPES: tuple[str, ...] = tuple(grant.grant_type for grant in GRANTS)
