"""UserInfo: what the token's request was given, to who holds the token, and to nobody else."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from accounts.database import Statement
from accounts.identifiers import IdentifierKind, parse
from accounts.merging import linking
from idp.oidc.tokens.minting import TokenSubject
from tests.protocol.desk import ADDRESS, BORN, EMAIL, ID_NUMBER, NAME, PHONE, seconds

FACTS = {
    "profile": {
        "name": NAME,
        "birthdate": BORN.isoformat(),
        "gender": "female",
        "zoneinfo": "Asia/Shanghai",
        "locale": "zh-CN",
        "updated_at": 1772442000,
    },
    "age": {"age_over_18": True},
    "phone": {"phone_number": PHONE, "phone_number_verified": False},
    "email": {"email": EMAIL, "email_verified": False},
    "address": {"address": {"formatted": ADDRESS, "country": "CN"}},
    "identity_number": {"identity_number": ID_NUMBER, "identity_number_type": "citizen_id"},
}


def token_for(desk, *scopes, **changes):
    registered = desk.registers(**changes)
    return desk.tokens(registered, ("openid", *scopes))["access_token"]


@pytest.mark.parametrize("scope", FACTS)
def test_a_scope_answers_its_claims(desk, scope):
    """Each scope gives exactly its own facts, beside sub."""
    told = desk.userinfo(token_for(desk, scope))
    assert told.status == 200
    assert {name: value for name, value in told.json.items() if name != "sub"} == FACTS[scope]
    assert told.headers["content-type"] == "application/json"
    assert told.headers["cache-control"] == "no-store"


def test_all_scopes_answer_all(desk):
    """Scopes add up."""
    told = desk.userinfo(token_for(desk, *FACTS)).json
    assert set(told) == {"sub"}.union(*FACTS.values())


def test_the_ceiling_cuts(desk):
    """A scope of which the client may have one claim answers that one."""
    told = desk.userinfo(token_for(desk, "profile", claims_ceiling=("gender",))).json
    assert set(told) == {"sub", "gender"}


def test_a_claim_asked_by_name_is_answered(desk):
    """`claims.userinfo` gives a single fact without its whole scope; the identity number is never had that way."""
    registered = desk.registers()
    asked = {"userinfo": {"email": None, "identity_number": {"essential": True}}}
    token = desk.tokens(registered, ("openid",), claims=asked)["access_token"]
    assert set(desk.userinfo(token).json) == {"sub", "email"}


def test_what_was_verified_is_said_to_be(desk):
    """A phone the person proved to hold is told apart from one they named."""
    token = token_for(desk, "phone")
    with desk.database.transaction() as c:
        assert desk.people.phone_verified(c, desk.person.id, parse(IdentifierKind.MOBILE, PHONE), now=desk.clock())
    assert desk.userinfo(token).json["phone_number_verified"] is True


def test_an_old_account_is_answered_to_its_own_system_only(desk):
    """legacy_sub is the old user id in the client's own system; another client has none."""
    row = linking.link_row(
        system="forum",
        uid="old-7",
        person_id=desk.person.id,
        login_index=b"x",
        rule="number",
        run_id="run",
        now=desk.clock(),
        secret=None,
        recipe=None,
    )
    desk.database.connection().execute(Statement(sa.insert(linking.linked_accounts)), **{**row, "level": 2})
    forum = desk.registers("forum", legacy_system="forum", scopes=("openid", "legacy"))
    other = desk.registers("other", scopes=("openid", "legacy"))
    answers = [desk.userinfo(desk.tokens(r, ("openid", "legacy"))["access_token"]).json for r in (forum, other)]
    assert answers[0]["legacy_sub"] == "old-7"
    assert set(answers[1]) == {"sub"}


def test_the_facts_are_todays(desk, clock):
    """A full age reached since the person agreed is reached in the answer."""
    desk.person = desk.citizen(22, born=date(2008, 3, 3))
    registered = desk.registers()
    early = desk.tokens(registered, ("openid", "age", "offline_access"))
    assert desk.userinfo(early["access_token"]).json["age_over_18"] is False
    clock.advance(days=1)
    later = desk.refreshes(registered, early["refresh_token"]).json
    assert desk.userinfo(later["access_token"]).json["age_over_18"] is True


def test_a_birthday_begins_at_chinas_midnight(desk, clock):
    """Half past midnight in Luzhou is a new day there, whatever the date in Greenwich."""
    clock.advance(hours=7, minutes=30)  # 2026-03-02 16:30 UTC
    desk.person = desk.citizen(22, born=date(2008, 3, 3))
    assert desk.userinfo(token_for(desk, "age")).json["age_over_18"] is True


def test_the_token_may_come_in_a_header_or_in_a_form(desk):
    """GET with the header, POST with the header, POST with the form (RFC 6750 §2.1, §2.2) answer the same."""
    token = token_for(desk, "age")
    answers = [
        desk.userinfo(token),
        desk.userinfo(token, "POST"),
        desk.posts("/userinfo", {"access_token": token}),
        desk.sends("GET", "/userinfo", authorization=f"bearer {token}"),
        desk.sends("HEAD", "/userinfo", authorization=f"Bearer {token}"),
    ]
    assert [answer.status for answer in answers] == [200] * 5
    assert len({answer.body for answer in answers}) == 1


