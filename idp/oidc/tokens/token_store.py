"""Every statement of the token side: clients, keys, codes, tokens, the release ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from accounts.audit import audit_events
from accounts.database import Connection, Redemption, Statement, UtcDateTime, insert_unless_present
from accounts.organisations.delegation_store import delegations
from accounts.people import natural_persons, person_phones
from accounts.people.family import family_store
from idp.oidc.models import (
    access_tokens,
    authorization_requests,
    clients,
    grants,
    initial_access_tokens,
    refresh_tokens,
    releases,
    signing_keys,
    spent_assertions,
)
from idp.oidc.models import (
    client_version as version_table,
)

_p = sa.bindparam

# clients ------------------------------------------------------------------------------------------------------------
INSERT_CLIENT = Statement(sa.insert(clients))
FIND_CLIENT = Statement(sa.select(clients).where(clients.c.client_id == _p("wanted")))
ALL_CLIENTS = Statement(sa.select(clients).order_by(clients.c.client_id))
ROTATE_SECRET = Statement(
    sa.update(clients)
    .where(clients.c.client_id == _p("of_client"), clients.c.secret_digest == _p("old"))
    .values(secret_digest=_p("fresh"), previous_secret_digest=_p("old"), updated_at=_p("now"))
)
END_OLD_SECRET = Statement(
    sa.update(clients)
    .where(clients.c.client_id == _p("of_client"), clients.c.previous_secret_digest.is_not(None))
    .values(previous_secret_digest=None, updated_at=_p("now"))
)
FIRST_SECRET = Statement(
    sa.update(clients)
    .where(clients.c.client_id == _p("of_client"), clients.c.secret_digest.is_(None))
    .values(secret_digest=_p("fresh"), updated_at=_p("now"))
)
END_SECRETS = Statement(  # in the transaction of CHANGE_CLIENT, which has set `updated_at`
    sa.update(clients)
    .where(clients.c.client_id == _p("of_client"))
    .values(secret_digest=None, previous_secret_digest=None)
)
CHANGE_CLIENT_STATUS = Statement(
    sa.update(clients)
    .where(clients.c.client_id == _p("of_client"))
    .values(status=_p("new_status"), updated_at=_p("now"))
)
# Never the secrets: a change of a name must not undo a rotation. `was` is `updated_at` as it was read, so that the
# second of two changes at once is refused.
CHANGEABLE = tuple(
    column.key
    for column in clients.columns
    if column.key not in ("client_id", "secret_digest", "previous_secret_digest", "status", "created_at")
)
CHANGE_CLIENT = Statement(
    sa.update(clients)
    .where(clients.c.client_id == _p("of_client"), clients.c.updated_at == _p("was"))
    .values({name: _p(f"new_{name}", type_=clients.c[name].type) for name in CHANGEABLE})
)
_VERSION = Statement(sa.select(version_table.c.version).where(version_table.c.id == 1))
_FIRST_VERSION = Statement(insert_unless_present(version_table), ["id", "version"])
_NEXT_VERSION = Statement(
    sa.update(version_table).where(version_table.c.id == 1).values(version=version_table.c.version + 1)
)


def client_version(c: Connection) -> int:
    """The version stamp, which changes whenever a client changes."""
    row = c.one(_VERSION)
    return 0 if row is None else int(row.version)


def clients_changed(c: Connection) -> None:
    """Every process forgets its clients within a second."""
    if c.execute(_NEXT_VERSION) == 0:
        c.execute(_FIRST_VERSION, id=1, version=1)


# signing keys -------------------------------------------------------------------------------------------------------
INSERT_KEY = Statement(sa.insert(signing_keys))
ALL_KEYS = Statement(sa.select(signing_keys).order_by(signing_keys.c.active_from, signing_keys.c.kid))
KEY_STAMPS = Statement(sa.select(signing_keys.c.kid, signing_keys.c.active_from, signing_keys.c.retired_at))
RETIRE_KEY = Statement(
    sa.update(signing_keys)
    .where(signing_keys.c.kid == _p("of_kid"), signing_keys.c.retired_at.is_(None))
    .values(retired_at=_p("retire_at"), removed_at=_p("remove_at"))
)

# client assertions --------------------------------------------------------------------------------------------------
SPEND_ASSERTION = Statement(insert_unless_present(spent_assertions), ["digest", "expires_at"])

# initial access tokens ----------------------------------------------------------------------------------------------
INSERT_INITIAL_ACCESS = Statement(sa.insert(initial_access_tokens))
FIND_INITIAL_ACCESS = Statement(
    sa.select(initial_access_tokens.c.policy).where(initial_access_tokens.c.digest == _p("of_digest"))
)
SPEND_INITIAL_ACCESS = Statement(
    sa.update(initial_access_tokens)
    .where(
        initial_access_tokens.c.digest == _p("of_digest"),
        initial_access_tokens.c.uses_left > 0,
        initial_access_tokens.c.expires_at > _p("now"),
    )
    .values(uses_left=initial_access_tokens.c.uses_left - 1)
)

# codes --------------------------------------------------------------------------------------------------------------
_requested = authorization_requests
FIND_APPROVED = Statement(
    sa.select(
        _requested,
        natural_persons.c.status.label("person_status"),
        natural_persons.c.attributes,
        natural_persons.c.updated_at.label("person_updated_at"),
        grants.c.withdrawn_at.label("grant_withdrawn_at"),
    )
    .select_from(
        _requested.outerjoin(natural_persons, natural_persons.c.id == _requested.c.person_id).outerjoin(
            grants, grants.c.id == _requested.c.grant_id
        )
    )
    .where(_requested.c.id == _p("of_request"))
)
# The gate's rules in the statement itself, because a code is spent without reading its person. A test compares them
# with `may_proceed`.
_person_is_active = sa.exists().where(
    natural_persons.c.id == _requested.c.person_id, natural_persons.c.status == "active"
)
_grant_was_withdrawn = sa.exists().where(grants.c.id == _requested.c.grant_id, grants.c.withdrawn_at.is_not(None))
# Signing out ends the tokens of a session, so a code under way must not buy new ones afterwards. The table belongs to
# the sessions (idp.login.sessions), a layer above the protocol.
_sessions = sa.table("sessions", sa.column("id"), sa.column("ended_at"))
_session_has_ended = sa.exists().where(_sessions.c.id == _requested.c.session_id, _sessions.c.ended_at.is_not(None))
_spend_code = (
    sa.update(_requested)
    .where(
        _requested.c.id == _p("of_request"),
        _requested.c.code_digest == _p("of_code"),
        _requested.c.client_id == _p("of_client"),
        _requested.c.state == "approved",
        _requested.c.expires_at > _p("now"),
        _person_is_active,
        ~_grant_was_withdrawn,
        ~_session_has_ended,
    )
    .values(state="redeemed", redeemed_at=_p("now"), sealed=sa.null(), client_state=sa.null(), nonce=sa.null())
)
REDEEM_CODE = Redemption(_spend_code, access_tokens, releases)
REDEEM_CODE_FOR_REFRESH = Redemption(_spend_code, access_tokens, releases, refresh_tokens)
# A request that was answered without a page is written when its code is spent, by the update of the session that
# answered it. The row's key allows this once. The update has the gate's rules, as above.
_seen_session = sa.table(
    "sessions",
    sa.column("id", sa.Text),
    sa.column("person_id", sa.Text),
    sa.column("seen_at", UtcDateTime),
    sa.column("ended_at", UtcDateTime),
)
_session_clients = sa.table(
    "session_clients",
    sa.column("session_id", sa.Text),
    sa.column("client_id", sa.Text),
    sa.column("sub", sa.Text),
    sa.column("first_at", UtcDateTime),
)
_collect = (
    sa.update(_seen_session)
    .where(
        _seen_session.c.id == _p("of_session"),
        _seen_session.c.person_id + "" == _p("of_person"),  # found by its key, not among the person's sessions
        _seen_session.c.ended_at.is_(None),
        sa.exists().where(natural_persons.c.id == _seen_session.c.person_id, natural_persons.c.status == "active"),
        ~sa.exists().where(grants.c.id == _p("of_grant"), grants.c.withdrawn_at.is_not(None)),
    )
    .values(seen_at=_p("now"))
)
_collected = (authorization_requests, audit_events, access_tokens, releases)
# By whether the code also buys a refresh token, and whether it adds the client to the session.
COLLECT: Mapping[tuple[bool, bool], Redemption] = {
    (refreshes, joins): Redemption(
        _collect,
        *_collected,
        *((refresh_tokens,) if refreshes else ()),
        *((_session_clients,) if joins else ()),
    )
    for refreshes in (False, True)
    for joins in (False, True)
}
INVALIDATE_UNSTORED = Statement(insert_unless_present(authorization_requests), authorization_requests.columns.keys())
INVALIDATE_CODE = Statement(
    sa.update(_requested)
    .where(
        _requested.c.id == _p("of_request"),
        _requested.c.code_digest == _p("of_code"),  # not a code that replaces it at this moment
        _requested.c.state == "approved",
    )
    .values(state="denied", sealed=sa.null(), client_state=sa.null(), nonce=sa.null())
)

# What a token depends on. A missing row counts as ended (idp.oidc.gate). Subqueries by key are used, because a join
# would carry every column of the token through every level of the plan.


def _bought_stands(tokens: sa.Table) -> sa.ColumnElement[bool]:
    """True if nobody revoked what the token's code bought."""
    return sa.exists().where(_requested.c.id == tokens.c.request_id, _requested.c.revoked_at.is_(None))


