"""The JWK Set (RFC 7517 §5): the published keys, to be cached for ten minutes."""

from __future__ import annotations

import zlib
from datetime import datetime

from idp.oidc.messages import Reply, Request
from idp.oidc.provider import Provider
from idp.oidc.tokens.keys import JWKS_MAX_AGE

_HEADERS = (
    ("Content-Type", "application/jwk-set+json"),
    ("Cache-Control", f"public, max-age={int(JWKS_MAX_AGE.total_seconds())}"),
)


def handle(provider: Provider, request: Request, now: datetime) -> Reply:
    """The same bytes for everybody."""
    document = provider.keys.jwks(now)
    tag = f'"{zlib.crc32(document):08x}"'
    if request.headers.get("if-none-match") == tag:
        return Reply(304, b"", (*_HEADERS, ("ETag", tag)))
    return Reply(200, document, (*_HEADERS, ("ETag", tag)))