def test_the_token_is_sent_once(desk):
    """Header and form together are an invalid_request with its challenge, even when they agree."""
    token = token_for(desk)
    answer = desk.posts("/userinfo", {"access_token": token}, authorization=f"Bearer {token}")
    assert (answer.status, answer.error) == (400, "invalid_request")
    assert answer.headers["www-authenticate"] == 'Bearer realm="Yitong", error="invalid_request"'


@pytest.mark.parametrize(
    ("method", "request_parts"),
    [
        ("GET", {}),
        ("POST", {}),
        ("GET", {"query": "access_token={token}"}),
        ("POST", {"query": "access_token={token}"}),
        ("GET", {"body": b"access_token={token}", "content_type": "application/x-www-form-urlencoded"}),
        ("GET", {"authorization": "Basic {token}"}),
        ("GET", {"authorization": "Bearer"}),
        ("GET", {"authorization": "{token}"}),
        ("GET", {"cookie": "access_token={token}"}),
    ],
)
def test_no_token_where_we_look_is_no_token(desk, method, request_parts):
    """Query, cookie, GET body and other schemes do not count; the bare challenge names no error (RFC 6750 §3.1)."""
    token = token_for(desk)
    filled = {
        name: value.replace(b"{token}", token.encode()) if isinstance(value, bytes) else value.format(token=token)
        for name, value in request_parts.items()
    }
    answer = desk.sends(method, "/userinfo", **filled)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="Yitong"'


@pytest.mark.parametrize("token", ["x", "yt_rt_x", "a.b.c", "é", "{token}x", "{token} ", "null"])
def test_an_unknown_token_is_invalid(desk, token):
    """A string that is no token of ours is a 401 with invalid_token, and a trailing blank changes nothing."""
    real = token_for(desk)
    answer = desk.userinfo(token.format(token=real))
    if token == "{token} ":
        assert answer.status == 200
        return
    assert (answer.status, answer.error) == (401, "invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="Yitong", error="invalid_token"'


def test_openid_is_needed(desk):
    """A token without openid is alive but reaches nothing here: 403 insufficient_scope."""
    token = desk.tokens(desk.registers(), ("profile",))["access_token"]
    answer = desk.userinfo(token)
    assert (answer.status, answer.error) == (403, "insufficient_scope")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="Yitong", error="insufficient_scope"')


@pytest.mark.parametrize(("age", "status"), [(0, 200), (599, 200), (600, 401), (86400, 401)])
def test_a_token_ends_after_ten_minutes(desk, clock, age, status):
    """An access token is over at its exp."""
    token = token_for(desk)
    clock.now += timedelta(seconds=age)
    assert desk.userinfo(token).status == status


@pytest.mark.parametrize("end", ["disabled", "deceased", "merged", "closed", "withdrawn", "client"])
def test_the_gate_is_asked_at_every_reading(desk, end):
    """Disabling the person or the client, or withdrawing the grant, ends a token that was alive a moment ago."""
    registered = desk.registers()
    token = desk.tokens(registered, ("openid",))["access_token"]
    assert desk.userinfo(token).status == 200
    if end == "withdrawn":
        desk.withdraws()
    elif end == "client":
        desk.disables(registered)
    else:
        desk.person_is(end)
    answer = desk.userinfo(token)
    assert (answer.status, answer.error) == (401, "invalid_token")


def test_a_token_without_its_row_is_nothing(desk, clock):
    """A token we signed, whose row was never written, opens nothing: the row is the proof."""
    provider = desk.provider
    row_less = provider.tokens.access_token("fund", TokenSubject("subject", ("openid",)), clock())
    desk.registers()
    assert desk.userinfo(row_less).status == 401


def test_updated_at_is_the_persons(desk):
    """updated_at moves with the person's record."""
    token = token_for(desk, "profile")
    desk.person_is("disabled")
    desk.clock.advance(seconds=30)
    desk.person_is("active")
    assert desk.userinfo(token).json["updated_at"] == seconds(desk.clock())


def test_a_lowered_ceiling_holds_for_tokens_that_are_out(desk):
    """Whoever lowers what a client may have is obeyed within a second, whatever was granted before."""
    registered = desk.registers()
    token = desk.tokens(registered, ("openid", "profile", "phone"))["access_token"]
    assert "phone_number" in desk.userinfo(token).json
    desk.changes(registered, claims_ceiling=("name", "birthdate"))
    assert set(desk.userinfo(token).json) == {"sub", "name", "birthdate"}


def test_a_client_that_lost_openid_has_no_userinfo(desk):
    """The scope that opens this endpoint is under the ceiling like every other."""
    registered = desk.registers()
    token = desk.tokens(registered, ("openid", "profile"))["access_token"]
    desk.changes(registered, scopes=("profile",))
    answer = desk.userinfo(token)
    assert (answer.status, answer.error) == (403, "insufficient_scope")