def _person_status(tokens: sa.Table) -> sa.ScalarSelect[str]:
    return sa.select(natural_persons.c.status).where(natural_persons.c.id == tokens.c.person_id).scalar_subquery()


_withdrawn_at = sa.select(grants.c.withdrawn_at).where(grants.c.id == access_tokens.c.grant_id).scalar_subquery()
_rests_on = sa.or_(delegations.c.id == access_tokens.c.delegation_id, delegations.c.id == access_tokens.c.through_id)
_authority_has_ended = sa.exists().where(_rests_on, delegations.c.ended_at.is_not(None))
_session_stands = sa.exists().where(_sessions.c.id == access_tokens.c.session_id, _sessions.c.ended_at.is_(None))

# access tokens ------------------------------------------------------------------------------------------------------
INSERT_ACCESS_TOKEN = Statement(sa.insert(access_tokens))
_held = (
    *(access_tokens.c[name] for name in ("client_id", "person_id", "sub", "scopes", "expires_at")),
    _withdrawn_at.label("grant_withdrawn_at"),
    access_tokens.c.represents,
    sa.and_(
        _bought_stands(access_tokens),
        sa.or_(access_tokens.c.session_id.is_(None), _session_stands),
        sa.or_(access_tokens.c.delegation_id.is_(None), ~_authority_has_ended),
        sa.or_(access_tokens.c.relation_id.is_(None), family_store.stands(access_tokens.c.relation_id)),
    ).label("bought_stands"),
)
_not_given_back = (access_tokens.c.digest == _p("of_token"), access_tokens.c.revoked_at.is_(None))
FIND_ACCESS_TOKEN = Statement(
    sa.select(
        *_held,
        *(access_tokens.c[name] for name in ("acr", "auth_time", "issued_at")),
        _person_status(access_tokens).label("person_status"),
    ).where(*_not_given_back)
)
FIND_ACCESS_TOKEN_WITH_PERSON = Statement(
    sa.select(
        *_held,
        access_tokens.c.claims,
        natural_persons.c.status.label("person_status"),
        natural_persons.c.attributes,
        natural_persons.c.updated_at.label("person_updated_at"),
        person_phones.c.sealed.label("phone_sealed"),
        person_phones.c.verified_at.label("phone_verified_at"),
    )
    .select_from(
        access_tokens.outerjoin(natural_persons, natural_persons.c.id == access_tokens.c.person_id).outerjoin(
            person_phones,
            sa.and_(person_phones.c.person_id == access_tokens.c.person_id, person_phones.c.is_primary.is_(sa.true())),
        )
    )
    .where(*_not_given_back)
)

