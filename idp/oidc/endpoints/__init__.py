"""ENDPOINTS: every machine endpoint, its path and its handler. A new one is a file here and a row below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from idp.oidc.endpoints import discovery, introspection, jwks, paths, registration, revocation, token, userinfo
from idp.oidc.messages import Reply, Request
from idp.oidc.provider import Provider


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One machine endpoint."""

    at: paths.Path
    handle: Callable[[Provider, Request, datetime], Reply]


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(paths.TOKEN, token.handle),
    Endpoint(paths.USERINFO, userinfo.handle),
    Endpoint(paths.INTROSPECTION, introspection.handle),
    Endpoint(paths.REVOCATION, revocation.handle),
    Endpoint(paths.JWKS, jwks.handle),
    Endpoint(paths.OPENID_CONFIGURATION, discovery.handle),
    Endpoint(paths.SERVER_METADATA, discovery.handle),
    Endpoint(paths.REGISTRATION, registration.handle),
)
