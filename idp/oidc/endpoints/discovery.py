"""Discovery (OpenID Connect Discovery 1.0 §3, RFC 8414): what this provider can do, built once and served as bytes.

Everything in it is read from the registries that do the work, so that it cannot promise a missing feature.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from idp.oidc import assurance
from idp.oidc.clients import authentication
from idp.oidc.consent import claims
from idp.oidc.endpoints.paths import PATHS
from idp.oidc.grants import GRANT_TYPES
from idp.oidc.messages import Reply, Request
from idp.oidc.provider import Provider
from idp.oidc.requests import validation
from idp.oidc.vocabulary import SIGNING_ALGORITHMS

_HEADERS = (("Content-Type", "application/json"), ("Cache-Control", "public, max-age=300"))


def handle(provider: Provider, request: Request, now: datetime) -> Reply:  # noqa: ARG001 - one signature for all endpoints
    """The metadata document. Both well-known paths answer the same."""
    return Reply(200, _bytes(provider.issuer), _HEADERS, constant=True)


@lru_cache(maxsize=8)
def _bytes(issuer: str) -> bytes:
    return orjson.dumps(document(issuer))


def document(issuer: str) -> dict[str, Any]:
    """The metadata of the provider at this issuer."""
    methods = list(authentication.AUTHENTICATION_METHODS)
    proven = [name for name in methods if name != "none"]
    algorithms = list(authentication.ASSERTION_ALGORITHMS)
    return {
        "issuer": issuer,
        **{path.discovery: issuer + path.path for path in PATHS if path.discovery is not None},
        "scopes_supported": list(claims.scopes_supported()),
        "claims_supported": list(claims.claims_supported()),
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": True,
        "response_types_supported": list(validation.RESPONSE_TYPES),
        "response_modes_supported": list(validation.RESPONSE_MODES),
        "grant_types_supported": list(GRANT_TYPES),
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
        "acr_values_supported": list(assurance.acr_values_supported()),
        "prompt_values_supported": list(validation.PROMPTS),
        "display_values_supported": ["page"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": proven,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "ui_locales_supported": list(validation.UI_LOCALES.values()),
    }