# refresh tokens -----------------------------------------------------------------------------------------------------
FIND_REFRESH_TOKEN = Statement(
    sa.select(
        refresh_tokens,
        _person_status(refresh_tokens).label("person_status"),
        grants.c.withdrawn_at.label("grant_withdrawn_at"),
        grants.c.purpose.label("grant_purpose"),
        grants.c.legal_basis.label("grant_basis"),
        _bought_stands(refresh_tokens).label("bought_stands"),  # without its session, which it outlives
    )
    .select_from(refresh_tokens.outerjoin(grants, grants.c.id == refresh_tokens.c.grant_id))
    .where(refresh_tokens.c.digest == _p("of_token"))
)
_alive = sa.and_(
    refresh_tokens.c.digest == _p("of_token"),
    refresh_tokens.c.used_at.is_(None),
    refresh_tokens.c.expires_at > _p("now"),
    refresh_tokens.c.ends_at > _p("now"),
)
ROTATE_REFRESH_TOKEN = Redemption(
    sa.update(refresh_tokens).where(_alive).values(used_at=_p("now")), refresh_tokens, access_tokens
)
KEEP_REFRESH_TOKEN = Redemption(
    sa.update(refresh_tokens).where(_alive).values(expires_at=_p("new_expiry")), access_tokens
)

# revoking -----------------------------------------------------------------------------------------------------------
REVOKE_ACCESS_TOKEN = Statement(
    sa.update(access_tokens)
    .where(access_tokens.c.digest == _p("of"), access_tokens.c.revoked_at.is_(None))
    .values(revoked_at=_p("now"))
)
_REVOKE_BOUGHT = Statement(
    sa.update(_requested)
    .where(_requested.c.id == _p("of"), _requested.c.revoked_at.is_(None))
    .values(revoked_at=_p("now"))
)


def revoke_bought(c: Connection, request_id: str, *, now: datetime) -> bool:
    """All that the request's code bought is invalid, even what a refresh buys at this moment.

    False if that was so before. One row records it, and every reader of a token reads that row.
    """
    return c.execute(_REVOKE_BOUGHT, of=request_id, now=now) == 1
