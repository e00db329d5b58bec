"""The token endpoint (RFC 6749 §3.2): it authenticates the client and passes the form to the grant that it names."""

from __future__ import annotations

from datetime import datetime

from idp.oidc.clients.authentication import AuthenticationAttempt, authenticated
from idp.oidc.clients.client import Client
from idp.oidc.endpoints.paths import TOKEN
from idp.oidc.errors import InvalidRequest, UnauthorizedClient, UnsupportedGrantType
from idp.oidc.grants import GRANTS
from idp.oidc.messages import Reply, Request, json_reply
from idp.oidc.provider import Provider

_BY_TYPE = {grant.grant_type: grant for grant in GRANTS}


def handle(provider: Provider, request: Request, now: datetime) -> Reply:
    """Tokens as JSON with `no-store`. Only parameters in the body count (RFC 6749 §3.2, §10.3)."""
    form = request.form
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise InvalidRequest("grant_type is missing")
    client = client_of(provider, request, now)
    grant = _BY_TYPE.get(grant_type)
    if grant is None:
        raise UnsupportedGrantType(f"grant_type must be one of {', '.join(_BY_TYPE)}")
    if grant_type not in client.grant_types:
        raise UnauthorizedClient("the client is not registered for this grant_type")
    return json_reply(200, grant.redeem(provider, client, form, now))


def client_of(provider: Provider, request: Request, now: datetime) -> Client:
    """The client that made the request, authenticated."""
    here, connection = provider.issuer + TOKEN.path, provider.database.connection
    asked = AuthenticationAttempt(request, request.form, provider.clients, connection, provider.issuer, here, now)
    return authenticated(asked)
