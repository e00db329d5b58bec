"""The protocol's tables. Secrets are stored as SHA-256 digests only. Only the *store modules query the tables."""

from __future__ import annotations

import sqlalchemy as sa

from accounts.database import Json, UtcDateTime, metadata

clients = sa.Table(
    "clients",
    metadata,
    sa.Column("client_id", sa.Text, primary_key=True),
    sa.Column("secret_digest", sa.LargeBinary),
    sa.Column("previous_secret_digest", sa.LargeBinary),  # also valid while the client changes to the new one
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("name_en", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("division", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("purpose_en", sa.Text, nullable=False),
    sa.Column("legal_basis", sa.Text, nullable=False),
    sa.Column("sector", sa.Text, nullable=False),
    sa.Column("redirect_uris", Json, nullable=False),
    sa.Column("post_logout_redirect_uris", Json, nullable=False),
    sa.Column("backchannel_logout_uri", sa.Text),
    sa.Column("backchannel_logout_session_required", sa.Boolean, nullable=False),
    sa.Column("grant_types", Json, nullable=False),
    sa.Column("response_types", Json, nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("claims_ceiling", Json, nullable=False),
    sa.Column("token_endpoint_auth_method", sa.Text, nullable=False),
    sa.Column("id_token_signed_response_alg", sa.Text, nullable=False),
    sa.Column("require_pkce", sa.Boolean, nullable=False),
    sa.Column("legacy_system", sa.Text),
    sa.Column("home_uri", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("registration_token_digest", sa.LargeBinary),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("status IN ('active', 'disabled')", name="status"),
    sa.CheckConstraint(
        "legal_basis IN ('statutory_duty', 'consent', 'separate_consent', 'guardian_consent', 'contract')",
        name="legal_basis",
    ),
)

client_version = sa.Table(
    "client_version",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.CheckConstraint("id = 1", name="only_row"),
)

authorization_requests = sa.Table(
    "authorization_requests",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("person_id", sa.Text),
    sa.Column("session_id", sa.Text),
    sa.Column("grant_id", sa.Text),
    sa.Column("sub", sa.Text),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("claims", Json, nullable=False),  # the requested claims, without any text of the client
    sa.Column("released", Json, nullable=False),  # names of the claims that the grant releases
    sa.Column(
        "acting_as", Json
    ),  # for whom the person chose to act: who chose, and the organisation or person, or NULL
    sa.Column("represents", Json),  # what the approval says of it (idp.oidc.representation); NULL: for themselves
    sa.Column("redirect_uri", sa.Text),
    sa.Column("response_mode", sa.Text, nullable=False),
    # The client's own text (`state`, `nonce`, the required `sub`) may hold a person's number. It is sealed, and deleted
    # when the request is redeemed or denied. The previous release wrote it unsealed to three columns, which nothing
    # writes any more.
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("client_state", sa.Text),
    sa.Column("nonce", sa.Text),
    sa.Column("login_hint", sa.Text),
    sa.Column("code_challenge", sa.Text),
    sa.Column("acr_values", Json, nullable=False),
    sa.Column("prompt", Json, nullable=False),
    sa.Column("max_age", sa.Integer),
    sa.Column("ui_locales", Json, nullable=False),
    sa.Column("browser_binding", sa.LargeBinary),
    sa.Column("opened_from", sa.Text),  # limits open requests by network, or by known browser
    sa.Column("code_digest", sa.LargeBinary),
    sa.Column("amr", Json, nullable=False),
    sa.Column("acr", sa.Text),
    sa.Column("auth_time", UtcDateTime),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("redeemed_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),  # from then on all that its code bought is invalid
    sa.CheckConstraint("kind IN ('browser')", name="kind"),
    sa.CheckConstraint("state IN ('open', 'approved', 'redeemed', 'denied')", name="state"),
    sa.CheckConstraint(
        "state IN ('open', 'denied') OR (person_id IS NOT NULL AND sub IS NOT NULL AND code_digest IS NOT NULL)",
        name="approved_names_person",
    ),
)
sa.Index("ix_authorization_requests_expires_at", authorization_requests.c.expires_at)
_is_open = authorization_requests.c.state == "open"  # a request answered at once is in neither index
for _column in (authorization_requests.c.browser_binding, authorization_requests.c.opened_from):
    sa.Index(
        f"ix_authorization_requests_open_{_column.key}",
        _column,
        authorization_requests.c.created_at,
        sqlite_where=_is_open,
        postgresql_where=_is_open,
    )

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("person_id", sa.Text, nullable=False),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("claims", Json, nullable=False),
    sa.Column("legal_basis", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("given_at", UtcDateTime, nullable=False),
    sa.Column("withdrawn_at", UtcDateTime),
)
sa.Index(
    "uq_grants_active",
    grants.c.person_id,
    grants.c.client_id,
    unique=True,
    sqlite_where=grants.c.withdrawn_at.is_(None),
    postgresql_where=grants.c.withdrawn_at.is_(None),
)

# A person's refusal of consent, kept so that they are not asked again and again (docs/decisions/0070).
refusals = sa.Table(
    "refusals",
    metadata,
    sa.Column("person_id", sa.Text, primary_key=True),
    sa.Column("client_id", sa.Text, primary_key=True),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("refused_at", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.CheckConstraint("times >= 1", name="times"),
)

# A token is found by its digest only. The same statement reads grant, request and session, so their end needs no
# index here and no sweep (docs/decisions/0038-what-a-token-depends-on.md).
access_tokens = sa.Table(
    "access_tokens",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("grant_id", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("person_id", sa.Text),  # NULL: the client acts for itself (client credentials)
    sa.Column("session_id", sa.Text),  # NULL: the token outlives its session (offline_access)
    sa.Column("sub", sa.Text, nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("claims", Json, nullable=False),  # the names that UserInfo returns
    sa.Column("represents", Json),  # for whom the person acts; NULL: for themselves
    sa.Column("delegation_id", sa.Text),  # the token ends with these delegations
    sa.Column("through_id", sa.Text),
    sa.Column("relation_id", sa.Text),  # and with this relation of a helper
    sa.Column("acr", sa.Text),
    sa.Column("auth_time", UtcDateTime),
    sa.Column("issued_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
)

refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("grant_id", sa.Text),
    sa.Column("request_id", sa.Text, index=True),  # the family: all tokens that come from one code
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("person_id", sa.Text, nullable=False),
    sa.Column("session_id", sa.Text),  # for `sid`; the token itself outlives the session
    sa.Column("sub", sa.Text, nullable=False),
    sa.Column("scopes", Json, nullable=False),
    sa.Column("claims", Json, nullable=False),
    sa.Column("represents", Json),
    sa.Column("amr", Json, nullable=False),
    sa.Column("acr", sa.Text),
    sa.Column("auth_time", UtcDateTime),
    sa.Column("issued_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("ends_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
)

subjects = sa.Table(
    "subjects",
    metadata,
    sa.Column("person_id", sa.Text, primary_key=True),
    sa.Column("sector", sa.Text, primary_key=True),
    sa.Column("sub", sa.Text, nullable=False),
    sa.UniqueConstraint("sector", "sub"),
)

organisation_subjects = sa.Table(
    "organisation_subjects",
    metadata,
    sa.Column("organisation_id", sa.Text, sa.ForeignKey("legal_persons.id"), primary_key=True),
    sa.Column("sector", sa.Text, primary_key=True),
    sa.Column("org_sub", sa.Text, nullable=False),
    sa.UniqueConstraint("sector", "org_sub"),
)

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("kid", sa.Text, primary_key=True),
    sa.Column("alg", sa.Text, nullable=False),
    sa.Column("private_sealed", sa.LargeBinary, nullable=False),
    sa.Column("public", Json, nullable=False),
    sa.Column("published_at", UtcDateTime, nullable=False),
    sa.Column("active_from", UtcDateTime, nullable=False),
    sa.Column("retired_at", UtcDateTime),  # signs nothing from then on, verifies until `removed_at`
    sa.Column("removed_at", UtcDateTime),  # leaves the published set
    sa.CheckConstraint("alg IN ('ES256', 'RS256')", name="alg"),
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("person_id", sa.Text, nullable=False),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("grant_id", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("claims", Json, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("legal_basis", sa.Text, nullable=False),
    sa.Index("ix_releases_person_id_at_id", "person_id", "at", "id"),  # who received facts about me
    sa.Index("ix_releases_client_id_at_id", "client_id", "at", "id"),  # whom a client was told about
)

initial_access_tokens = sa.Table(
    "initial_access_tokens",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("policy", Json, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("uses_left", sa.Integer, nullable=False),
)

spent_assertions = sa.Table(
    "spent_assertions",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),  # of client_id and jti together
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
)
