"""The protocol's errors: error code, description, status and headers of the answer to the client.

ProtocolError
├── InvalidRequest ── BadParameters
├── InvalidClient · UnauthorizedClient · InvalidGrant · UnsupportedGrantType · InvalidScope
├── InvalidToken · InsufficientScope                        RFC 6750
├── AccessDenied · UnsupportedResponseType · LoginRequired · ConsentRequired · InteractionRequired
├── AccountSelectionRequired · UnmetAuthenticationRequirements
├── RequestNotSupported · RequestUriNotSupported · RegistrationNotSupported
├── InvalidRedirectUri · InvalidClientMetadata              RFC 7591
└── RefusedToPerson                                         a page, never a redirect
"""

from __future__ import annotations

from typing import ClassVar

Headers = tuple[tuple[str, str], ...]


class ProtocolError(Exception):
    """Base. `description` is printable ASCII, names the parameter and the cure (RFC 6749 §5.2)."""

    error: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400

    def __init__(self, description: str = "", *, headers: Headers = ()) -> None:
        super().__init__(f"{self.error}: {description}")
        self.description = description
        self.headers = headers

    def document(self) -> dict[str, str]:
        """The error as the specification's JSON object."""
        return {"error": self.error, **({"error_description": self.description} if self.description else {})}


class InvalidRequest(ProtocolError):
    """A parameter is missing, malformed or repeated."""

    error = "invalid_request"


class BadParameters(InvalidRequest):
    """The parameters cannot be read at all."""


class InvalidClient(ProtocolError):
    """The client failed to authenticate, or may not use this method."""

    error = "invalid_client"
    status = 401


class UnauthorizedClient(ProtocolError):
    """The client is not registered for what it requests."""

    error = "unauthorized_client"


class InvalidGrant(ProtocolError):
    """The code or token is unknown, used, expired, withdrawn or another client's."""

    error = "invalid_grant"


class UnsupportedGrantType(ProtocolError):
    """The grant type is not served."""

    error = "unsupported_grant_type"


class InvalidScope(ProtocolError):
    """None of the requested scopes is within the client's ceiling."""

    error = "invalid_scope"


class InvalidToken(ProtocolError):
    """The access token is missing, unknown, expired or revoked (RFC 6750 §3.1)."""

    error = "invalid_token"
    status = 401


class InsufficientScope(ProtocolError):
    """The scopes of the access token do not cover this resource (RFC 6750 §3.1)."""

    error = "insufficient_scope"
    status = 403


class AccessDenied(ProtocolError):
    """The person denied the request, or the gate refused it."""

    error = "access_denied"


class UnsupportedResponseType(ProtocolError):
    """Only `code` is served."""

    error = "unsupported_response_type"


class LoginRequired(ProtocolError):
    """The person must sign in and the client forbade a page (OIDC Core §3.1.2.6)."""

    error = "login_required"


class ConsentRequired(ProtocolError):
    """The person must see a notice or consent page and the client forbade a page."""

    error = "consent_required"


class InteractionRequired(ProtocolError):
    """Some page must be shown and the client forbade a page."""

    error = "interaction_required"


class AccountSelectionRequired(ProtocolError):
    """The person must choose an account and the client forbade a page."""

    error = "account_selection_required"


class UnmetAuthenticationRequirements(ProtocolError):
    """An essential `acr` cannot be reached (OpenID Connect Core Error Code unmet_authentication_requirements)."""

    error = "unmet_authentication_requirements"


class RequestNotSupported(ProtocolError):
    """Request objects are not served (OIDC Core §3.1.2.6)."""

    error = "request_not_supported"


class RequestUriNotSupported(ProtocolError):
    """Request objects by reference are not served."""

    error = "request_uri_not_supported"


class RegistrationNotSupported(ProtocolError):
    """The `registration` parameter is not served."""

    error = "registration_not_supported"


class InvalidRedirectUri(ProtocolError):
    """A redirect URI may not be registered (RFC 7591 §3.2.2)."""

    error = "invalid_redirect_uri"


class InvalidClientMetadata(ProtocolError):
    """A metadata field may not be registered (RFC 7591 §3.2.2)."""

    error = "invalid_client_metadata"


class RefusedToPerson(ProtocolError):
    """Shown to the person as a page, because the client or its redirect URI must not receive an answer.

    `code` names the message in the catalogue.
    """

    error = "invalid_request"

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
