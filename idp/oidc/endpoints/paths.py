"""The path of each endpoint and its name in discovery. `endpoints` adds the handlers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Path:
    """One URL of the protocol. `discovery` is its metadata name (OpenID Connect Discovery §3), if it has one.

    `for_browsers` marks a URL that a page of another origin may call with CORS (RFC 9700 §2.6: never /authorize).
    """

    name: str
    path: str
    methods: tuple[str, ...]
    discovery: str | None = None
    for_browsers: bool = False


TOKEN = Path("token", "/token", ("POST",), "token_endpoint", for_browsers=True)
INTROSPECTION = Path("introspection", "/introspect", ("POST",), "introspection_endpoint")
REVOCATION = Path("revocation", "/revoke", ("POST",), "revocation_endpoint", for_browsers=True)
USERINFO = Path("userinfo", "/userinfo", ("GET", "POST"), "userinfo_endpoint", for_browsers=True)
JWKS = Path("jwks", "/jwks", ("GET",), "jwks_uri", for_browsers=True)
OPENID_CONFIGURATION = Path("openid_configuration", "/.well-known/openid-configuration", ("GET",), for_browsers=True)
SERVER_METADATA = Path("server_metadata", "/.well-known/oauth-authorization-server", ("GET",), for_browsers=True)
REGISTRATION = Path("registration", "/register", ("GET", "POST", "DELETE"), "registration_endpoint")
AUTHORIZATION = Path("authorization", "/authorize", ("GET", "POST"), "authorization_endpoint")
END_SESSION = Path("end_session", "/end_session", ("GET", "POST"), "end_session_endpoint")

PATHS: tuple[Path, ...] = (
    AUTHORIZATION,
    TOKEN,
    USERINFO,
    JWKS,
    INTROSPECTION,
    REVOCATION,
    REGISTRATION,
    END_SESSION,
    OPENID_CONFIGURATION,
    SERVER_METADATA,
)
