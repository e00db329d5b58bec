"""The one gate: what it decides. Its callers: tests/architecture/test_gate_callers.py."""

from dataclasses import dataclass

import pytest

from idp.cli.context import CommandContext
from idp.login import person_status
from idp.oidc.gate import Refusal, may_act_alone, may_proceed
from tests.fixtures.messages import payload


@dataclass(frozen=True)
class Someone:
    status: str


@pytest.mark.parametrize("withdrawn", [False, True])
@pytest.mark.parametrize("person", ["active", "disabled", "deceased", "merged", "closed", "", "Active", None])
@pytest.mark.parametrize("client", ["active", "disabled", "", "ACTIVE"])
def test_only_one_way_is_open(client, person, withdrawn):
    """An active client, an active person and a valid grant pass; all else is refused with the first reason."""
    said = may_proceed(client=Someone(client), person_status=person, grant_withdrawn=withdrawn)
    if client != "active":
        assert said is Refusal.CLIENT_DISABLED
    elif person is None:
        assert said is Refusal.PERSON_UNKNOWN
    elif person != "active":
        assert said is Refusal.PERSON_NOT_ACTIVE
    else:
        assert said is (Refusal.GRANT_WITHDRAWN if withdrawn else None)


@pytest.mark.parametrize(("status", "open_"), [("active", True), ("disabled", False), ("", False), ("Active", False)])
def test_a_client_alone_must_be_active(status, open_):
    """For a client that acts for itself only its own status is checked."""
    assert (may_act_alone(Someone(status)) is None) is open_


@pytest.mark.parametrize("withdrawn", [False, True])
@pytest.mark.parametrize("status", ["active", "disabled", "deceased", "merged", "closed"])
def test_the_statement_that_spends_a_code_holds_the_same_gate(city, status, withdrawn):
    """A code is redeemed without reading its person, so its statement checks what the gate checks."""
    client = city.register_client()
    code = city.issue_code(client)
    if withdrawn:
        city.withdraw_grants()
    city.set_person_status(status)
    is_open = may_proceed(client=client.client, person_status=status, grant_withdrawn=withdrawn) is None
    assert (city.exchange(client, code).status == 200) is is_open
    assert (len(city.rows("access_tokens")) == 1) is is_open


def test_disabling_and_enabling_is_felt_everywhere_at_once(city):
    """Disabling a person closes every place; enabling opens those that only read the status."""
    client = city.register_client()
    bought = city.issue_tokens(client, ("openid", "offline_access"))
    code = city.issue_code(client)

    def places():
        return (
            city.userinfo(bought["access_token"]).status == 200,
            city.introspect(client, bought["access_token"]).json["active"],
            city.introspect(client, bought["refresh_token"]).json["active"],
            city.refresh(client, bought["refresh_token"]).status == 200,
            city.exchange(client, code).status == 200,
        )

    city.set_person_status("disabled")
    assert places() == (False,) * 5
    city.set_person_status("active")
    assert places() == (True,) * 5


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_an_account_that_was_stopped_brings_no_token_back(city, method):
    """Codes and tokens from before a disabling stay invalid when the person is enabled again.

    Tokens with offline_access have no session to end with: they end with the grant.
    """
    client = city.register_client(method=method)
    bought = city.issue_tokens(client, ("openid", "offline_access"))
    code = city.issue_code(client)
    for status in ("disabled", "active"):
        city.clock.advance(seconds=1)
        with city.database.transaction() as c:
            ended = person_status.change(c, city.people, city.person.id, status, actor="operator:x", now=city.clock())
        assert ended == (person_status.EndedCounts(1, 1) if status == "disabled" else person_status.EndedCounts(0, 0))
    assert city.userinfo(bought["access_token"]).status == 401
    assert city.refresh(client, bought["refresh_token"]).error == "invalid_grant"
    assert city.exchange(client, code).error == "invalid_grant"


def test_an_undone_merge_ends_what_it_had_let_in(city):
    """After a wrong link is undone no token from it stays valid, not even one for offline use."""
    client = city.register_client()
    token = city.issue_tokens(client, ("openid", "offline_access"))["refresh_token"]
    city.clock.advance(seconds=1)
    with city.database.transaction() as c:
        CommandContext().persons_changed(c, [city.person.id], city.clock())
    assert city.refresh(client, token).error == "invalid_grant"


def test_a_disabled_clients_tokens_are_dead_everywhere(city):
    """Disabling a client changes no token's row: each reader asks the gate, which knows within a second."""
    client, other = city.register_client(), city.register_client("clinic", metadata={"resource_server": True})
    bought = city.issue_tokens(client, ("openid", "offline_access"))
    assert city.count_active_tokens() == (1, 1)
    city.disable_client(client)
    assert [row.revoked_at for row in city.rows("access_tokens")] == [None]
    assert city.count_active_tokens() == (0, 0)
    assert city.userinfo(bought["access_token"]).status == 401
    assert city.introspect(other, bought["access_token"]).json == {"active": False}
    assert city.introspect(other, bought["refresh_token"]).json == {"active": False}
    assert city.refresh(client, bought["refresh_token"]).error == "invalid_client"


def test_a_grant_is_each_clients_own(city):
    """Withdrawing one client's grant does not affect the other's."""
    fund, clinic = city.register_client("fund"), city.register_client("clinic")
    mine, theirs = (city.issue_tokens(client, ("openid",))["access_token"] for client in (fund, clinic))
    assert payload(mine)["client_id"] == "fund"
    row = next(row for row in city.rows("grants") if row.client_id == "fund")
    city.withdraw_grant(row.id)
    assert city.userinfo(mine).status == 401
    assert city.userinfo(theirs).status == 200
