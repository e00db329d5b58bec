"""Revocation: a client revokes its own tokens, and no others."""

import pytest
import sqlalchemy as sa

from accounts.database import Database, Statement, metadata
from idp.login import sessions
from idp.oidc.consent import consents
from tests.fixtures.city import METHODS

OFFLINE = ("openid", "offline_access")


@pytest.mark.parametrize("method", METHODS)
def test_an_access_token_is_given_back(city, method):
    """The access token is revoked when the response arrives; the refresh token stays active."""
    registered = city.register_client(method=method)
    bought = city.issue_tokens(registered, OFFLINE)
    answer = city.post_as(registered, "/revoke", token=bought["access_token"])
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert city.userinfo(bought["access_token"]).status == 401
    assert city.refresh(registered, bought["refresh_token"]).status == 200


@pytest.mark.parametrize("method", METHODS)
def test_a_refresh_token_takes_its_access_tokens_along(city, method):
    """RFC 7009 §2.1: its access tokens are revoked too, whichever refresh issued them."""
    registered = city.register_client(method=method)
    bought = city.issue_tokens(registered, OFFLINE)
    later = city.refresh(registered, bought["refresh_token"]).json
    assert city.post_as(registered, "/revoke", token=later["refresh_token"]).status == 200
    assert city.count_active_tokens() == (0, 0)
    assert city.userinfo(bought["access_token"]).status == 401
    assert city.userinfo(later["access_token"]).status == 401


def test_a_spent_refresh_token_revokes_its_successor(city):
    """A client that lost the successor can still end the family with the spent token."""
    app = city.register_client("app", "none")
    token = city.issue_tokens(app, OFFLINE)["refresh_token"]
    successor = city.refresh(app, token).json["refresh_token"]
    city.post_as(app, "/revoke", token=token)
    assert city.refresh(app, successor).error == "invalid_grant"


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_foreign_token_stays(city, kind):
    """Another client's attempt gets 200 and changes nothing."""
    owner, stranger = city.register_client("fund"), city.register_client("stranger")
    token = city.issue_tokens(owner, OFFLINE)[kind]
    assert city.post_as(stranger, "/revoke", token=token).status == 200
    assert city.count_active_tokens() == (1, 1)
    assert "client:token:revoke" not in city.audit_events()


@pytest.mark.parametrize("token", ["x", "yt_rt_x", "a.b.c", "验证", "yt_ac_x"])
def test_an_unknown_token_is_revoked_already(city, token):
    """RFC 7009 §2.2: an unknown token gets 200, like a revoked one."""
    assert city.post_as(city.register_client(), "/revoke", token=token).status == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_giving_back_is_on_record_once(city, kind):
    """A second revocation changes nothing and records nothing."""
    registered = city.register_client()
    token = city.issue_tokens(registered, OFFLINE)[kind]
    for _ in range(3):
        assert city.post_as(registered, "/revoke", token=token).status == 200
    assert city.audit_events().count("client:token:revoke") == 1


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
def test_a_wrong_hint_changes_nothing(city, hint):
    """token_type_hint is a hint (RFC 7009 §2.1)."""
    registered = city.register_client()
    bought = city.issue_tokens(registered, OFFLINE)
    for kind in ("access_token", "refresh_token"):
        city.post_as(registered, "/revoke", token=bought[kind], token_type_hint=hint)
    assert city.count_active_tokens() == (0, 0)


def test_one_sign_in_does_not_end_another(city):
    """Only tokens that came from the same code are revoked."""
    registered = city.register_client()
    mine, other = (city.issue_tokens(registered, OFFLINE) for _ in range(2))
    city.post_as(registered, "/revoke", token=mine["refresh_token"])
    assert city.userinfo(other["access_token"]).status == 200
    assert city.refresh(registered, other["refresh_token"]).status == 200


def test_the_end_of_a_session_ends_its_access_tokens(city):
    """Tokens without offline_access end with the session; tokens with it end with the grant."""
    registered = city.register_client()
    bought = city.issue_tokens(registered, OFFLINE)
    refreshed = city.refresh(registered, bought["refresh_token"]).json["access_token"]
    city.sign_out()
    assert city.userinfo(bought["access_token"]).status == 401
    assert city.introspect(registered, bought["access_token"]).json == {"active": False}
    assert city.userinfo(refreshed).status == 200
    later = city.refresh(registered, bought["refresh_token"])
    assert (later.status, city.userinfo(later.json["access_token"]).status) == (200, 200)


@pytest.mark.parametrize("table", ["sessions", "authorization_requests"])
def test_what_a_token_hangs_on_counts_as_ended_when_it_is_gone(city, table):
    """A token whose session or request row was removed is inactive."""
    registered = city.register_client()
    access = city.issue_tokens(registered, OFFLINE)["access_token"]
    city.database.connection().execute(Statement(sa.delete(metadata.tables[table])))
    assert city.userinfo(access).status == 401
    assert city.introspect(registered, access).json == {"active": False}


def test_what_is_being_bought_while_a_session_ends_is_dead(city):
    """A code redeemed while a sign-out is not yet committed gives only an inactive token."""
    registered = city.register_client()
    code = city.issue_code(registered)
    if city.database.dialect == "postgresql":
        ending = Database(city.database.url.render_as_string(hide_password=False))
        with ending.transaction() as c:
            assert sessions.end(c, city.session_id, city.clock(), "signed_out")
            bought = city.exchange(registered, code).json["access_token"]
        ending.close()
    else:  # one writer at a time: the code comes first or not at all
        bought = city.exchange(registered, code).json["access_token"]
        city.sign_out()
    assert city.userinfo(bought).status == 401
    assert city.count_active_tokens() == (0, 0)


def test_the_end_of_a_grant_ends_all_its_tokens(city):
    """Withdrawing consent ends all tokens of that grant and no others: each reader asks the gate."""
    fund, clinic = city.register_client("fund"), city.register_client("clinic")
    mine, theirs = city.issue_tokens(fund, OFFLINE), city.issue_tokens(clinic, OFFLINE)
    grant = next(row.id for row in city.rows("grants") if row.client_id == "fund")
    with city.database.transaction() as c:
        assert consents.withdraw(c, grant, city.clock(), person_id=city.person.id)
    assert city.userinfo(mine["access_token"]).status == 401
    assert city.introspect(fund, mine["access_token"]).json == {"active": False}
    assert city.refresh(fund, mine["refresh_token"]).error == "invalid_grant"
    assert city.refresh(clinic, theirs["refresh_token"]).status == 200


def test_a_code_is_not_revoked_here(city):
    """A code sent as a token is an unknown token, and the code still works."""
    registered = city.register_client()
    code = city.issue_code(registered)
    assert city.post_as(registered, "/revoke", token=code).status == 200
    assert city.exchange(registered, code).status == 200


def test_nobody_revokes_nothing(city):
    """Without client authentication the token stays active."""
    token = city.issue_tokens(city.register_client(), OFFLINE)["access_token"]
    assert city.post("/revoke", {"token": token}).error == "invalid_client"
    assert city.userinfo(token).status == 200


def test_a_missing_token_is_an_invalid_request(city):
    """`token` is required."""
    assert city.post_as(city.register_client(), "/revoke").error == "invalid_request"
