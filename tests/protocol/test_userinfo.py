"""UserInfo returns the claims granted to the token's request, and only to the holder of the token."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from accounts.database import Statement
from accounts.identifiers import IdentifierKind, parse
from accounts.merging import linking
from idp.oidc.tokens.minting import TokenSubject
from tests.fixtures.city import ADDRESS, BORN, EMAIL, ID_NUMBER, NAME, PHONE
from tests.fixtures.messages import seconds

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


def token_for(city, *scopes, **changes):
    registered = city.register_client(**changes)
    return city.issue_tokens(registered, ("openid", *scopes))["access_token"]


@pytest.mark.parametrize("scope", FACTS)
def test_a_scope_answers_its_claims(city, scope):
    """Each scope returns exactly its own claims, and sub."""
    told = city.userinfo(token_for(city, scope))
    assert told.status == 200
    assert {name: value for name, value in told.json.items() if name != "sub"} == FACTS[scope]
    assert told.headers["content-type"] == "application/json"
    assert told.headers["cache-control"] == "no-store"


def test_all_scopes_answer_all(city):
    """Several scopes return the claims of all of them."""
    told = city.userinfo(token_for(city, *FACTS)).json
    assert set(told) == {"sub"}.union(*FACTS.values())


def test_the_ceiling_cuts(city):
    """A scope of which the client may have one claim returns that claim only."""
    told = city.userinfo(token_for(city, "profile", claims_ceiling=("gender",))).json
    assert set(told) == {"sub", "gender"}


def test_a_claim_asked_by_name_is_answered(city):
    """`claims.userinfo` releases a single claim without its scope; the identity number is never released this way."""
    registered = city.register_client()
    asked = {"userinfo": {"email": None, "identity_number": {"essential": True}}}
    token = city.issue_tokens(registered, ("openid",), claims=asked)["access_token"]
    assert set(city.userinfo(token).json) == {"sub", "email"}


def test_what_was_verified_is_said_to_be(city):
    """A phone that the person proved to hold is marked as verified; one that they only named is not."""
    token = token_for(city, "phone")
    with city.database.transaction() as c:
        assert city.people.phone_verified(c, city.person.id, parse(IdentifierKind.MOBILE, PHONE), now=city.clock())
    assert city.userinfo(token).json["phone_number_verified"] is True


def test_an_old_account_is_answered_to_its_own_system_only(city):
    """legacy_sub is the old user id in the client's own system; another client gets none."""
    row = linking.link_row(
        system="forum",
        uid="old-7",
        person_id=city.person.id,
        login_index=b"x",
        rule="number",
        run_id="run",
        now=city.clock(),
        secret=None,
        recipe=None,
    )
    city.database.connection().execute(Statement(sa.insert(linking.linked_accounts)), **{**row, "level": 2})
    forum = city.register_client("forum", legacy_system="forum", scopes=("openid", "legacy"))
    other = city.register_client("other", scopes=("openid", "legacy"))
    answers = [city.userinfo(city.issue_tokens(r, ("openid", "legacy"))["access_token"]).json for r in (forum, other)]
    assert answers[0]["legacy_sub"] == "old-7"
    assert set(answers[1]) == {"sub"}


def test_the_facts_are_todays(city, clock):
    """UserInfo reports an age that the person reached after giving consent."""
    city.person = city.register_person(22, born=date(2008, 3, 3))
    registered = city.register_client()
    early = city.issue_tokens(registered, ("openid", "age", "offline_access"))
    assert city.userinfo(early["access_token"]).json["age_over_18"] is False
    clock.advance(days=1)
    later = city.refresh(registered, early["refresh_token"]).json
    assert city.userinfo(later["access_token"]).json["age_over_18"] is True


def test_a_birthday_begins_at_chinas_midnight(city, clock):
    """Half past midnight in Luzhou is a new day there, whatever the UTC date is."""
    clock.advance(hours=7, minutes=30)  # 2026-03-02 16:30 UTC
    city.person = city.register_person(22, born=date(2008, 3, 3))
    assert city.userinfo(token_for(city, "age")).json["age_over_18"] is True


