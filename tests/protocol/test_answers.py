"""An authorization request is approved or denied once, even by double clicks, by eight threads, or too late."""

from datetime import timedelta

import pytest

from idp.oidc.endpoints import authorization
from idp.oidc.errors import AccessDenied, RefusedToPerson
from idp.oidc.messages import Request
from idp.oidc.requests import request_store
from idp.oidc.tokens import token_store
from idp.oidc.tokens.secret import digest
from idp.oidc.vocabulary import AUTHORIZATION_CODE, REFRESH_TOKEN
from tests.fixtures.city import PLAIN_SCOPES, City, eight_at_once
from tests.fixtures.messages import redirect_parameters


@pytest.fixture
def city(city) -> City:
    """With one relying system, `fund`."""
    city.register_client(scopes=PLAIN_SCOPES, grant_types=(AUTHORIZATION_CODE, REFRESH_TOKEN))
    return city


def test_yes_and_no_exclude_each_other(city):
    """A denied request cannot be approved, and a collected one cannot be denied: both get an error page."""
    citizen, collected, denied = city.person, city.read_request(), city.read_request()
    assert city.redeem(redirect_parameters(citizen.approve(collected))["code"]).status == 200
    with city.database.transaction() as c:
        authorization.open_request(c, city.provider, denied, city.clock())
    denies(city, denied)
    with pytest.raises(RefusedToPerson):
        denies(city, collected)
    with pytest.raises(RefusedToPerson):
        approves_again(city, denied, citizen.approval(denied))


def test_a_no_takes_an_uncollected_yes_back(city):
    """The person may deny until the client redeems the code; the code is then invalid."""
    citizen, asked = city.person, city.read_request()
    code = redirect_parameters(citizen.approve(asked))["code"]
    denies(city, asked)
    assert city.redeem(code).status == 400


def denies(city, asked):
    with city.database.transaction() as c:
        authorization.deny(c, city.provider, asked, AccessDenied("no"), city.clock())


def approves_again(city, asked, approval):
    with city.database.transaction() as c:
        return redirect_parameters(authorization.approve(c, city.provider, asked, approval, city.clock()))["code"]


def test_approved_again_only_the_last_code_is_good(city):
    """A second approval replaces the first code; using the first code later revokes nothing."""
    citizen, asked = city.person, city.read_request()
    first = redirect_parameters(citizen.approve(asked))["code"]
    second = approves_again(city, asked, citizen.approval(asked))
    assert city.redeem(first).status == 400
    status, bought = city.redeem(second).pair
    assert status == 200
    assert city.redeem(first).status == 400
    userinfo = Request("GET", "/userinfo", headers={"authorization": f"Bearer {bought['access_token']}"})
    assert city.handle(userinfo).status == 200


def test_a_stranger_with_a_replaced_code_spoils_no_other(city):
    """Spoiling a replaced code leaves its replacement valid."""
    citizen, asked = city.person, city.read_request()
    first = redirect_parameters(citizen.approve(asked))["code"]
    second = approves_again(city, asked, citizen.approval(asked))
    spoilt = city.database.connection().execute(token_store.INVALIDATE_CODE, of_request=asked.id, of_code=digest(first))
    assert spoilt == 0
    assert city.redeem(second).status == 200


def test_what_was_collected_is_not_approved_again(city):
    """Once the code was redeemed the request is not approved again, and a replay of the code still revokes."""
    citizen, asked = city.person, city.read_request()
    code = redirect_parameters(citizen.approve(asked))["code"]
    bought = city.redeem(code).json
    with pytest.raises(RefusedToPerson):
        approves_again(city, asked, citizen.approval(asked))
    assert city.redeem(code).status == 400
    userinfo = Request("GET", "/userinfo", headers={"authorization": f"Bearer {bought['access_token']}"})
    assert city.handle(userinfo).status == 401


def test_racing_answers_leave_one_code(city):
    """Eight simultaneous approvals, each redeemed at once, give tokens only once."""
    citizen, asked = city.person, city.read_request()
    approval = citizen.approval(asked)
    with city.database.transaction() as c:
        authorization.open_request(c, city.provider, asked, city.clock())
    bought: list[int] = []

    def answer() -> None:
        try:
            bought.append(city.redeem(approves_again(city, asked, approval)).status)
        except RefusedToPerson:
            bought.append(410)

    eight_at_once(city.database, answer)
    assert (len(bought), bought.count(200)) == (8, 1)


def test_old_request_is_refused(city):
    """A request that nobody decided within its time cannot be approved any more."""
    citizen, asked = city.person, city.read_request()
    with city.database.transaction() as c:
        authorization.open_request(c, city.provider, asked, city.clock())
    city.clock.advance(minutes=31)
    assert asked.is_expired(city.clock())
    with city.database.transaction() as c, pytest.raises(RefusedToPerson):
        authorization.approve(c, city.provider, asked, citizen.approval(asked), city.clock())


def test_denial_is_told(city):
    """A denial reaches the client as access_denied."""
    asked = city.read_request()
    with city.database.transaction() as c:
        authorization.open_request(c, city.provider, asked, city.clock())
        reply = authorization.deny(c, city.provider, asked, AccessDenied("the person declined"), city.clock())
    assert redirect_parameters(reply)["error"] == "access_denied"


def test_silent_row_is_an_approval(city):
    """A silent login writes the same row as an approved open request."""
    citizen, asked = city.person, city.read_request()
    code, row = authorization.issue_code(city.provider, asked, citizen.approval(asked), city.clock())
    with city.database.transaction() as c:
        request_store.insert(c, row)
    status, tokens = city.redeem(code).pair
    assert status == 200, tokens
    assert redirect_parameters(authorization.success_reply(city.provider, asked, code))["code"] == code
    assert row["expires_at"] == city.clock() + timedelta(seconds=60)
