"""GRANTS: every grant type the token endpoint serves. A new one is a file here, a row below, and its tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp.oidc.clients.registry import Client
from idp.oidc.grants import authorization_code, client_credentials, refresh_token
from idp.oidc.messages import Parameters
from idp.oidc.provider import Provider
from idp.oidc.vocabulary import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN

Redeem = Callable[[Provider, Client, Parameters, datetime], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant type and what redeems it."""

    grant_type: str
    redeem: Redeem


GRANTS: tuple[Grant, ...] = (
    Grant(AUTHORIZATION_CODE, authorization_code.redeem),
    Grant(REFRESH_TOKEN, refresh_token.redeem),
    Grant(CLIENT_CREDENTIALS, client_credentials.redeem),
)
