"""The words of the specifications that more than one module says."""

from __future__ import annotations

AUTHORIZATION_CODE = "authorization_code"
REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a grant, RFC 6749 §6
CLIENT_CREDENTIALS = "client_credentials"

OPENID = "openid"
OFFLINE_ACCESS = "offline_access"

NONE = "none"
CLIENT_SECRET_BASIC = "client_secret_basic"  # noqa: S105 - the name of a method, RFC 7591 §2
CLIENT_SECRET_POST = "client_secret_post"  # noqa: S105 - the name of a method, RFC 7591 §2
PRIVATE_KEY_JWT = "private_key_jwt"
JWT_BEARER_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

AT_JWT = "at+jwt"
LOGOUT_JWT = "logout+jwt"
ID_TOKEN = "JWT"  # noqa: S105 - the `typ` header of an ID token
CLIENT_AUTHENTICATION_JWT = "client-authentication+jwt"
BACKCHANNEL_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

S256 = "S256"

# What a secret starts with, so that a leaked one is recognised in logs and repositories.
CODE_PREFIX = "yt_ac_"
REFRESH_TOKEN_PREFIX = "yt_rt_"  # noqa: S105
CLIENT_SECRET_PREFIX = "yt_cs_"  # noqa: S105
INITIAL_ACCESS_TOKEN_PREFIX = "yt_ia_"  # noqa: S105
REGISTRATION_TOKEN_PREFIX = "yt_ra_"  # noqa: S105
