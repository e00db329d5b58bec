"""The JWK Set (RFC 7517 §5): the published keys, to be cached for ten minutes."""

from __future__ import annotations

from datetime import datetime

from idp.oidc.keys import JWKS_MAX_AGE
from idp.oidc.messages import Reply, Request
from idp.oidc.provider import Provider

_HEADERS = (
    ("Content-Type", "application/jwk-set+json"),
    ("Cache-Control", f"public, max-age={int(JWKS_MAX_AGE.total_seconds())}"),
)


def handle(provider: Provider, request: Request, now: datetime) -> Reply:
    """The same bytes for everybody."""
    return Reply(200, provider.keys.jwks(now), _HEADERS)