def test_the_token_may_come_in_a_header_or_in_a_form(city):
    """GET with header, POST with header and POST with form (RFC 6750 §2.1, §2.2) return the same."""
    token = token_for(city, "age")
    answers = [
        city.userinfo(token),
        city.userinfo(token, "POST"),
        city.post("/userinfo", {"access_token": token}),
        city.send("GET", "/userinfo", authorization=f"bearer {token}"),
        city.send("HEAD", "/userinfo", authorization=f"Bearer {token}"),
    ]
    assert [answer.status for answer in answers] == [200] * 5
    assert len({answer.body for answer in answers}) == 1


def test_the_token_is_sent_once(city):
    """Header and form together are an invalid_request with its challenge, even with equal tokens."""
    token = token_for(city)
    answer = city.post("/userinfo", {"access_token": token}, authorization=f"Bearer {token}")
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
def test_no_token_where_we_look_is_no_token(city, method, request_parts):
    """Query, cookie, GET body and other schemes do not count; the challenge names no error (RFC 6750 §3.1)."""
    token = token_for(city)
    filled = {
        name: value.replace(b"{token}", token.encode()) if isinstance(value, bytes) else value.format(token=token)
        for name, value in request_parts.items()
    }
    answer = city.send(method, "/userinfo", **filled)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="Yitong"'


@pytest.mark.parametrize("token", ["x", "yt_rt_x", "a.b.c", "é", "{token}x", "{token} ", "null"])
def test_an_unknown_token_is_invalid(city, token):
    """An unknown string is a 401 with invalid_token; a trailing blank makes no difference."""
    real = token_for(city)
    answer = city.userinfo(token.format(token=real))
    if token == "{token} ":
        assert answer.status == 200
        return
    assert (answer.status, answer.error) == (401, "invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="Yitong", error="invalid_token"'


def test_openid_is_needed(city):
    """A token without openid is active, but UserInfo refuses it: 403 insufficient_scope."""
    token = city.issue_tokens(city.register_client(), ("profile",))["access_token"]
    answer = city.userinfo(token)
    assert (answer.status, answer.error) == (403, "insufficient_scope")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="Yitong", error="insufficient_scope"')


@pytest.mark.parametrize(("age", "status"), [(0, 200), (599, 200), (600, 401), (86400, 401)])
def test_a_token_ends_after_ten_minutes(city, clock, age, status):
    """An access token expires at its exp."""
    token = token_for(city)
    clock.now += timedelta(seconds=age)
    assert city.userinfo(token).status == status


@pytest.mark.parametrize("end", ["disabled", "deceased", "merged", "closed", "withdrawn", "client"])
def test_the_gate_is_asked_at_every_reading(city, end):
    """Disabling the person or the client, or withdrawing the grant, ends an active token at once."""
    registered = city.register_client()
    token = city.issue_tokens(registered, ("openid",))["access_token"]
    assert city.userinfo(token).status == 200
    if end == "withdrawn":
        city.withdraw_grants()
    elif end == "client":
        city.disable_client(registered)
    else:
        city.set_person_status(end)
    answer = city.userinfo(token)
    assert (answer.status, answer.error) == (401, "invalid_token")


def test_a_token_without_its_row_is_nothing(city, clock):
    """A token that we signed is refused when it has no row: the row is the proof."""
    provider = city.provider
    row_less = provider.tokens.access_token("fund", TokenSubject("subject", ("openid",)), clock())
    city.register_client()
    assert city.userinfo(row_less).status == 401


def test_updated_at_is_the_persons(city):
    """updated_at changes with the person's record."""
    token = token_for(city, "profile")
    city.set_person_status("disabled")
    city.clock.advance(seconds=30)
    city.set_person_status("active")
    assert city.userinfo(token).json["updated_at"] == seconds(city.clock())


def test_a_lowered_ceiling_holds_for_tokens_that_are_out(city):
    """A lowered ceiling of a client holds within a second for tokens already issued."""
    registered = city.register_client()
    token = city.issue_tokens(registered, ("openid", "profile", "phone"))["access_token"]
    assert "phone_number" in city.userinfo(token).json
    city.change_client(registered, claims_ceiling=("name", "birthdate"))
    assert set(city.userinfo(token).json) == {"sub", "name", "birthdate"}


def test_a_client_that_lost_openid_has_no_userinfo(city):
    """The ceiling also covers openid: a client that lost it may not use UserInfo."""
    registered = city.register_client()
    token = city.issue_tokens(registered, ("openid", "profile"))["access_token"]
    city.change_client(registered, scopes=("profile",))
    answer = city.userinfo(token)
    assert (answer.status, answer.error) == (403, "insufficient_scope")
