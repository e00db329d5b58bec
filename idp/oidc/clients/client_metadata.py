"""Client metadata: one table of every member, for registrations over HTTP and for commands at a terminal alike.

The names are those of IANA's registry "OAuth Dynamic Client Registration Metadata". There are three kinds of member
(docs/decisions/0045). A supported member is read by its row, and refused if it breaks the rule. A member that we know
and do not support is left out of the answer, like an unknown one (RFC 7591 §2, §3.2.1). A member that we assign is
ignored. `null`, an empty text and an empty list count as absent, whatever the member.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from idp.oidc.clients import assertions
from idp.oidc.clients.authentication import ASSERTION_AUDIENCE, ASSERTION_AUDIENCES, AUTHENTICATION_METHODS
from idp.oidc.clients.client import HELPERS, SERVES, Client, NewClient
from idp.oidc.consent.claims import scopes_supported
from idp.oidc.errors import InvalidClientMetadata, InvalidRedirectUri
from idp.oidc.grants import GRANT_TYPES, GRANTS, Grant
from idp.oidc.representation import Serves
from idp.oidc.requests.validation import RESPONSE_TYPES
from idp.oidc.urls import check_uri
from idp.oidc.vocabulary import AUTHORIZATION_CODE, NONE, PRIVATE_KEY_JWT, SIGNING_ALGORITHMS

_MOST_URIS = 50
_MOST_TEXTS = 50
_LONGEST_NAME = 100
_LONGEST_TEXT = 2000
_CLIENT_ID = re.compile(r"[ -~]{1,100}", re.ASCII)  # RFC 6749 appendix A.1
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}", re.ASCII)  # RFC 6749 §3.3

Read = Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True)
class Member:
    """One supported member. `read` returns the value as it is kept, or raises one of the errors of RFC 7591 §3.2.2.

    `attribute` is its name on a client. Without one, the client's `metadata` has it under its own name. `registrable`
    is False for a member that only an operator may set.
    """

    name: str
    read: Read
    attribute: str | None = None
    registrable: bool = True

    def of(self, client: Client | NewClient) -> Any:
        """The client's value, or None."""
        if self.attribute is None:
            return client.metadata.get(self.name)
        return getattr(client, self.attribute, None)


