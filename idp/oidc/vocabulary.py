"""Names and URNs of the specifications, each defined once."""

from __future__ import annotations

from typing import Final

# RFC 6749, OpenID Connect Core: grant types
AUTHORIZATION_CODE: Final = "authorization_code"
REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105 - a grant type's name
CLIENT_CREDENTIALS: Final = "client_credentials"

# RFC 7591 §2, RFC 7523 §2.2: client authentication
CLIENT_SECRET_BASIC: Final = "client_secret_basic"  # noqa: S105 - a method's name
CLIENT_SECRET_POST: Final = "client_secret_post"  # noqa: S105 - a method's name
PRIVATE_KEY_JWT: Final = "private_key_jwt"
NONE: Final = "none"
JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

SIGNING_ALGORITHMS: Final = ("ES256", "RS256")  # RS256 is for older clients

# RFC 9068 §2.1, OpenID Connect Back-Channel Logout §2.4: token types in the JOSE header
AT_JWT: Final = "at+jwt"
ID_JWT: Final = "JWT"
LOGOUT_JWT: Final = "logout+jwt"
BACKCHANNEL_LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"

# Scopes with a meaning in the protocol
OPENID: Final = "openid"
OFFLINE_ACCESS: Final = "offline_access"

# Prefixes by which scanners find a leaked secret of ours
CODE_PREFIX: Final = "yt_ac_"
REFRESH_PREFIX: Final = "yt_rt_"
CLIENT_SECRET_PREFIX: Final = "yt_cs_"  # noqa: S105 - a prefix
INITIAL_ACCESS_PREFIX: Final = "yt_ia_"
REGISTRATION_PREFIX: Final = "yt_ra_"
