"""The protocol's errors: what a client is told, in the words of the specifications.

ProtocolError                          error, description, status, headers
├── InvalidRequest                     RFC 6749 §5.2
│   ├── BadParameters                  the bytes do not form parameters at all (messages.py)
│   └── RequestTooLarge                413
├── InvalidClient                      RFC 6749 §5.2, 401
├── InvalidGrant                       RFC 6749 §5.2
├── UnauthorizedClient                 RFC 6749 §5.2
├── UnsupportedGrantType               RFC 6749 §5.2
├── InvalidScope                       RFC 6749 §5.2
├── InvalidToken                       RFC 6750 §3.1, 401
├── InsufficientScope                  RFC 6750 §3.1, 403
├── UnsupportedTokenType               RFC 7009 §2.2.1
├── InvalidRedirectUri                 RFC 7591 §3.2.2
├── InvalidClientMetadata              RFC 7591 §3.2.2
├── AccessDenied                       RFC 6749 §4.1.2.1
├── UnsupportedResponseType            RFC 6749 §4.1.2.1
├── LoginRequired, ConsentRequired, InteractionRequired, AccountSelectionRequired   OIDC Core §3.1.2.6
├── RequestNotSupported, RequestUriNotSupported, RegistrationNotSupported           OIDC Core §3.1.2.6
├── UnmetAuthenticationRequirements    OIDC Unmet Authentication Requirements 1.0
├── ServerError, TemporarilyUnavailable
└── RefusedToPerson                    shown as a page, never a redirect
"""

from __future__ import annotations

import re
from typing import ClassVar

_UNPRINTABLE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


class ProtocolError(Exception):
    """Base. `description` names the parameter and the cure; RFC 6749 §5.2 allows it printable ASCII only.

    Characters outside that set (and the quote and backslash it excludes) become `?`, so that no echo breaks a header.
    """

    error: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400

    def __init__(self, description: str = "", *, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.description = _UNPRINTABLE.sub("?", description)
        self.headers = headers
        super().__init__(f"{self.error}: {self.description}" if description else self.error)


class InvalidRequest(ProtocolError):
    """A parameter is missing, repeated or malformed."""

    error = "invalid_request"


class BadParameters(InvalidRequest):
    """Query or body are not parameters: broken UTF-8, control characters, duplicates, too many or too long."""


class RequestTooLarge(InvalidRequest):
    """The body is larger than 64 kB."""

    status = 413


class InvalidClient(ProtocolError):
    """The client is unknown or did not authenticate; the same answer for both."""

    error = "invalid_client"
    status = 401


class InvalidGrant(ProtocolError):
    """The code or refresh token is wrong, spent, expired, revoked or another client's."""

    error = "invalid_grant"


class UnauthorizedClient(ProtocolError):
    """The client is not registered for this grant or response type."""

    error = "unauthorized_client"


class UnsupportedGrantType(ProtocolError):
    """No such grant here."""

    error = "unsupported_grant_type"


class InvalidScope(ProtocolError):
    """A scope is unknown, malformed or more than was granted."""

    error = "invalid_scope"


class InvalidToken(ProtocolError):
    """The access token is wrong, expired or revoked (RFC 6750 §3.1)."""

    error = "invalid_token"
    status = 401


class InsufficientScope(ProtocolError):
    """The access token lacks the scope this endpoint needs (RFC 6750 §3.1)."""

    error = "insufficient_scope"
    status = 403


class UnsupportedTokenType(ProtocolError):
    """This kind of token cannot be revoked here (RFC 7009 §2.2.1)."""

    error = "unsupported_token_type"


class InvalidRedirectUri(ProtocolError):
    """A redirect URI cannot be registered (RFC 7591 §3.2.2)."""

    error = "invalid_redirect_uri"


class InvalidClientMetadata(ProtocolError):
    """A metadata field cannot be registered (RFC 7591 §3.2.2)."""

    error = "invalid_client_metadata"


class AccessDenied(ProtocolError):
    """The person, or a rule about them, refused."""

    error = "access_denied"


class UnsupportedResponseType(ProtocolError):
    """No such response type for this client."""

    error = "unsupported_response_type"


class LoginRequired(ProtocolError):
    """`prompt=none`, but the person must log in."""

    error = "login_required"


class ConsentRequired(ProtocolError):
    """`prompt=none`, but the person must be asked."""

    error = "consent_required"


class InteractionRequired(ProtocolError):
    """`prompt=none`, but the person must do something."""

    error = "interaction_required"


class AccountSelectionRequired(ProtocolError):
    """`prompt=none`, but the person must choose who they are."""

    error = "account_selection_required"


class RequestNotSupported(ProtocolError):
    """The `request` parameter is not taken here."""

    error = "request_not_supported"


class RequestUriNotSupported(ProtocolError):
    """The `request_uri` parameter is not taken here."""

    error = "request_uri_not_supported"


class RegistrationNotSupported(ProtocolError):
    """The `registration` parameter is not taken here."""

    error = "registration_not_supported"


class UnmetAuthenticationRequirements(ProtocolError):
    """An essential `acr` cannot be met; never a silent lower success."""

    error = "unmet_authentication_requirements"


class ServerError(ProtocolError):
    """Something of ours broke; `description` carries the log id."""

    error = "server_error"
    status = 500


class TemporarilyUnavailable(ProtocolError):
    """Busy or without a database: try again after `Retry-After` seconds."""

    error = "temporarily_unavailable"
    status = 503


class RefusedToPerson(ProtocolError):
    """The request must not be answered by a redirect; `code` names the page's message.

    Raised for an unknown client and for a redirect URI that is not registered (RFC 6749 §4.1.2.1).
    """

    error = "invalid_request"

    def __init__(self, code: str, description: str = "") -> None:
        self.code = code
        super().__init__(description)