def read(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a registration, each value as it is kept. Raises the errors of RFC 7591 §3.2.2."""
    given = {name: value for name, value in document.items() if not is_absent(value)}
    return {m.name: m.read(m.name, given[m.name]) for m in MEMBERS if m.registrable and m.name in given}


def left_out(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The requested members that we know, and that the answer will not have."""
    return tuple(name for name in UNSUPPORTED if not is_absent(document.get(name)))


def described(client: Client) -> Iterator[tuple[str, Any]]:
    """The client's registered members as an answer shows them. An allow-list, so that no digest can appear."""
    for member in MEMBERS:
        value = member.of(client)
        is_repeated = member.name == "client_name#en" and value == client.name
        if member.registrable and value is not None and not is_repeated:
            yield member.name, " ".join(value) if member.read is _scopes else value


def is_absent(value: Any) -> bool:
    """True if the value counts as absent."""
    return value is None or value in ("", [], ())


def check(new: NewClient | Client) -> None:
    """Every value of the client is safe. Raises InvalidRedirectUri or InvalidClientMetadata with the cure."""
    if not _CLIENT_ID.fullmatch(new.client_id):
        raise InvalidClientMetadata("client_id must be 1 to 100 printable ASCII characters")
    if is_absent(new.name) or is_absent(new.name_en):
        raise InvalidClientMetadata("client_name is missing; people must read whom they deal with")
    if is_absent(new.purpose) or is_absent(new.purpose_en):
        raise InvalidClientMetadata("purpose is missing; people must read what their data is needed for")
    if len(new.redirect_uris) + len(new.post_logout_redirect_uris) > _MOST_URIS:
        raise InvalidRedirectUri(f"at most {_MOST_URIS} URIs may be registered")
    for member in MEMBERS:
        value = member.of(new)
        if not is_absent(value):
            member.read(member.name, value)
    _check_grants(new)
    _check_authentication(new)


def response_types_of(grant_types: Collection[str]) -> tuple[str, ...]:
    """The response types that go with these grant types (RFC 7591 §2.1)."""
    return RESPONSE_TYPES if AUTHORIZATION_CODE in grant_types else ()


def has_scopes_of_its_own(grant_types: Collection[str]) -> bool:
    """True if a client with these grant types may have scopes that concern no person."""
    return any(grant.acts_alone for grant in _named(grant_types))


def _named(grant_types: Collection[str]) -> Iterator[Grant]:
    return (grant for grant in GRANTS if grant.grant_type in grant_types)


def _check_grants(new: NewClient | Client) -> None:
    """Grants, scopes and redirect URIs fit together."""
    if not new.grant_types:
        raise InvalidClientMetadata("grant_types is empty; name what the client needs")
    if AUTHORIZATION_CODE in new.grant_types and not new.redirect_uris:
        raise InvalidRedirectUri("redirect_uris is missing; authorization_code needs at least one")
    own = [scope for scope in new.scopes if scope not in scopes_supported()]
    if own and not has_scopes_of_its_own(new.grant_types):
        raise InvalidClientMetadata(
            f"scope {own[0]} speaks of no person, so it needs a grant in which the client acts for itself; "
            "correct it, or add client_credentials to grant_types"
        )


def _check_authentication(new: NewClient | Client) -> None:
    """A client that authenticates by key has one. A client without authentication may do less."""
    if new.token_endpoint_auth_method == PRIVATE_KEY_JWT and not new.metadata.get("jwks"):
        raise InvalidClientMetadata("private_key_jwt needs jwks; give the public keys inline, jwks_uri is not fetched")
    if new.token_endpoint_auth_method != NONE:
        return
    if not new.require_pkce:
        raise InvalidClientMetadata("a public client cannot do without PKCE; require it")
    refused = [grant.grant_type for grant in _named(new.grant_types) if not grant.for_public]
    if refused:
        raise InvalidClientMetadata(
            f"{refused[0]} needs a client that authenticates; take it out of grant_types, or choose another method"
        )


# How values are read ------------------------------------------------------------------------------------------------
def _text(name: str, value: Any, longest: int = _LONGEST_TEXT) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable() or value.isspace():
        raise InvalidClientMetadata(f"{name} must be a printable string of at most {longest} characters, not blank")
    return value


def _name(name: str, value: Any) -> str:
    return _text(name, value, _LONGEST_NAME)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item.isprintable() for item in value):
        raise InvalidClientMetadata(f"{name} must be an array of printable strings")
    if len(value) > _MOST_TEXTS or any(len(item) > _LONGEST_TEXT for item in value):
        raise InvalidClientMetadata(f"{name} may hold {_MOST_TEXTS} strings of {_LONGEST_TEXT} characters each")
    return tuple(dict.fromkeys(value))


def _uris(name: str, value: Any) -> tuple[str, ...]:
    return tuple(check_uri(uri, name=name) for uri in _texts(name, value))


def _uri(name: str, value: Any) -> str:
    """The same rules as for a redirect URI; only redirect URIs have an error of their own (RFC 7591 §3.2.2)."""
    try:
        return check_uri(_text(name, value), name=name)
    except InvalidRedirectUri as error:
        raise InvalidClientMetadata(error.description) from None


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidClientMetadata(f"{name} must be true or false")
    return value


def _one_of(*known: str) -> Read:
    def read_one(name: str, value: Any) -> str:
        if value not in known:
            raise InvalidClientMetadata(f"{name} must be one of {', '.join(known)}")
        return str(value)

    return read_one


def _each_of(*known: str) -> Read:
    def read_each(name: str, value: Any) -> tuple[str, ...]:
        chosen = _texts(name, value)
        if not set(chosen) <= set(known):
            raise InvalidClientMetadata(f"{name} may hold {', '.join(known)} only")
        return chosen

    return read_each


def _scopes(name: str, value: Any) -> tuple[str, ...]:
    """The scopes of one string (RFC 7591 §2), or of the tuple that we keep."""
    scopes = tuple(value.split()) if isinstance(value, str) else value
    if not isinstance(scopes, tuple):
        raise InvalidClientMetadata(f"{name} must be one string of space-separated scopes")
    if not all(isinstance(scope, str) and _SCOPE.fullmatch(scope) for scope in scopes):
        raise InvalidClientMetadata(f"{name} holds a scope that is malformed; see RFC 6749 section 3.3")
    return tuple(dict.fromkeys(scopes))


