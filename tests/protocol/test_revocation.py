"""Revocation: a client gives its own tokens back, and nobody else's."""

import pytest
import sqlalchemy as sa

from accounts.database import Database, Statement, metadata
from idp.login import sessions
from idp.oidc.consent import consents
from tests.protocol.desk import METHODS

OFFLINE = ("openid", "offline_access")


@pytest.mark.parametrize("method", METHODS)
def test_an_access_token_is_given_back(desk, method):
    """The token is dead when the answer is there; the refresh token lives."""
    registered = desk.registers(method=method)
    bought = desk.tokens(registered, OFFLINE)
    answer = desk.asks(registered, "/revoke", token=bought["access_token"])
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert desk.userinfo(bought["access_token"]).status == 401
    assert desk.refreshes(registered, bought["refresh_token"]).status == 200


@pytest.mark.parametrize("method", METHODS)
def test_a_refresh_token_takes_its_access_tokens_along(desk, method):
    """RFC 7009 §2.1: what a refresh token bought dies with it, whichever refresh bought it."""
    registered = desk.registers(method=method)
    bought = desk.tokens(registered, OFFLINE)
    later = desk.refreshes(registered, bought["refresh_token"]).json
    assert desk.asks(registered, "/revoke", token=later["refresh_token"]).status == 200
    assert desk.alive() == (0, 0)
    assert desk.userinfo(bought["access_token"]).status == 401
    assert desk.userinfo(later["access_token"]).status == 401


def test_a_spent_refresh_token_revokes_its_successor(desk):
    """A client that lost the successor still ends the family with what it has."""
    app = desk.registers("app", "none")
    token = desk.tokens(app, OFFLINE)["refresh_token"]
    successor = desk.refreshes(app, token).json["refresh_token"]
    desk.asks(app, "/revoke", token=token)
    assert desk.refreshes(app, successor).error == "invalid_grant"


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_foreign_token_stays(desk, kind):
    """Another client's attempt is answered 200 and changes nothing."""
    owner, stranger = desk.registers("fund"), desk.registers("stranger")
    token = desk.tokens(owner, OFFLINE)[kind]
    assert desk.asks(stranger, "/revoke", token=token).status == 200
    assert desk.alive() == (1, 1)
    assert "client:token:revoke" not in desk.events()


@pytest.mark.parametrize("token", ["x", "yt_rt_x", "a.b.c", "验证", "yt_ac_x"])
def test_an_unknown_token_is_revoked_already(desk, token):
    """RFC 7009 §2.2: what does not exist is not alive."""
    assert desk.asks(desk.registers(), "/revoke", token=token).status == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_giving_back_is_on_record_once(desk, kind):
    """The second time changes nothing and records nothing."""
    registered = desk.registers()
    token = desk.tokens(registered, OFFLINE)[kind]
    for _ in range(3):
        assert desk.asks(registered, "/revoke", token=token).status == 200
    assert desk.events().count("client:token:revoke") == 1


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
def test_a_wrong_hint_changes_nothing(desk, hint):
    """token_type_hint is a hint (RFC 7009 §2.1)."""
    registered = desk.registers()
    bought = desk.tokens(registered, OFFLINE)
    for kind in ("access_token", "refresh_token"):
        desk.asks(registered, "/revoke", token=bought[kind], token_type_hint=hint)
    assert desk.alive() == (0, 0)


def test_one_sign_in_does_not_end_another(desk):
    """Only what came of the same code dies."""
    registered = desk.registers()
    mine, other = (desk.tokens(registered, OFFLINE) for _ in range(2))
    desk.asks(registered, "/revoke", token=mine["refresh_token"])
    assert desk.userinfo(other["access_token"]).status == 200
    assert desk.refreshes(registered, other["refresh_token"]).status == 200


def test_the_end_of_a_session_ends_its_access_tokens(desk):
    """What was given for use while signed in is over; what was given for offline use is the grant's to end."""
    registered = desk.registers()
    bought = desk.tokens(registered, OFFLINE)
    refreshed = desk.refreshes(registered, bought["refresh_token"]).json["access_token"]
    desk.signs_out()
    assert desk.userinfo(bought["access_token"]).status == 401
    assert desk.introspects(registered, bought["access_token"]).json == {"active": False}
    assert desk.userinfo(refreshed).status == 200
    later = desk.refreshes(registered, bought["refresh_token"])
    assert (later.status, desk.userinfo(later.json["access_token"]).status) == (200, 200)


@pytest.mark.parametrize("table", ["sessions", "authorization_requests"])
def test_what_a_token_hangs_on_counts_as_ended_when_it_is_gone(desk, table):
    """A row that a purge, or anybody, removed brings no token back to life."""
    registered = desk.registers()
    access = desk.tokens(registered, OFFLINE)["access_token"]
    desk.database.connection().execute(Statement(sa.delete(metadata.tables[table])))
    assert desk.userinfo(access).status == 401
    assert desk.introspects(registered, access).json == {"active": False}


def test_what_is_being_bought_while_a_session_ends_is_dead(desk):
    """A code that is spent in the moment of signing out, before it commits, brings a token that is good for nothing."""
    registered = desk.registers()
    code = desk.code(registered)
    if desk.database.dialect == "postgresql":
        ending = Database(desk.database.url.render_as_string(hide_password=False))
        with ending.transaction() as c:
            assert sessions.end(c, desk.session_id, desk.clock(), "signed_out")
            bought = desk.exchanges(registered, code).json["access_token"]
        ending.close()
    else:  # one writer at a time: the code comes first or not at all
        bought = desk.exchanges(registered, code).json["access_token"]
        desk.signs_out()
    assert desk.userinfo(bought).status == 401
    assert desk.alive() == (0, 0)


def test_the_end_of_a_grant_ends_all_its_tokens(desk):
    """Withdrawing consent ends what every token of that grant opens, and of no other: each reader asks the gate."""
    fund, clinic = desk.registers("fund"), desk.registers("clinic")
    mine, theirs = desk.tokens(fund, OFFLINE), desk.tokens(clinic, OFFLINE)
    grant = next(row.id for row in desk.rows("grants") if row.client_id == "fund")
    with desk.database.transaction() as c:
        assert consents.withdraw(c, grant, desk.clock(), person_id=desk.person.id)
    assert desk.userinfo(mine["access_token"]).status == 401
    assert desk.introspects(fund, mine["access_token"]).json == {"active": False}
    assert desk.refreshes(fund, mine["refresh_token"]).error == "invalid_grant"
    assert desk.refreshes(clinic, theirs["refresh_token"]).status == 200


def test_a_code_is_not_revoked_here(desk):
    """A code sent as a token is an unknown token, and still works."""
    registered = desk.registers()
    code = desk.code(registered)
    assert desk.asks(registered, "/revoke", token=code).status == 200
    assert desk.exchanges(registered, code).status == 200


def test_nobody_revokes_nothing(desk):
    """Without client authentication a token stays alive."""
    token = desk.tokens(desk.registers(), OFFLINE)["access_token"]
    assert desk.posts("/revoke", {"token": token}).error == "invalid_client"
    assert desk.userinfo(token).status == 200


def test_a_missing_token_is_an_invalid_request(desk):
    """`token` is required."""
    assert desk.asks(desk.registers(), "/revoke").error == "invalid_request"