def _keys(name: str, value: Any) -> Any:  # noqa: ARG001 - one signature for all members
    assertions.check_keys(value)
    return value


# The table ----------------------------------------------------------------------------------------------------------
MEMBERS: tuple[Member, ...] = (
    Member("client_name", _name, "name"),
    Member("client_name#en", _name, "name_en"),
    Member("client_uri", _uri, "home_uri"),
    Member("redirect_uris", _uris, "redirect_uris"),
    Member("post_logout_redirect_uris", _uris, "post_logout_redirect_uris"),
    Member("backchannel_logout_uri", _uri, "backchannel_logout_uri"),
    Member("backchannel_logout_session_required", _flag, "backchannel_logout_session_required"),
    Member("grant_types", _each_of(*GRANT_TYPES), "grant_types"),
    Member("response_types", _each_of(*RESPONSE_TYPES), "response_types"),
    Member("scope", _scopes, "scopes"),
    Member("token_endpoint_auth_method", _one_of(*AUTHENTICATION_METHODS), "token_endpoint_auth_method"),
    Member("jwks", _keys),
    Member("id_token_signed_response_alg", _one_of(*SIGNING_ALGORITHMS), "id_token_signed_response_alg"),
    Member("subject_type", _one_of("pairwise")),
    Member("application_type", _one_of("web", "native")),
    # Kept for the administrator, and shown by `yitong clients show`. No page shows unverified links or pictures.
    Member("contacts", _texts),
    Member("logo_uri", _uri),
    Member("policy_uri", _uri),
    Member("tos_uri", _uri),
    Member("software_id", _text),
    Member("software_version", _text),
    # Set by an operator only, and in no answer.
    Member(ASSERTION_AUDIENCE, _one_of(*ASSERTION_AUDIENCES), registrable=False),
    Member(SERVES, _one_of(*Serves), registrable=False),
    Member(HELPERS, _flag, registrable=False),
)
ASSIGNED: tuple[str, ...] = (
    "client_id",
    "client_secret",
    "client_id_issued_at",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
)
UNSUPPORTED: tuple[str, ...] = (
    # We fetch nothing (docs/decisions/0018).
    "jwks_uri",
    "signed_jwks_uri",
    "sector_identifier_uri",
    "request_uris",
    # Answers are JSON, ID tokens are signed and not encrypted, request objects are not read.
    "id_token_encrypted_response_alg",
    "id_token_encrypted_response_enc",
    "userinfo_signed_response_alg",
    "userinfo_encrypted_response_alg",
    "userinfo_encrypted_response_enc",
    "introspection_signed_response_alg",
    "introspection_encrypted_response_alg",
    "introspection_encrypted_response_enc",
    "authorization_signed_response_alg",
    "authorization_encrypted_response_alg",
    "authorization_encrypted_response_enc",
    "request_object_signing_alg",
    "request_object_encryption_alg",
    "request_object_encryption_enc",
    "require_signed_request_object",
    # Each request states its own values. A client may use every assertion algorithm that we offer.
    "default_max_age",
    "default_acr_values",
    "require_auth_time",
    "initiate_login_uri",
    "token_endpoint_auth_signing_alg",
    # Mechanisms that we do not have.
    "frontchannel_logout_uri",
    "frontchannel_logout_session_required",
    "require_pushed_authorization_requests",
    "authorization_details_types",
    "dpop_bound_access_tokens",
    "tls_client_certificate_bound_access_tokens",
    "use_mtls_endpoint_aliases",
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
    "backchannel_token_delivery_mode",
    "backchannel_client_notification_endpoint",
    "backchannel_authentication_request_signing_alg",
    "backchannel_user_code_parameter",
    "claims_redirect_uris",
    "nfv_token_signed_response_alg",
    "nfv_token_encrypted_response_alg",
    "nfv_token_encrypted_response_enc",
    "software_statement",
    # OpenID Federation.
    "client_registration_types",
    "organization_name",
    "display_name",
    "description",
    "keywords",
    "information_uri",
    "organization_uri",
)
